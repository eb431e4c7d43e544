"""Damaged files of every kind that is read: refused in words, whatever the damage, with bounded memory and time.

`RESPIKE_DAMAGED=500 pytest tests/test_damaged_files.py` tries so many of each kind.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import damage
from respike import SpikingNetwork, load, methods, zoo
from respike.data import idx
from respike.measure import Batch, Kept, Tally

COUNT = int(os.environ.get("RESPIKE_DAMAGED", "12"))


def _model() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4))
    return nn.Sequential(*layers).eval()


def _converted(path: Path) -> None:
    network = load(_model(), torch.rand(2, 2, 8, 8))
    SpikingNetwork(network, methods.max_norm(network, torch.rand(8, 2, 8, 8), steps=5)).save(path)


def _record(path: Path) -> None:
    path.write_text(json.dumps(asdict(zoo.record("mnist-cnn"))))


def _checkpoint(path: Path) -> None:
    network = nn.Linear(40, 30)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.rand(2, 40)).sum().backward()
    optimizer.step()
    epoch = zoo.records.Epoch(1, 0.5, 0.5, 0.5, 1.0)
    zoo.checkpoint.Checkpoint(path, {"name": "linear"}).save(network, optimizer, (epoch,))


def _kept(path: Path) -> None:
    batch = Batch(0, 0, torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))
    Kept(path.parent).write(batch, Tally({"images": torch.tensor(2)}))


def _idx(path: Path) -> None:
    content = idx.build(np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28))
    if path.suffix == ".gz":
        import gzip

        content = gzip.compress(content)
    path.write_bytes(content)


def _archive(path: Path) -> None:
    member = path.with_name("test_batch.bin")
    member.write_bytes(bytes(30730))
    with tarfile.open(path, "w:gz") as tar:
        tar.add(member, member.name)


def _image(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def _study(path: Path) -> None:
    from respike import tuning

    network = damage.tiny()
    held_out = (torch.rand(8, 4) + 1, torch.arange(8) % 4)
    tuning.tune(network, torch.rand(8, 4), held_out, trials=2, longest=8, storage=path, name="tiny")


def _onnx(path: Path) -> None:
    torch.onnx.export(_model(), (torch.rand(2, 2, 8, 8),), path, dynamo=False, opset_version=17)


def _keras(path: Path) -> None:
    from frontends.keras_models import layers, sequential
    from respike.frontends.keras.original import quiet

    with quiet():
        sequential((8, 8, 2), layers.Conv2D(3, 3, activation="relu"), layers.Flatten(), layers.Dense(4)).save(path)


SOUND: dict[str, Callable[[Path], object]] = {
    "net.respike": _converted,
    "weights.safetensors": lambda path: save_file(nn.Linear(40, 30).state_dict(), path),
    "mnist-cnn.json": _record,
    "net.checkpoint.safetensors": _checkpoint,
    "000000.safetensors": _kept,
    "run.json": lambda path: path.write_text('{"network": "linear"}'),
    "images-idx3-ubyte.gz": _idx,
    "images-idx3-ubyte": _idx,
    "cifar.tar.gz": _archive,
    "image.png": _image,
    "image.jpg": _image,
    "image.webp": _image,
    "image.bmp": _image,
    "tuning.db": _study,
    "model.pt2": lambda path: torch.export.save(torch.export.export(_model(), (torch.rand(2, 2, 8, 8),)), path),
    "model.onnx": _onnx,
    "model.keras": _keras,
    "model.h5": _keras,
}
NEEDS = {"tuning.db": "optuna", "model.onnx": "onnx", "model.keras": "keras", "model.h5": "keras"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", damage.READERS)
def test_a_damaged_file_is_refused_in_words(name: str, tmp_path: Path) -> None:
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    path = tmp_path / name
    SOUND[name](path)
    # In a process with one thread, which can have children.
    command = [sys.executable, damage.__file__, str(path), "0", str(COUNT)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "KERAS_BACKEND": "torch"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (ended.returncode, ended.stdout.strip()) == (0, ""), ended.stderr[-2000:]
