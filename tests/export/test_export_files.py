"""Folders, archives and plain modules; and that nothing is overwritten or left half written."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.exporting import convolve, given, residual, spiking, sum_pool
from respike import data, load, methods, refine, zoo
from respike.cli import main
from respike.coding import Bernoulli
from respike.engines import reference
from respike.errors import InvalidFile
from respike.export import CannotExport, UnitIntegrateFire, UnitModule, write_folder, write_nir
from respike.export.neurobench import effective_operations, neurobench_model
from respike.export.torch_archive import to_program, write_torch_archive
from respike.ir import Activation, Input, Linear, Network, ReLU
from respike.lower import fixed_point
from respike.plan import Plan, Site
from respike.record import Probe
from respike.schedule import InputThenDrain, Steady
from respike.spiking import SpikingNetwork


def _perceptron(seed: int = 0, hidden: int = 5) -> SpikingNetwork:
    generator = torch.Generator().manual_seed(seed)
    network = Network(
        (
            Input("x", (), (4,)),
            Linear(
                "fc1", ("x",), torch.randn(hidden, 4, generator=generator), torch.randn(hidden, generator=generator) / 4
            ),
            Activation("relu", ("fc1",), ReLU()),
            Linear("fc2", ("relu",), torch.randn(3, hidden, generator=generator)),
        ),
        ("fc2",),
    )
    return SpikingNetwork(network, Plan({"relu": Site(0.7)}, Steady(3)))


def _read(folder: Path, entry: dict[str, Any]) -> Any:
    array = np.load(folder / entry["file"])
    assert list(array.shape) == entry["shape"]
    assert str(array.dtype) == entry["dtype"]
    return array


def _run(folder: Path, images: Any) -> tuple[dict[str, Any], Any]:
    """Runs a folder from its manifest alone: spike counts per population, and the readout."""
    manifest = json.loads((folder / "manifest.json").read_text())
    potentials: dict[str, Any] = {}
    counts: dict[str, Any] = {}
    total: Any = 0
    for phase in manifest["phases"]:
        for _ in range(phase["steps"]):
            values: dict[str, Any] = {}
            for node in manifest["nodes"]:
                x = [values[name] for name in node["inputs"]]
                bias = _read(folder, node["bias"]) * phase["bias_on"] if "bias" in node else 0
                match node["type"]:
                    case "Input":
                        values[node["name"]] = images * phase["input_on"]
                    case "Linear":
                        values[node["name"]] = x[0] @ _read(folder, node["weight"]).T + bias
                    case "Conv":
                        shifted = np.reshape(bias, (-1, 1, 1))
                        weight = _read(folder, node["weight"])
                        values[node["name"]] = convolve(x[0], weight, node["stride"], node["padding"]) + shifted
                    case "Add":
                        values[node["name"]] = x[0] + x[1]
                    case "AvgPool":
                        assert node["divisor"] == 1
                        values[node["name"]] = sum_pool(x[0], node["kernel"], node["stride"])
                    case "Reshape":
                        values[node["name"]] = x[0].reshape(len(images), *node["shape"])
                    case "Activation":
                        name = node["name"]
                        assert (node["neuron"]["fires_at"], node["neuron"]["reset"]) == (">=", "subtract")
                        threshold = _read(folder, node["threshold"])
                        v = potentials.get(name, _read(folder, node["initial_potential"])) + x[0]
                        spikes = (v >= threshold) * 1.0
                        potentials[name] = v - threshold * spikes
                        counts[name] = counts.get(name, 0) + spikes
                        values[name] = spikes
                    case kind:
                        raise TypeError(kind)
            total = total + values[manifest["readout"]["node"]]
    return counts, total / manifest["readout"]["decoding"]


def test_a_folder_says_all_that_a_simulation_needs(tmp_path: Path) -> None:
    network = residual(1)
    plan = spiking(network, initial_potential=0.1).plan.with_schedule(InputThenDrain(5, 3))
    converted = SpikingNetwork(network, plan)
    write_folder(tmp_path / "net", converted)
    counts, outputs = _run(tmp_path / "net", given().numpy())
    wanted = reference(network, plan, given(), Probe()).spike_counts
    for name, spikes in wanted.items():
        np.testing.assert_array_equal(counts[name], spikes.numpy())
    np.testing.assert_allclose(outputs, converted(given()).numpy(), rtol=1e-9)


def test_a_folder_of_integers(tmp_path: Path) -> None:
    network = residual(2)
    fixed = fixed_point(network, spiking(network).plan, bits=6)
    write_folder(tmp_path / "net", fixed)
    kinds = {np.load(file).dtype for file in (tmp_path / "net").rglob("*.npy") if file.stem != "unit"}
    assert kinds == {np.dtype(np.int8), np.dtype(np.int32)}
    counts, outputs = _run(tmp_path / "net", fixed.encode(given()).numpy())
    run = fixed.run(given()).recording
    for name, spikes in run.spike_counts.items():
        np.testing.assert_array_equal(counts[name], spikes.numpy())
    np.testing.assert_allclose(outputs, fixed.decode(run.outputs).numpy())


def test_an_archive_runs_without_respike(tmp_path: Path) -> None:
    converted = _perceptron()
    images = torch.rand(5, 4, generator=torch.Generator().manual_seed(1))
    write_torch_archive(tmp_path / "net.pt2", converted)
    torch.save(images, tmp_path / "images.pt")
    program = (
        "import sys; sys.modules['respike'] = None\n"
        "import torch\n"
        "module = torch.export.load('net.pt2').module()\n"
        "torch.save(module(torch.load('images.pt')).detach(), 'outputs.pt')\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    torch.testing.assert_close(torch.load(tmp_path / "outputs.pt"), converted(images))


def test_an_archive_takes_currents_only() -> None:
    converted = _perceptron()
    plan = Plan(converted.plan.sites, Steady(3), coding=Bernoulli())
    with pytest.raises(CannotExport, match=r"coding=ConstantCurrent\(\)"):
        to_program(SpikingNetwork(converted.network, plan))


def test_plain_layers_read_zeros_and_ones_and_give_our_outputs() -> None:
    converted = spiking(residual(3))
    module = UnitModule(converted)
    seen: dict[nn.Module, list[Tensor]] = {}
    for child in module.modules():
        if isinstance(child, nn.Conv2d | nn.Linear):
            child.register_forward_pre_hook(lambda layer, x: seen.setdefault(layer, []).append(x[0]))
    outputs = module(given())
    torch.testing.assert_close(outputs, converted(given()))
    (image,), *spikes = seen.values()  # the first map runs once
    assert torch.equal(image, given())
    assert all(set(part.flatten().tolist()) <= {0.0, 1.0} for layer in spikes for part in layer)
    assert all(len(layer) == 12 for layer in spikes)
    assert sum(isinstance(child, UnitIntegrateFire) for child in module.modules()) == len(converted.plan.sites)


def test_plain_layers_read_out_late() -> None:
    converted = spiking(residual(3))
    late = SpikingNetwork(converted.network, refine.read_late(converted.plan, after=5))
    torch.testing.assert_close(UnitModule(late)(given()), late(given()))


def test_effective_operations_are_nonzero_inputs_times_weights() -> None:
    """Counted as NeuroBench does: each layer on ones where inputs are not zero, with ones as weights."""
    converted = _perceptron()
    images = (torch.rand(6, 4, generator=torch.Generator().manual_seed(1)) - 0.4).relu()
    module = UnitModule(converted)
    acs = macs = 0.0

    def count(layer: nn.Linear, x: tuple[Tensor]) -> None:
        nonlocal acs, macs
        operations = float(F.linear((x[0] != 0).float(), (layer.weight != 0).float()).sum())
        if set(x[0].flatten().tolist()) <= {-1.0, 0.0, 1.0}:
            acs += operations
        else:
            macs += operations

    for child in module.modules():
        if isinstance(child, nn.Linear):
            child.register_forward_pre_hook(count)
    module(images)
    ours = effective_operations(converted, images)
    assert acs > 0
    assert (ours.acs, ours.macs) == pytest.approx((acs / 6, macs / 6), rel=1e-12)


def _example() -> str:
    """The example in docs/hardware/export.md."""
    page = (Path(__file__).parents[2] / "docs" / "hardware" / "export.md").read_text()
    (code,) = re.findall(r"## NeuroBench.*?```python notest\n(.*?)```", page, re.DOTALL)
    return str(code)


def test_the_page_s_example_defines_all_that_it_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With stand-ins for NeuroBench that ask of their arguments what NeuroBench does."""

    class Benchmark:
        def __init__(self, model: Any, dataloader: Any, before: list[Any], after: list[Any], metrics: Any) -> None:
            self.model, self.loader = model, dataloader
            assert (before, after) == ([], [])
            assert metrics == [[], ["synaptic operations"]]

        def run(self) -> None:
            assert len(self.loader.dataset) == 100
            with torch.no_grad():
                assert all(self.model(batch).shape == (len(labels), 10) for batch, labels in self.loader)

    class TorchModel:
        def __init__(self, module: torch.nn.Module) -> None:
            self.module = module

        def __call__(self, batch: torch.Tensor) -> Any:
            return self.module(batch)

        def add_activation_module(self, kind: type) -> None:
            assert any(isinstance(child, kind) for child in self.module.modules())

    stand_ins: dict[str, dict[str, Any]] = {
        "neurobench": {},
        "neurobench.benchmarks": {"Benchmark": Benchmark},
        "neurobench.metrics": {},
        "neurobench.metrics.workload": {"SynapticOperations": "synaptic operations"},
        "neurobench.models": {"TorchModel": TorchModel},
    }
    for name, content in stand_ins.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    _mnist().save(tmp_path / "net.respike")
    monkeypatch.chdir(tmp_path)
    exec(_example(), {})


def _mnist() -> SpikingNetwork:
    calibration = data.load("mnist", "calibration").images[:100]
    network = load(zoo.load("mnist-cnn"), calibration[:8])
    return SpikingNetwork(network, methods.max_norm.plan(network, calibration, steps=8))


@pytest.mark.skipif(importlib.util.find_spec("neurobench") is None, reason="neurobench is not installed")
def test_neurobench_counts_what_we_count() -> None:
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics.workload import SynapticOperations
    from torch.utils.data import DataLoader, TensorDataset

    converted = _mnist()
    test = data.load("mnist", "test")
    images, labels = test.images[:20], test.labels[:20]
    loader = DataLoader(TensorDataset(images, labels), batch_size=10)
    model = neurobench_model(converted)
    found = Benchmark(model, loader, [], [], [[], [SynapticOperations]]).run(quiet=True)["SynapticOperations"]
    ours = effective_operations(converted, images)
    assert (found["Effective_ACs"], found["Effective_MACs"]) == pytest.approx((ours.acs, ours.macs), rel=1e-12)


def test_places_that_cannot_be_written_are_refused_first(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for write in (write_nir, write_torch_archive, write_folder):
        with pytest.raises(InvalidFile, match="no folder"):
            write(tmp_path / "missing" / "net", _perceptron())
        with pytest.raises(InvalidFile, match=r"is there already|it is a file"):
            write(tmp_path / "file", _perceptron())
    assert (tmp_path / "file").read_bytes() == b""


def _refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_convert_to_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "net.respike"
    _perceptron().save(saved)
    nir = tmp_path / "net.nir"
    assert "subtraction" in _refused(capsys, "convert", saved, "--dataset", "mnist", "--to", nir)
    assert not nir.exists()
    for words in (["--to", str(nir), "--allow-metadata"], ["--to", f"{tmp_path}/net/", "--bits", "8"]):
        assert main(["convert", str(saved), "--dataset", "mnist", *words]) == 0
    assert nir.exists()
    assert (tmp_path / "net" / "manifest.json").exists()
    assert "no golden vectors were written" in capsys.readouterr().err  # the images of mnist are not for this network
    before = nir.read_bytes()
    assert "--force" in _refused(capsys, "convert", saved, "--to", nir, "--allow-metadata")
    assert nir.read_bytes() == before
    assert (
        main(["convert", str(saved), "--to", str(nir), "--allow-metadata", "--force", "--target", "spikingjelly"]) == 0
    )
    cases: list[tuple[tuple[object, ...], str]] = [
        (("--to", tmp_path / "net.txt"), "is not clear"),
        (("--to", tmp_path / "b.pt2", "--bits", 8), "--bits does not apply"),
        (("--to", tmp_path / "b.pt2", "--target", "sinabs"), "--target does not apply"),
        (("--to", tmp_path / "b.nir", "--target", "sinab"), "'sinabs'"),
        (("--to", tmp_path / "b.nir", "--out", saved), "not both"),
        ((), "Missing option '--out'"),
    ]
    for wrong, message in cases:
        assert message in _refused(capsys, "convert", saved, *wrong)


@pytest.mark.parametrize(
    ("name", "room"), [("net.respike", 100), ("net.nir", 100), ("net.pt2", 100), ("net/", 100), ("net/", 5000)]
)
def test_a_disk_that_is_full_gives_an_error_and_leaves_what_was_there(name: str, room: int, tmp_path: Path) -> None:
    """HDF5 and torch end the process where a file that they write themselves cannot grow; numpy does not say why."""
    pytest.importorskip("nir", reason="needs nir (pip install 'respike[nir]')")
    _perceptron(hidden=2000).save(tmp_path / "sound.respike")
    path = tmp_path / name
    path.mkdir() if name.endswith("/") else path.write_text("mine")
    program = """
import resource, signal, sys
from respike.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then what does not fit is an error, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
sys.exit(main(["convert", sys.argv[1], "--out" if sys.argv[2].endswith(".respike") else "--to", sys.argv[2], "--force",
               *(["--allow-metadata"] if sys.argv[2].endswith(".nir") else [])]))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "sound.respike"), f"{tmp_path}/{name}", str(room)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 2, ended
    assert "error: cannot write" in ended.stderr
    assert "File too large" in ended.stderr
    assert path.is_dir() if name.endswith("/") else path.read_text() == "mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([path.name, "sound.respike"])
