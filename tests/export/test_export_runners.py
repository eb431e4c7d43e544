"""The two programs in a folder compute what respike computes, bit for bit, and notice where they do not."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from export.exporting import given, residual, spiking
from networks import Builder
from respike import SpikingNetwork, data, export, load, methods, simulate, zoo
from respike.coding import Bernoulli, IntegrateEncoder
from respike.export import Converted, write_folder
from respike.export.runners import run as runner
from respike.ir import Activation, Concat, Conv, Linear, MaxPool, Network, Pad, Permute, ReLU, Reshape, Slice
from respike.lower import FixedPoint, fixed_point
from respike.neurons import Burst, IntegrateFire, MultiThreshold, SignedIntegrateFire, ToValue
from respike.neurons.thresholds import Above
from respike.plan import Membrane, MomentaryMax, Plan, Site, SpikeCount
from respike.record import Probe
from respike.schedule import InputThenDrain, Steady

pytestmark = pytest.mark.filterwarnings("ignore::respike.engines.integers.SaturationWarning")
"""Some networks here saturate on purpose: the programs must do it alike."""

_COMPILER = shutil.which("cc")
_FLAGS = ("-O1", "-std=c99", "-ffp-contract=off", "-Wall", "-Werror")


def _numpy(folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "run.py", *words], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def _c(folder: Path, *words: str) -> tuple[int, str]:
    assert _COMPILER is not None
    built = subprocess.run(
        [_COMPILER, *_FLAGS, "run.c", "-lm", "-o", "run"], cwd=folder, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    done = subprocess.run(["./run", *words], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def _agree(folder: Path) -> str:
    """What both programs say of a folder; the compiled one is left out where there is no compiler."""
    code, said = _numpy(folder)
    assert (code, said.endswith(": all equal\n")) == (0, True), said
    if _COMPILER is not None:
        assert _c(folder) == (0, said)
    return said


def _golden(folder: Path, name: str) -> Any:
    manifest = json.loads((folder / "manifest.json").read_text())
    golden = manifest["golden"]
    return np.load(folder / (golden[name] if name in ("inputs", "outputs") else golden["spikes"][name]))


def _mnist() -> tuple[Network, Tensor, Tensor]:
    calibration = data.load("mnist", "calibration").images[:128]
    return load(zoo.load("mnist-cnn"), calibration[:8]), calibration, data.load("mnist", "test").take(10).images


@pytest.mark.parametrize("bits", [None, 8, 12])
def test_mnist_cnn(bits: int | None, tmp_path: Path) -> None:
    network, calibration, images = _mnist()
    converted = SpikingNetwork(network, methods.max_norm(network, calibration, steps=8))
    written: Converted = converted if bits is None else fixed_point(network, converted.plan, bits=bits)
    assert write_folder(tmp_path / "net", written, images=images) is None
    assert "10 images, 8 steps" in _agree(tmp_path / "net")
    outputs = torch.from_numpy(_golden(tmp_path / "net", "outputs"))
    if isinstance(written, FixedPoint):
        run = written.run(images, Probe(spikes=("relu1",)))
        torch.testing.assert_close(outputs, written.decode(run.recording.outputs).float())
        expected = run.recording.spikes["relu1"]
    else:
        torch.testing.assert_close(outputs, converted(images), rtol=1e-5, atol=1e-5)
        exact = SpikingNetwork(network.to(torch.float64), converted.plan)
        expected = simulate(exact, images.double(), Probe(spikes=("relu1",))).spikes["relu1"]
    np.testing.assert_array_equal(_golden(tmp_path / "net", "relu1"), expected.movedim(0, 1).numpy())


@pytest.mark.parametrize("bits", [None, 8])
def test_resnet8(bits: int | None, tmp_path: Path) -> None:
    images = torch.rand(10, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    network = load(zoo.load("cifar10-resnet8"), images[:2])
    plan = methods.max_norm(network, images, steps=2)
    converted: Converted = SpikingNetwork(network, plan)
    if bits is not None:
        converted = fixed_point(network, plan, bits=bits)
    write_folder(tmp_path / "net", converted, images=images[:2])
    assert "2 images, 2 steps" in _agree(tmp_path / "net")


_NEURONS = {
    "subtract": IntegrateFire(),
    "strict": IntegrateFire(fires=Above()),
    "hard": IntegrateFire(ToValue(0.0)),
    "to a value": IntegrateFire(ToValue(0.125)),
    "burst": Burst(3),
    "signed": SignedIntegrateFire(),
    "signed, bounded": SignedIntegrateFire(2),
}


@pytest.mark.parametrize("kind", _NEURONS)
@pytest.mark.parametrize("bits", [None, 6])
def test_every_kind_of_neuron(kind: str, bits: int | None, tmp_path: Path) -> None:
    network = residual(1)
    converted = spiking(network, 9, neuron=_NEURONS[kind], initial_potential=0.05)
    written: Converted = (
        converted if bits is None else fixed_point(network, converted.plan, bits=bits, membrane_bits=14)
    )
    assert write_folder(tmp_path / "net", written, images=given(6)) is None
    _agree(tmp_path / "net")


@pytest.mark.parametrize("coding", [Bernoulli(seed=4), IntegrateEncoder()], ids=str)
def test_inputs_that_are_spikes(coding: Any, tmp_path: Path) -> None:
    converted = spiking(residual(2), 7)
    converted = SpikingNetwork(converted.network, replace(converted.plan, coding=coding))
    write_folder(tmp_path / "net", converted, images=given(3))
    _agree(tmp_path / "net")
    assert _golden(tmp_path / "net", "inputs").shape == (3, 7, 2, 6, 8)


@pytest.mark.parametrize(
    "readout",
    [
        Membrane(),
        Membrane(after=4),
        SpikeCount(Site(0.4, 0.3)),
        SpikeCount(Site(0.4)),
        SpikeCount(Site(0.4, 0.3), after=3),
    ],
    ids=str,
)
@pytest.mark.parametrize("bits", [None, 8])
def test_readouts(readout: Any, bits: int | None, tmp_path: Path) -> None:
    converted = spiking(residual(3), 10)
    converted = SpikingNetwork(converted.network, replace(converted.plan, readout=readout))
    written: Converted = converted if bits is None else fixed_point(converted.network, converted.plan, bits=bits)
    write_folder(tmp_path / "net", written, images=given(3))
    _agree(tmp_path / "net")
    if isinstance(written, FixedPoint):
        expected = written.decode(written.run(given(3)).recording.outputs)
        np.testing.assert_allclose(_golden(tmp_path / "net", "outputs"), expected.numpy(), rtol=1e-6)
    else:
        np.testing.assert_allclose(_golden(tmp_path / "net", "outputs"), converted(given(3)).numpy(), rtol=1e-6)


def test_draining_and_thresholds_of_channels(tmp_path: Path) -> None:
    network = residual(4)
    sites = {
        node.name: Site(torch.linspace(0.4, 0.9, network.shapes[node.name][0], dtype=torch.float64), extra_current=0.0)
        for node in network.activations
    }
    converted = SpikingNetwork(network, Plan(sites, InputThenDrain(5, 4)))
    write_folder(tmp_path / "net", converted, images=given(4))
    _agree(tmp_path / "net")


def _rearranging() -> Network:
    """Max pools, padding, slices, permutations and concatenations, grouped and strided convolutions."""
    builder = Builder((2, 6, 8), 5, bias=True)
    builder.block("conv")
    nodes = list(builder.nodes)
    last = nodes[-1].name
    shape = Network(tuple(nodes), (last,)).shapes[last]
    generator = torch.Generator().manual_seed(6)
    weight = torch.randn(2 * shape[0], 1, 3, 3, generator=generator, dtype=torch.float64) * 0.4
    nodes += [
        Pad("pad", (last,), (1, 2, 0, 1)),
        Conv("grouped", ("pad",), weight, None, (1, 2), (1, 1), (2, 1), shape[0]),
    ]
    nodes += [Activation("relu_grouped", ("grouped",), ReLU()), MaxPool("max", (last,), (2, 2), (2, 2), (1, 0), (1, 1))]
    nodes += [Activation("relu_max", ("max",), ReLU())]
    nodes += [
        Permute("turned", ("relu_max",), (0, 2, 3, 1)),
        Slice("part", ("turned",), 2, 1, 4),
    ]
    found = Network(tuple(nodes), ("part",))
    rows = found.shapes["part"]
    taken = found.shapes["relu_grouped"]
    nodes += [
        Linear("over_channels", ("part",), torch.randn(5, rows[-1], generator=generator, dtype=torch.float64)),
        Reshape("flat", ("over_channels",), (rows[0] * rows[1] * 5,)),
        Reshape("flat_grouped", ("relu_grouped",), (taken[0] * taken[1] * taken[2],)),
    ]
    sizes = (rows[0] * rows[1] * 5, taken[0] * taken[1] * taken[2])
    nodes += [
        Linear("fc", ("flat_grouped",), torch.randn(4, sizes[1], generator=generator, dtype=torch.float64) * 0.2),
        Linear("fc_other", ("flat",), torch.randn(4, sizes[0], generator=generator, dtype=torch.float64) * 0.2),
        Concat("both", ("fc", "fc_other"), 1),
    ]
    return Network(tuple(nodes), ("both",), "rearranging")


@pytest.mark.parametrize("pooling", [None, MomentaryMax()], ids=str)
def test_everything_that_moves_values(pooling: Any, tmp_path: Path) -> None:
    network = _rearranging()
    converted = spiking(network, 6)
    if pooling is not None:
        converted = SpikingNetwork(network, replace(converted.plan, max_pooling=pooling))
    assert write_folder(tmp_path / "net", converted, images=given(4)) is None
    _agree(tmp_path / "net")


def test_another_spike_or_output_is_noticed(tmp_path: Path) -> None:
    write_folder(tmp_path / "net", spiking(residual(1), 5), images=given(2))
    manifest = json.loads((tmp_path / "net" / "manifest.json").read_text())
    for file in (next(iter(manifest["golden"]["spikes"].values())), manifest["golden"]["outputs"]):
        whole = np.load(tmp_path / "net" / file)
        changed = whole.copy()
        changed.flat[-1] = 1 - changed.flat[-1]
        np.save(tmp_path / "net" / file, changed)
        assert (code := _numpy(tmp_path / "net")[0]) == 1, code
        if _COMPILER is not None:
            code, said = _c(tmp_path / "net")
            assert code == 1
            assert "differs" in said
        np.save(tmp_path / "net" / file, whole)


def test_inputs_of_ones_own(tmp_path: Path) -> None:
    converted = spiking(residual(1), 5)
    write_folder(tmp_path / "net", converted, images=given(2))
    np.save(tmp_path / "net" / "own.npy", given(3, seed=9).numpy())
    _, printed = _numpy(tmp_path / "net", "own.npy")
    numbers = np.array([[float(word) for word in line.split()] for line in printed.splitlines()])
    np.testing.assert_allclose(numbers, converted(given(3, seed=9)).numpy(), rtol=1e-6)
    if _COMPILER is not None:
        assert _c(tmp_path / "net", "own.npy") == (0, printed)


def test_neurons_without_a_program_leave_the_runners_out(tmp_path: Path) -> None:
    without = write_folder(tmp_path / "net", spiking(residual(1), 5, neuron=MultiThreshold()), images=given(2))
    assert without is not None
    assert "multi_threshold" in without
    assert not (tmp_path / "net" / "run.c").exists()
    assert _golden(tmp_path / "net", "outputs").shape == (2, 3)


def test_numbers_are_stored_in_the_smallest_types(tmp_path: Path) -> None:
    network, calibration, images = _mnist()
    plan = methods.max_norm(network, calibration, steps=2)
    for bits, kind in ((8, np.int8), (4, np.int8), (9, np.int16), (16, np.int16)):
        folder = tmp_path / str(bits)
        write_folder(folder, fixed_point(network, plan, bits=bits, membrane_bits=32), images=images[:1])
        manifest = json.loads((folder / "manifest.json").read_text())
        assert (manifest["weight_bits"], manifest["membrane_bits"]) == (bits, 32)
        conv = next(node for node in manifest["nodes"] if node["name"] == "conv1")
        assert np.load(folder / conv["weight"]["file"]).dtype == kind
        assert int(np.abs(np.load(folder / conv["weight"]["file"]).astype(int)).max()) <= 2 ** (bits - 1) - 1
        assert np.load(folder / manifest["golden"]["inputs"]).dtype == np.int16


def test_the_program_is_the_module(tmp_path: Path) -> None:
    """What the tests of this file run is the file that is shipped, and it needs numpy alone."""
    write_folder(tmp_path / "net", spiking(residual(1), 5), images=given(1))
    text = (tmp_path / "net" / "run.py").read_text()
    assert text == Path(runner.__file__).read_text()
    assert "import respike" not in text
    assert "torch" not in text


def test_the_schedule_is_told(tmp_path: Path) -> None:
    write_folder(tmp_path / "net", spiking(residual(1), 5), images=given(1))
    assert (
        Steady(5).phases[0].steps == json.loads((tmp_path / "net" / "manifest.json").read_text())["phases"][0]["steps"]
    )


def test_the_page_names_the_arguments_of_every_function() -> None:
    page = (Path(__file__).parents[2] / "docs" / "hardware" / "export.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", page, re.MULTILINE)
    assert {name for name, _ in listed} == {name for name in export.__all__ if name.islower() and name != "portable"}
    for name, arguments in listed:
        parameters = inspect.signature(getattr(export, name)).parameters.values()
        written = [part.partition("=")[0] for part in arguments.split(", ") if part != "*"]
        assert written == [parameter.name for parameter in parameters]
