"""NIR files: read back and simulated in numpy they give our spikes; what NIR cannot say is refused."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
import torch
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from export.exporting import given, residual, simulate, spiking
from respike import refine
from respike.engines import reference
from respike.export import CannotExport, Metadata, Pooling, targets, to_nir, write_nir
from respike.export.targets import matrices
from respike.ir import Activation, Conv, Input, Linear, MaxPool, Network, ReLU, Reshape
from respike.lower import fixed_point
from respike.neurons import Above, IntegrateFire, SignedIntegrateFire, ToValue
from respike.plan import Plan, Site, SpikeCount
from respike.record import Probe
from respike.schedule import InputThenDrain, Steady
from respike.spiking import SpikingNetwork


def _spikes(converted: SpikingNetwork) -> dict[str, Any]:
    probe = Probe(spikes=tuple(converted.plan.sites))
    return {name: s.numpy() for name, s in reference(converted.network, converted.plan, given(), probe).spikes.items()}


@over(st.integers(0, 1000), st.booleans(), st.sampled_from(Pooling))
@settings(max_examples=6, deadline=None)
def test_the_file_read_back_gives_our_spikes(tmp_path_factory: Any, seed: int, bias: bool, pooling: Pooling) -> None:
    path = tmp_path_factory.mktemp("nir") / "net.nir"
    converted = spiking(residual(seed, bias=bias), seed=seed)
    write_nir(path, converted, pooling=pooling, allow_metadata=True)
    graph = nir.read(path)
    pools = {type(node).__name__ for node in graph.nodes.values() if "Pool" in type(node).__name__}
    assert pools == {Pooling.SUM: {"SumPool2d"}, Pooling.AVERAGE: {"AvgPool2d"}, Pooling.FUSED: set()}[pooling]
    assert all((node.v_threshold == 1).all() for node in graph.nodes.values() if isinstance(node, nir.IF))
    found, total = simulate(graph, given().numpy(), 12, strict=False, subtract=True)
    assert sum(spikes.sum() for spikes in found.values()) > 0
    for name, spikes in _spikes(converted).items():
        np.testing.assert_array_equal(found[name], spikes)
    np.testing.assert_allclose(total / Metadata.of(graph).decoding, converted(given()).numpy(), rtol=1e-9)


def test_what_nir_says_needs_no_leave(tmp_path: Path) -> None:
    plain = spiking(residual(1), neuron=IntegrateFire(ToValue(0.0), Above()))
    write_nir(tmp_path / "net.nir", plain)
    graph = nir.read(tmp_path / "net.nir")
    found, _ = simulate(graph, given().numpy(), 12, strict=True, subtract=False)
    for name, spikes in _spikes(plain).items():
        np.testing.assert_array_equal(found[name], spikes)


def test_what_nir_cannot_say_is_listed_at_once(tmp_path: Path) -> None:
    network = residual(1)
    plan = spiking(network, initial_potential=0.2).plan.with_schedule(InputThenDrain(3, 2))
    with pytest.raises(CannotExport) as refused:
        write_nir(tmp_path / "net.nir", SpikingNetwork(network, plan))
    said = str(refused.value)
    for reason in (
        "subtraction",
        "v ≥ threshold",
        "potentials other than 0",
        "after 3 of 5 steps",
        "allow_metadata=True",
    ):
        assert reason in said
    assert not list(tmp_path.iterdir())
    metadata = Metadata.of(to_nir(SpikingNetwork(network, plan), allow_metadata=True))
    assert (metadata.steps, metadata.input_steps) == (5, 3)
    potentials = {name: 0.2 / site.threshold for name, site in plan.sites.items()}
    assert {name: n["initial_potential"] for name, n in metadata.neurons.items()} == pytest.approx(potentials)


def test_a_reset_by_subtraction_has_no_reset_value_in_the_file(tmp_path: Path) -> None:
    """Readers of nir up to 1.0.5 then do as meant, and would fail on the field."""
    write_nir(tmp_path / "soft.nir", spiking(residual(1)), allow_metadata=True)
    write_nir(tmp_path / "hard.nir", spiking(residual(1), neuron=IntegrateFire(ToValue(0.1), Above())), force=True)
    for name, there in (("soft", False), ("hard", True)):
        with h5py.File(tmp_path / f"{name}.nir") as file:
            nodes = file["node"]["nodes"].values()
            assert {"v_reset" in node for node in nodes if node["type"][()] == b"IF"} == {there}


def test_extra_currents_are_biases() -> None:
    converted = spiking(residual(2), extra_current=0.07)
    graph = to_nir(converted, allow_metadata=True)
    found, _ = simulate(graph, given().numpy(), 12, strict=False, subtract=True)
    for name, spikes in _spikes(converted).items():
        np.testing.assert_array_equal(found[name], spikes)


def test_integers_are_exported_as_integers(tmp_path: Path) -> None:
    network = residual(3)
    fixed = fixed_point(network, spiking(network).plan, input_unit=1 / 255)
    write_nir(tmp_path / "net.nir", fixed, allow_metadata=True)
    graph = nir.read(tmp_path / "net.nir")
    for node in graph.nodes.values():
        for part in ("weight", "bias", "v_threshold"):
            numbers = getattr(node, part, np.zeros(1))
            np.testing.assert_array_equal(numbers, np.round(numbers))
    found, total = simulate(graph, fixed.encode(given()).numpy(), 12, strict=False, subtract=True)
    run = fixed.run(given(), Probe(spikes=tuple(fixed.plan.sites))).recording
    for name, spikes in run.spikes.items():
        np.testing.assert_array_equal(found[name], spikes.numpy())
    np.testing.assert_allclose(total / Metadata.of(graph).decoding, fixed.decode(run.outputs).numpy())
    with pytest.raises(CannotExport, match="average pools do not give integers"):
        to_nir(fixed, pooling=Pooling.AVERAGE, allow_metadata=True)


def test_counted_output_spikes_are_a_population() -> None:
    network = residual(4)
    plan = replace(spiking(network).plan, readout=SpikeCount(Site(0.5)))
    graph = to_nir(SpikingNetwork(network, plan), allow_metadata=True)
    _, total = simulate(graph, given().numpy(), 12, strict=False, subtract=True)
    assert Metadata.of(graph).readout == "spikes"
    outputs = SpikingNetwork(network, plan)(given()).numpy()
    np.testing.assert_allclose(total / Metadata.of(graph).decoding, outputs)


def _network(*nodes: Any) -> SpikingNetwork:
    network = Network((Input("x", (), (2, 4, 4)), *nodes), (nodes[-1].name,))
    return SpikingNetwork(network, Plan({node.name: Site(1.0) for node in network.activations}, Steady(2)))


def test_layers_without_a_word_are_named() -> None:
    weight = torch.ones(2, 2, 1, 1)
    conv = Conv("conv.a", ("x",), weight, None, (1, 1), (0, 0), (1, 1))
    pool = MaxPool("pool", ("conv.a",), (2, 2), (2, 2), (0, 0), (1, 1))
    cases = [
        ((conv, pool), "'pool'.*average pooling"),
        ((conv, Linear("fc", ("conv.a",), torch.ones(3, 4))), "'fc'"),
        ((conv, Reshape("split", ("conv.a",), (4, 8))), "'split'"),
        ((conv, replace(conv, name="conv_a", inputs=("conv.a",))), "rename"),
    ]
    for nodes, message in cases:
        with pytest.raises(CannotExport, match=message):
            to_nir(_network(*nodes))


def test_a_late_readout_is_refused_and_the_plan_without_it_is_not() -> None:
    converted = spiking(residual(1))
    late = refine.read_late(converted.plan, after=5)
    with pytest.raises(CannotExport, match="read_late with after=0"):
        to_nir(SpikingNetwork(converted.network, late), allow_metadata=True)
    to_nir(SpikingNetwork(converted.network, refine.read_late(late, after=0)), allow_metadata=True)


def test_neurons_without_a_word_are_named() -> None:
    with pytest.raises(CannotExport, match="signed integrate-and-fire neurons"):
        to_nir(spiking(residual(1), neuron=SignedIntegrateFire()), allow_metadata=True)


def test_an_extra_current_without_a_map_in_front_is_refused() -> None:
    relu = Activation("relu", ("x",), ReLU())
    network = _network(relu, Conv("conv", ("relu",), torch.ones(1, 2, 1, 1), None, (1, 1), (0, 0), (1, 1))).network
    plan = Plan({"relu": Site(1.0, extra_current=0.5)}, Steady(2))
    with pytest.raises(CannotExport, match=r"'relu'.*extra current"):
        to_nir(SpikingNetwork(network, plan), allow_metadata=True)


@pytest.mark.parametrize("target", targets.ALL, ids=lambda target: target.name)
def test_foreign_simulators_give_our_spikes(target: targets.Target, tmp_path: Path) -> None:
    if importlib.util.find_spec(target.name) is None:
        pytest.skip(f"{target.name} is not installed; benchmarks/simulators.py runs it in an environment of its own")
    fires = IntegrateFire(fires=Above()) if target.fires == ">" else IntegrateFire()
    converted = spiking(residual(5), neuron=fires)
    write_nir(tmp_path / "net.nir", converted, pooling=target.pooling, allow_metadata=True)
    module = target.load(tmp_path / "net.nir").double()
    found = target.run(module, given().expand(12, *given().shape), tuple(converted.plan.sites))
    for name, spikes in _spikes(converted).items():
        np.testing.assert_array_equal(found[name].numpy(), spikes)


def _fired(populations: Sequence[matrices.Population], synapses: Sequence[matrices.Synapses]) -> matrices.Fired:
    """Neurons and synapses written out: what a simulator should do with them."""
    potentials = {one.name: np.zeros(len(one.threshold)) for one in populations}
    spikes: dict[str, list[tuple[int, int]]] = {one.name: [] for one in populations}
    for step in range(len(populations[0].currents)):
        for one in populations:
            v = potentials[one.name]
            v += one.currents[step].numpy()
            fires = v >= one.threshold.numpy()
            v -= one.threshold.numpy() * fires
            spikes[one.name] += [(step, int(neuron)) for neuron in np.flatnonzero(fires)]
            for two in synapses:
                if two.source == one.name:
                    arriving = two.weights.numpy() * fires[two.sources.numpy()]
                    np.add.at(potentials[two.reader], two.readers.numpy(), arriving)
    found = {name: torch.tensor(some).reshape(-1, 2) for name, some in spikes.items()}
    return {name: (pairs[:, 0], pairs[:, 1]) for name, pairs in found.items()}


def test_matrices_between_populations_give_our_spikes(tmp_path: Path) -> None:
    converted = spiking(residual(5))
    write_nir(tmp_path / "net.nir", converted, allow_metadata=True)
    module = matrices.Matrices(targets.target.read_graph(tmp_path / "net.nir", "any"), _fired).double()
    found = matrices.run(module, given().expand(12, *given().shape), tuple(converted.plan.sites))
    for name, spikes in _spikes(converted).items():
        assert spikes.any()
        np.testing.assert_array_equal(found[name].numpy(), spikes)


def test_loaders_refuse_what_they_do_not_set_up(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    network = residual(1)
    charged = spiking(network, initial_potential=0.2)
    draining = SpikingNetwork(network, spiking(network).plan.with_schedule(InputThenDrain(3, 2)))
    for converted, message in ((charged, "potentials other than 0"), (draining, "biases stop after 3 steps")):
        write_nir(path, converted, allow_metadata=True, force=True)
        with pytest.raises(CannotExport, match=message):
            targets.target.read_graph(path, "any")
