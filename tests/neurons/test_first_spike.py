"""Time-to-first-spike neurons: one spike at the most, at the time that is the value."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import images, networks
from respike import SpikingNetwork, engines, measure
from respike.cost import fan_outs
from respike.ir import Network
from respike.neurons import TimeToFirstSpike
from respike.plan import Plan, Site
from respike.record import Probe
from respike.schedule import Layerwise


@settings(max_examples=60, derandomize=True)
@given(
    eighths=st.lists(st.integers(-20, 3000), min_size=1, max_size=30),
    bits=st.integers(1, 8),
)
def test_the_time_is_the_value(eighths: list[int], bits: int) -> None:
    steps = 2**bits
    unit = torch.tensor(0.5, dtype=torch.float64)
    left, spikes, delivered = TimeToFirstSpike(bits).fire_window(torch.tensor(eighths).double() / 8, unit)
    levels = np.clip(np.array(eighths) // 4, 0, steps)
    wanted = np.zeros((steps, len(eighths)))
    for neuron, level in enumerate(levels):
        if level:
            wanted[steps - level, neuron] = 1
    assert np.array_equal(spikes.numpy(), wanted)
    assert np.array_equal(delivered.numpy(), levels)
    assert np.array_equal(8 * left.numpy(), np.array(eighths) - 4 * levels)


@settings(max_examples=10, derandomize=True, deadline=None)
@given(network=networks(), bits=st.integers(1, 7))
def test_no_neuron_sends_more_than_one_spike(network: Network, bits: int) -> None:
    site = Site(2.0**-bits, neuron=TimeToFirstSpike(bits))
    plan = Plan({node.name: site for node in network.activations}, Layerwise(2**bits))
    record = engines.few_spikes(network, plan, images(network, 3), Probe(fan_out=fan_outs(network)))
    for name, counts in record.spike_counts.items():
        assert float(counts.max()) <= 1
        assert float(record.spikes_per_step[name].sum()) == float(counts.sum())
    report = measure(SpikingNetwork(network, plan), (images(network, 3), torch.zeros(3, dtype=torch.int64)))
    assert report.spikes_per_neuron <= 1
