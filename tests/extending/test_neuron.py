"""A neuron of one's own: one class, and everything runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from networks import Builder, images
from respike import SpikingNetwork, diagnose, engines, measure, neurons
from respike.cost import fan_outs
from respike.engines.event import COMPILED
from respike.errors import InvalidFile, InvalidOption, InvalidPlan
from respike.ir import Network
from respike.lower import unit_spikes
from respike.measure.early_exit import Bound
from respike.neurons import Neuron, State
from respike.plan import Plan, Site
from respike.record import Probe
from respike.report import Bounds, collect, observe
from respike.schedule import InputThenDrain, Steady


@neurons.register
@dataclass(frozen=True)
class Rounding(Neuron):
    """Sends the whole number of thresholds nearest to its potential, of either sign."""

    most: int = 2

    @property
    def signed(self) -> bool:
        return True

    def fire(self, state: State, threshold: Tensor) -> tuple[State, Tensor]:
        amplitudes = (state.potential / threshold).round().clamp(-self.most, self.most)
        return state.after(state.potential - threshold * amplitudes), amplitudes


def network(seed: int = 0) -> Network:
    builder = Builder((2, 6, 5), seed)
    for kind in ("conv", "residual", "avgpool", "strided"):
        builder.block(kind)
    return builder.network()


def spiking(network: Network, neuron: Neuron) -> SpikingNetwork:
    site = Site(0.4, initial_potential=0.05, extra_current=0.01, neuron=neuron)
    return SpikingNetwork(network, Plan({node.name: site for node in network.activations}, InputThenDrain(4, 3)))


@pytest.mark.skipif(not COMPILED, reason="the event engine was not compiled")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("memory", [2000, 10**8])
def test_engines_give_the_same_spikes(seed: int, memory: int) -> None:
    own = spiking(network(seed), Rounding())
    sites = tuple(own.plan.sites)
    probe = Probe(spikes=sites, potentials=sites, fan_out=fan_outs(own.network))
    expected = engines.reference(own.network, own.plan, images(own.network, 3), probe)
    assert {value for spikes in expected.spikes.values() for value in spikes.flatten().tolist()} == {-2, -1, 0, 1, 2}
    for engine in (engines.batched, engines.event):
        found = engine(own.network, own.plan, images(own.network, 3), probe, memory=memory)
        for kind in ("spikes", "spike_counts", "spikes_per_step", "operations_per_step"):
            for name, numbers in getattr(expected, kind).items():
                assert torch.equal(getattr(found, kind)[name], numbers), (kind, name)
        for name, potential in expected.potentials.items():
            torch.testing.assert_close(found.potentials[name], potential)
        torch.testing.assert_close(found.outputs_over_time, expected.outputs_over_time)


def test_an_amplitude_of_two_counts_as_two_spikes() -> None:
    own = spiking(network(), Rounding())
    sites, batch = tuple(own.plan.sites), images(own.network, 2)
    record = engines.fastest(own.network, own.plan)(own.network, own.plan, batch, Probe(spikes=sites))
    spikes = sum(float(record.spikes[name].abs().sum()) for name in sites)
    report = measure(own, (batch, torch.tensor([0, 1])))
    assert sum(report.spikes_per_layer.values()) == pytest.approx(spikes / 2)


def test_it_is_measured_reported_and_diagnosed() -> None:
    own = spiking(network(), Rounding())
    batch = images(own.network, 6)
    labels = own.network(batch).argmax(-1)
    run = observe(own, (batch, labels), early_exit=Bound())
    report = run.report
    assert report.steps == 7
    assert report.early_exit is not None
    assert report.early_exit.agreement == 1.0
    assert run.decided.tolist() == own(batch).argmax(-1).tolist()
    page = collect([run], batch.__getitem__, labels, labels, list("abcd"), bounds=Bounds())
    for layer, found in zip(page.layers, page.methods[0].layers, strict=True):
        assert found is not None
        assert found.spikes > 0, layer.name
    assert len(diagnose(own, batch, labels).layers) == len(own.plan.sites)


def test_it_is_saved_and_read_again(tmp_path: Path) -> None:
    own = spiking(network(), Rounding(most=3))
    own.save(tmp_path / "net.respike")
    again = SpikingNetwork.load(tmp_path / "net.respike")
    assert all(site.neuron == Rounding(most=3) for site in again.plan.sites.values())
    batch = images(own.network, 3)
    assert torch.equal(again(batch), own(batch))


def test_a_file_is_refused_where_the_neuron_is_not_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = spiking(network(), Rounding())
    own.save(tmp_path / "net.respike")
    known: Any = {name: kind for name, kind in neurons.KNOWN.items() if kind is not Rounding}
    monkeypatch.setattr(neurons, "KNOWN", known)
    with pytest.raises(InvalidFile, match=r"'Rounding' is not known here.*neurons\.register"):
        SpikingNetwork.load(tmp_path / "net.respike")
    with pytest.raises(InvalidFile, match=r"respike\.neurons\.register\(Rounding\)"):
        own.save(tmp_path / "other.respike")


def test_no_two_neurons_have_one_name() -> None:
    @dataclass(frozen=True)
    class IntegrateFire(Rounding):
        pass

    with pytest.raises(InvalidOption, match="another neuron is called 'IntegrateFire'"):
        neurons.register(IntegrateFire)


def test_it_trains() -> None:
    own = spiking(network(), Rounding())
    module, batch = own.to_module(), images(own.network, 16)
    torch.testing.assert_close(module(batch), own(batch))
    optimizer = torch.optim.Adam(module.parameters(), 0.005)
    errors = []
    for _ in range(15):
        optimizer.zero_grad()
        error = torch.nn.functional.mse_loss(module(batch), own.network(batch))
        torch.autograd.backward(error)
        optimizer.step()
        errors.append(error.item())
    assert min(errors[-3:]) < 0.5 * errors[0]


def test_what_it_does_not_say_is_refused_by_name() -> None:
    own = spiking(network(), Rounding())
    with pytest.raises(InvalidPlan, match=r"layer 'relu.*' has Rounding neurons, which cannot be lowered yet"):
        unit_spikes(own.network, own.plan)
    with pytest.raises(InvalidPlan, match=r"count engine needs IntegrateFire or Burst.*Rounding"):
        engines.count(own.network, own.plan.with_schedule(Steady(3)), images(own.network, 1))
