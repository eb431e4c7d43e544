"""Few-spikes neurons: the kernel against their definition, whatever the order in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from respike.ir import Sigmoid
from respike.neurons import (
    Above,
    CanonicFewSpikes,
    FewSpikes,
    FittedDigits,
    FittedFewSpikes,
    LevelSpikes,
    Neuron,
    PhaseCoded,
    SignedDigits,
)
from respike.plan import Site
from respike.record import Probe

pytest.importorskip("respike.engines.event._native")

from respike.engines.event import _native, few
from respike.engines.event.memo import Once
from respike.engines.event.record import EventRecorder

FITTED = FittedDigits((5.0, 2.2, 0.8, 0.3), (9.5, 3.75, 1.25, 0.5))
OTHER = FittedFewSpikes(Sigmoid(), (3.0, -0.5, 0.75), (2.0, -1.0, 0.5), (0.5, -0.2, 0.25), -4.0, 4.0, 0.01)
BOTH_SIGNS = (SignedDigits(4), SignedDigits(13), CanonicFewSpikes(3), CanonicFewSpikes(6), FITTED)
NEURONS = (*BOTH_SIGNS, FewSpikes(5), FewSpikes(24, Above()), LevelSpikes(21), PhaseCoded(3, 2), OTHER)
SHAPES = ((), (3, 1, 1), (1, 5, 1), (1, 1, 33), (3, 1, 33))
"""Of a site's numbers, in a population [3, 5, 33]: some neurons are left over behind whole vectors."""


@pytest.fixture(params=_native.instruction_sets(), autouse=True)
def instruction_set(request: pytest.FixtureRequest) -> object:
    before = _native.instruction_set()
    _native.choose(request.param)
    yield request.param
    _native.choose(before)


def values(site: Site, dtype: torch.dtype) -> Tensor:
    """Values of which one in eight is next to a whole number of units or on it, and one in sixteen is 0."""
    draw = torch.Generator().manual_seed(0)
    units = torch.randn(4, 3, 5, 33, generator=draw, dtype=torch.float64) * site.neuron.largest
    units[:, :, :, ::8] = units[:, :, :, ::8].round()
    units[:, :, :, 1::16] = 0.0
    threshold = torch.as_tensor(site.threshold, dtype=torch.float64)
    return (units * threshold - torch.as_tensor(site.initial_potential, dtype=torch.float64)).to(dtype)


def numbers(shape: tuple[int, ...], neuron: Neuron) -> Site:
    draw = torch.Generator().manual_seed(1)
    threshold = 0.05 + torch.rand(shape, generator=draw)
    return Site(threshold, spike_value=1.5 * threshold, initial_potential=threshold / 2, neuron=neuron)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("neuron", NEURONS, ids=repr)
def test_neurons_deliver_and_send_what_their_steps_do(
    neuron: Neuron, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    site = numbers(shape, neuron)
    for offset in (site.initial_potential, 0.0):  # to the nearest, and down
        site = replace(site, initial_potential=offset)
        current = values(site, dtype)
        own = site.like(current)
        left, amplitudes, units = neuron.fire_window(current + own.initial_potential, own.threshold)
        fan_out = torch.arange(1.0, 3 * 5 * 33 + 1).reshape(3, 5, 33)
        for order in ((0, 1, 2, 3), (0, 3, 1, 2), (0, 2, 3, 1)):  # dimensions as they lie in memory
            back = [order.index(d) for d in range(4)]
            lying = current.permute(order).contiguous().permute(back)
            for each in (fan_out, torch.full_like(fan_out, 7.0), fan_out + 0.5, fan_out * 2.0**20, fan_out * 2.0**21):
                recorder = EventRecorder(Probe(spike_counts=False, fan_out={"x": each}), dtype)
                delivered = few.population("x", site, lying, recorder, Once())
                assert torch.equal(delivered, units * own.spike_value)
                recorder.outputs(delivered)
                sums = recorder.finish()
                spikes = amplitudes.abs().double()
                assert torch.equal(sums.spikes_per_step["x"], spikes.flatten(1).sum(1))
                assert torch.equal(sums.operations_per_step["x"], (spikes * each.double()).flatten(1).sum(1))
            recorder = EventRecorder(Probe(spikes=("x",), potentials=("x",)), dtype)
            assert torch.equal(few.population("x", site, lying, recorder, Once()), units * own.spike_value)
            recorder.outputs(units)
            kept = recorder.finish()
            assert torch.equal(kept.spikes["x"], amplitudes)
            assert torch.equal(kept.potentials["x"], left)


def test_a_batch_is_shared_by_threads() -> None:
    site = numbers((1, 1, 33), SignedDigits(4))
    current, fan_out = values(site, torch.float32).repeat(3, 1, 1, 1), torch.ones(3, 5, 33)
    before, found = torch.get_num_threads(), []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        recorder = EventRecorder(Probe(spike_counts=False, fan_out={"x": fan_out}), torch.float32)
        delivered = few.population("x", site, current, recorder, Once())
        recorder.outputs(delivered)
        found.append((delivered, recorder.finish().spikes_per_step["x"]))
    torch.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_the_fan_out_of_another_probe_is_another_one() -> None:
    site, once = numbers((1, 1, 33), FewSpikes(4)), Once()
    current = values(site, torch.float32)
    for each in (2.0, 3.0):
        recorder = EventRecorder(Probe(spike_counts=False, fan_out={"x": torch.full((3, 5, 33), each)}), torch.float32)
        recorder.outputs(few.population("x", site, current, recorder, once))
        kept = recorder.finish()
        assert torch.equal(kept.operations_per_step["x"], each * kept.spikes_per_step["x"])
