"""Laws of integrate-and-fire populations."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import images, networks, perceptrons
from neuron_samples import ALL, STEPPED
from respike import engines
from respike.ir import Network, evaluate
from respike.neurons import IntegrateFire, Neuron, SignedIntegrateFire, ToValue
from respike.plan import Plan, Site
from respike.record import Probe
from respike.schedule import InputThenDrain, Schedule, Steady

WITHOUT_MAX = ("conv", "grouped", "strided", "residual", "concat", "avgpool", "overlapping", "batchnorm")
SCHEDULES: list[Schedule] = [Steady(11), InputThenDrain(6, 8), InputThenDrain(6, 8, bias_while_draining=True)]


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    network=st.one_of(networks(kinds=WITHOUT_MAX), perceptrons()),
    schedule=st.sampled_from(SCHEDULES),
    neuron=st.sampled_from([neuron for neuron in STEPPED if neuron.lossless]),
)
def test_charge_is_conserved(network: Network, schedule: Schedule, neuron: Neuron) -> None:
    """`v_T = v_0 + Σ input - threshold · Σ amplitudes`: with soft reset nothing is lost, through any affine map."""
    site = Site(0.75, spike_value=0.5, initial_potential=0.25, extra_current=0.03, neuron=neuron)
    plan = Plan({node.name: site for node in network.activations}, schedule)
    batch = images(network, 4)
    record = engines.batched(network, plan, batch, Probe(potentials=tuple(plan.sites)))
    bias_steps = sum(phase.steps for phase in schedule.phases if phase.bias_on)
    totals: dict[str, torch.Tensor] = {}
    for node in network.nodes:
        if node.name in plan.sites:
            charge = 0.25 + totals[node.inputs[0]] + 0.03 * bias_steps - 0.75 * record.spike_counts[node.name]
            assert torch.allclose(record.potentials[node.name], charge, atol=1e-9)
            totals[node.name] = 0.5 * record.spike_counts[node.name]
        elif not node.inputs:
            totals[node.name] = schedule.input_steps * batch
        else:
            # f(Σ x) carries the constant part once; it flowed in every step with biases on.
            constant = evaluate(node, [torch.zeros_like(totals[name]) for name in node.inputs])
            totals[node.name] = evaluate(node, [totals[name] for name in node.inputs]) + (bias_steps - 1) * constant
    assert torch.allclose(record.outputs, totals[network.outputs[0]], atol=1e-9)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    neuron=st.sampled_from(ALL),
    potentials=st.lists(st.floats(-50, 2000), min_size=1, max_size=20),
    threshold=st.floats(0.01, 100),
)
def test_a_neuron_sends_what_it_says(neuron: Neuron, potentials: list[float], threshold: float) -> None:
    """Amplitudes are whole, within their bound, and negative only of signed neurons; so is what a window delivers."""
    state = neuron.start(torch.tensor(potentials, dtype=torch.float64))
    delivered = torch.zeros(len(potentials), dtype=torch.float64)
    for worth in neuron.worth or (1.0,) * 5:
        state, amplitudes = neuron.fire(state, torch.tensor(threshold, dtype=torch.float64))
        assert torch.equal(amplitudes, amplitudes.round())
        assert neuron.most is None or float(amplitudes.abs().max()) <= neuron.most
        assert neuron.signed or float(amplitudes.min()) >= 0
        assert bool((neuron.spikes_sent(amplitudes) >= (amplitudes != 0)).all())
        delivered = delivered + worth * amplitudes
        if neuron.window is None:
            assert float(amplitudes.max()) <= neuron.largest
    assert neuron.window is None or float(delivered.max()) <= neuron.largest + 1e-9


@settings(max_examples=50, derandomize=True, deadline=None)
@given(
    currents=st.lists(st.integers(-40, 80), min_size=1, max_size=8),
    steps=st.integers(1, 40),
    initial=st.integers(0, 15),
)
def test_constant_input_has_a_closed_form(currents: list[int], steps: int, initial: int) -> None:
    """`N = clip(floor((v0 + T z) / theta), 0, T)` for 0 ≤ v0 < theta, in dyadic numbers."""
    network = _identity(len(currents))
    current = torch.tensor(currents, dtype=torch.float64) / 32
    plan = Plan({"relu": Site(0.5, initial_potential=initial / 32)}, Steady(steps))
    record = engines.batched(network, plan, current.unsqueeze(0))
    expected = ((initial / 32 + steps * current) / 0.5).floor().clamp(0, steps)
    assert torch.equal(record.spike_counts["relu"][0], expected)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(network=perceptrons(bias=False), seed=st.integers(0, 100))
def test_signed_neurons_end_at_the_quantised_activation(network: Network, seed: int) -> None:
    """After draining, each count is `floor((v0 + Σ input) / theta)`, never below zero, in any order of arrival."""
    site = Site(0.5, initial_potential=0.25, neuron=SignedIntegrateFire())
    plan = Plan({node.name: site for node in network.activations}, InputThenDrain(4, 400))
    record = engines.batched(network, plan, images(network, 3, seed))
    value = 4 * images(network, 3, seed)
    for node in network.nodes[1:]:
        if node.name in plan.sites:
            counts = ((0.25 + value) / 0.5).floor().clamp(min=0)
            assert torch.equal(record.spike_counts[node.name], counts)
            value = 0.5 * counts
        else:
            value = evaluate(node, [value])


@settings(max_examples=30, derandomize=True, deadline=None)
@given(network=perceptrons())
def test_hard_reset_never_sends_more_than_soft_reset_in_the_first_layer(network: Network) -> None:
    def first_counts(plan: Plan) -> torch.Tensor:
        return engines.batched(network, plan, images(network, 5)).spike_counts[network.activations[0].name]

    soft = Plan({node.name: Site(0.3) for node in network.activations}, Steady(20))
    hard = Plan({name: Site(0.3, neuron=IntegrateFire(ToValue(0.0))) for name in soft.sites}, Steady(20))
    assert bool((first_counts(hard) <= first_counts(soft)).all())


@settings(max_examples=20, derandomize=True, deadline=None)
@given(network=st.one_of(networks(kinds=(*WITHOUT_MAX, "maxpool")), perceptrons()))
def test_more_time_and_finer_spikes_come_closer_to_the_network(network: Network) -> None:
    """With thresholds at twice the largest activation, outputs converge to the network's as 1 / T."""
    batch = images(network, 8)
    largest = {node.name: 2 * float(value.max()) + 0.1 for node, value in network.stream((batch,)) if node.inputs}
    sites = {node.name: Site(largest[node.name]) for node in network.activations}

    def error(steps: int) -> float:
        outputs = engines.batched(network, Plan(sites, Steady(steps)), batch).outputs / steps
        return float((outputs - network(batch)).abs().max())

    assert error(4096) <= 0.05 * float(network(batch).abs().max()) + 0.02


def _identity(size: int) -> Network:
    from respike.ir import Activation, Input, Linear, ReLU

    eye = torch.eye(size, dtype=torch.float64)
    nodes = (
        Input("x", (), (size,)),
        Linear("in", ("x",), eye),
        Activation("relu", ("in",), ReLU()),
        Linear("out", ("relu",), eye),
    )
    return Network(nodes, ("out",))
