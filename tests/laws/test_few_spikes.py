"""The laws of few-spikes neurons: an exact K-bit quantiser, one spike for each one of its binary number."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import images, networks
from neuron_samples import WINDOWED
from respike import engines
from respike.cost import fan_outs
from respike.ir import Network
from respike.neurons import Above, FewSpikes, Neuron
from respike.plan import Plan, Site
from respike.record import Probe
from respike.schedule import Layerwise

STEPS = st.integers(1, 12)


@settings(max_examples=200, derandomize=True)
@given(steps=STEPS, unit=st.floats(1e-3, 1e3), value=st.floats(-10, 5000), whole=st.booleans())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_population_rounds_down_exactly(
    dtype: torch.dtype, steps: int, unit: float, value: float, whole: bool
) -> None:
    threshold = torch.tensor(unit, dtype=dtype)
    potential = torch.tensor([round(value) * unit if whole else value * unit], dtype=dtype)
    left, spikes, delivered = FewSpikes(steps).fire_window(potential, threshold)
    quotient = Fraction(float(potential)) / Fraction(float(threshold))
    word = min(max(quotient.numerator // quotient.denominator, 0), 2**steps - 1)
    assert float(delivered) == word
    assert int(spikes.sum()) == word.bit_count()
    if 0 <= quotient < 2**steps:
        assert float(left) == pytest.approx(float(potential) - word * float(threshold), abs=1e-6 * unit * 2**steps)


@given(steps=STEPS)
@settings(max_examples=12, derandomize=True)
def test_strictly_above_leaves_every_multiple_one_unit_low(steps: int) -> None:
    grid = torch.arange(2.0**steps)
    _, _, exact = FewSpikes(steps).fire_window(grid, torch.tensor(1.0))
    _, _, printed = FewSpikes(steps, fires=Above()).fire_window(grid, torch.tensor(1.0))
    assert torch.equal(exact, grid)
    assert torch.equal(printed, (grid - 1).clamp(min=0))


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    network=networks(),
    steps=STEPS,
    per_channel=st.booleans(),
    half=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_one_pass_is_the_time_stepped_run(
    network: Network, steps: int, per_channel: bool, half: bool, dtype: torch.dtype
) -> None:
    network = network.to(dtype)

    def site(channels: int) -> Site:
        spread = torch.rand(channels, generator=torch.Generator().manual_seed(channels))
        unit = (1.5 + spread if per_channel else torch.tensor(2.0)) * 2.0**-steps
        return Site(unit, initial_potential=unit / 2 if half else 0.0, extra_current=0.01, neuron=FewSpikes(steps))

    sites = {node.name: site(network.shapes[node.name][0]) for node in network.activations}
    assert_one_pass(network, Plan(sites, Layerwise(steps)))


@settings(max_examples=25, derandomize=True, deadline=None)
@given(network=networks(), dtype=st.sampled_from([torch.float32, torch.float64]), unit=st.sampled_from([0.25, 0.3]))
@pytest.mark.parametrize("neuron", WINDOWED, ids=str)
def test_one_pass_is_the_time_stepped_run_of_every_neuron(
    neuron: Neuron, network: Network, dtype: torch.dtype, unit: float
) -> None:
    site = Site(unit, initial_potential=0.1, extra_current=0.01, neuron=neuron)
    network, window = network.to(dtype), neuron.window or 0
    assert_one_pass(network, Plan({node.name: site for node in network.activations}, Layerwise(window)))


def assert_one_pass(network: Network, plan: Plan) -> None:
    names, given_images = tuple(plan.sites), images(network, 3)
    probe = Probe(spikes=names, potentials=names, fan_out=fan_outs(network))
    expected = engines.reference(network, plan, given_images, probe)
    for engine in (engines.few_spikes, engines.batched):
        found = engine(network, plan, given_images, probe)
        assert torch.equal(expected.outputs, found.outputs)
        for name in names:
            assert torch.equal(expected.spikes[name], found.spikes[name]), name
            assert torch.equal(expected.spike_counts[name], found.spike_counts[name]), name
            assert torch.equal(expected.spikes_per_step[name], found.spikes_per_step[name]), name
            assert torch.equal(expected.operations_per_step[name], found.operations_per_step[name]), name
            assert torch.allclose(expected.potentials[name], found.potentials[name], atol=1e-5), name
