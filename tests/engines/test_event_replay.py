"""Runs that take little memory are repeated by a script from the third on: never may anyone see a difference."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from networks import Builder, images, networks
from respike import Probe, cost, engines
from respike.engines.event import COMPILED
from respike.ir import Conv, Network
from respike.neurons import Burst, IntegrateFire, MultiThreshold, Neuron, SignedIntegrateFire
from respike.plan import Plan, Site
from respike.record import Recording
from respike.schedule import InputThenDrain

if not COMPILED:
    pytest.skip("the event engine was not compiled", allow_module_level=True)

from respike.engines.event import engine
from respike.engines.event.memo import memo_of
from respike.engines.event.replay import MOST_SCRIPTS, Script
from respike.errors import InvalidData

NEURONS = (IntegrateFire(), SignedIntegrateFire(), Burst(3), MultiThreshold(4))


def same(one: Recording, other: Recording) -> bool:
    kinds = ("spike_counts", "spikes_per_step", "operations_per_step", "spikes", "potentials")
    return torch.equal(one.outputs_over_time, other.outputs_over_time) and all(
        torch.equal(value, getattr(other, kind)[name]) for kind in kinds for name, value in getattr(one, kind).items()
    )


def scripts(network: Network, plan: Plan) -> list[Script]:
    return [known for known in memo_of(network, plan)._known.values() if isinstance(known, Script)]


def setting(network: Network, neuron: Neuron, threshold: float = 0.3) -> tuple[Plan, Probe]:
    names = [node.name for node in network.activations]
    plan = Plan({name: Site(threshold, neuron=neuron) for name in names}, InputThenDrain(66, 3))
    return plan, Probe(spikes=names, potentials=names, fan_out=cost.fan_outs(network))


@torch.no_grad()
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(network=networks(), neuron=st.sampled_from(NEURONS), batch=st.integers(1, 3))
def test_a_run_repeated_is_the_run(network: Network, neuron: Neuron, batch: int) -> None:
    """Each run has other images, some so bright that most neurons fire and some black."""
    plan, probe = setting(network, neuron)
    for run, brightness in enumerate([1.0, 0.2, 1.0, 0.0, 5.0, 0.5]):
        shown = brightness * images(network, batch, run)
        found = engines.event(network, plan, shown, probe)
        anew = Plan(plan.sites, plan.schedule)
        assert same(engines.event(network, anew, shown, probe), found)


def network_of(seed: int) -> Network:
    builder = Builder((2, 6, 6), seed)
    builder.conv(5)
    builder.relu()
    builder.conv(4)
    builder.relu()
    return Network(tuple(builder.nodes), (builder.last,))


@torch.no_grad()
def test_the_third_run_is_repeated_and_what_is_kept_is_ones_own() -> None:
    """No two recordings share memory, with each other or with the script."""
    network = network_of(1)
    plan, probe = setting(network, IntegrateFire())
    shown = images(network, 2)
    runs = [engines.event(network, plan, shown, probe) for _ in range(2)]
    assert len(scripts(network, plan)) == 1
    for _ in range(3):
        runs.append(engines.event(network, plan, shown, probe))
        before = engines.event(network, plan, shown, probe)
        for kept in (runs[-1].outputs_over_time, *runs[-1].spike_counts.values(), *runs[-1].potentials.values()):
            kept.fill_(-7)
        assert same(before, runs[0])


@torch.no_grad()
def test_weights_that_change_in_place_are_seen() -> None:
    network = network_of(2)
    plan, probe = setting(network, IntegrateFire())
    shown = images(network, 1)
    for _ in range(3):
        engines.event(network, plan, shown, probe)
    (first, *_) = (node for node in network.nodes if isinstance(node, Conv))
    first.weight.mul_(2)
    anew = Plan(plan.sites, plan.schedule)
    assert same(engines.event(network, anew, shown, probe), engines.event(network, plan, shown, probe))


@torch.no_grad()
def test_other_images_are_checked_and_taken_as_they_are() -> None:
    """The script has images of its own: others may be of another type, lie otherwise in memory, or be wrong."""
    network = network_of(3)
    plan, probe = setting(network, IntegrateFire())
    shown = images(network, 4)
    for _ in range(3):
        engines.event(network, plan, shown, probe)
    assert len(scripts(network, plan)) == 1
    anew = Plan(plan.sites, plan.schedule)
    flipped = shown.flip(0)
    others = [flipped, flipped.float(), shown[:1].expand(4, -1, -1, -1), flipped.transpose(2, 3), flipped[:, :, :, :]]
    others += [flipped.to(memory_format=torch.channels_last), flipped.clone().requires_grad_().detach(), shown]
    for other in others:
        assert same(engines.event(network, anew, other, probe), engines.event(network, plan, other, probe))
    for wrong in (torch.nan, torch.inf):
        bad = shown.clone()
        bad[2, 1, 0, 3] = wrong
        with pytest.raises(InvalidData, match="first in image 2 of"):
            engines.event(network, plan, bad, probe)
    for shape in ((4, 6, 6), (4, 2, 6, 5), (0, 2, 6, 6)):
        with pytest.raises(InvalidData):
            engines.event(network, plan, shown.new_zeros(shape), probe)


@torch.no_grad()
@pytest.mark.parametrize(("images_kept", "repeated"), [(9.0, True), (0.9, False)])
def test_tiles_keep_little_and_images_that_keep_much_are_not_repeated(
    images_kept: float, repeated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = network_of(3)
    plan, probe = setting(network, IntegrateFire())
    shown = images(network, 10)
    whole = engines.event(network, Plan(plan.sites, plan.schedule), shown, probe)
    monkeypatch.setattr(engine, "MOST_ROOM", int(images_kept * engine._bytes_of_all(network)))
    for _ in range(3):
        assert same(whole, engines.event(network, plan, shown, probe))
    assert len(scripts(network, plan)) == repeated


@torch.no_grad()
def test_few_scripts_are_kept() -> None:
    """Those that were made last; what has none is run as before, and gets one again."""
    network = network_of(3)
    plan, probe = setting(network, IntegrateFire())
    for count in [*range(1, MOST_SCRIPTS + 3), 1]:
        shown = images(network, count)
        runs = [engines.event(network, plan, shown, probe) for _ in range(3)]
        assert same(runs[0], runs[1])
        assert same(runs[0], runs[2])
        assert len(scripts(network, plan)) == min(count, MOST_SCRIPTS) or count == 1
