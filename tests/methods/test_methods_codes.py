"""Methods that differ in what their neurons send: each one's claim."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from networks import Builder, images
from respike import diagnose, engines, methods, simulate
from respike.calibrate import observe
from respike.errors import InvalidPlan
from respike.ir import Activation, Linear, Network, ReLU, SiLU, evaluate
from respike.methods.coarse_to_fine import falling
from respike.neurons import Burst, CanonicFewSpikes, CoarseToFine, FewSpikes, IntegrateFire, SignedIntegrateFire
from respike.plan import Plan
from respike.record import Probe
from respike.spiking import SpikingNetwork


def perceptron(layers: int = 3) -> Network:
    builder = Builder((12,), seed=5)
    before = "x"
    for number in range(layers):
        builder.put(Linear(f"in{number}", (before,), 0.5 * builder.random(24, 12 if number == 0 else 24)))
        before = f"relu{number}"
        builder.put(Activation(before, (f"in{number}",), ReLU()))
    builder.put(Linear("out", (before,), builder.random(5, 24)))
    return Network(tuple(builder.nodes), ("out",))


NETWORK = perceptron()
CALIBRATION = images(NETWORK, 200, seed=3)


def spikes(plan: Plan) -> float:
    names = tuple(plan.sites)
    record = engines.reference(NETWORK, plan, CALIBRATION, Probe(spikes=names))
    return sum(float(plan.sites[name].neuron.spikes_sent(record.spikes[name]).sum()) for name in names)


def error(plan: Plan, network: Network = NETWORK) -> float:
    outputs = SpikingNetwork(network, plan)(CALIBRATION)
    return float((outputs - network(CALIBRATION)).square().mean().sqrt())


@pytest.mark.parametrize("steps", [4, 6, 8])
def test_canonic_spikes_are_few_spikes_with_fewer_spikes(steps: int) -> None:
    few, canonic = (
        method(NETWORK, CALIBRATION, steps=steps) for method in (methods.few_spikes, methods.canonic_spikes)
    )
    assert {type(site.neuron) for site in few.sites.values()} == {FewSpikes}
    assert {type(site.neuron) for site in canonic.sites.values()} == {CanonicFewSpikes}
    assert torch.equal(SpikingNetwork(NETWORK, few)(CALIBRATION), SpikingNetwork(NETWORK, canonic)(CALIBRATION))
    assert spikes(canonic) < spikes(few)


def test_canonic_spikes_at_eight_bits_are_a_tenth_fewer() -> None:
    few, canonic = (method(NETWORK, CALIBRATION, steps=8) for method in (methods.few_spikes, methods.canonic_spikes))
    assert spikes(canonic) <= 0.9 * spikes(few)


@pytest.mark.parametrize("bits", [2, 5])
def test_time_to_first_spike_quantises_with_a_spike_a_neuron(bits: int) -> None:
    plan = methods.time_to_first_spike(NETWORK, CALIBRATION, time_bits=bits, correct_bias=False)
    record = simulate(SpikingNetwork(NETWORK, plan), CALIBRATION)
    values = {"x": CALIBRATION}
    for node in NETWORK.nodes[1:]:
        value = evaluate(node, [values[name] for name in node.inputs])
        if node.name in plan.sites:
            unit = plan.sites[node.name].threshold
            value = (values[node.inputs[0]] / unit + 0.5).floor().clamp(0, 2**bits) * unit
            assert torch.equal(record.spike_counts[node.name], (value > 0).to(value))
        values[node.name] = value
    assert torch.allclose(record.outputs, values["out"])


def test_more_bits_come_closer() -> None:
    errors = [error(methods.time_to_first_spike(NETWORK, CALIBRATION, time_bits=bits)) for bits in (1, 3, 5, 7)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("thresholds", [2, 4])
def test_multi_threshold_in_one_step_is_a_quantised_network(thresholds: int) -> None:
    plan = methods.multi_threshold(NETWORK, CALIBRATION, steps=1, thresholds=thresholds, correct_bias=False)
    values = {"x": CALIBRATION}
    for node in NETWORK.nodes[1:]:
        value = evaluate(node, [values[name] for name in node.inputs])
        if node.name in plan.sites:
            unit = plan.sites[node.name].threshold
            value = (values[node.inputs[0]] / unit + 0.5).floor().clamp(0, 2**thresholds - 1) * unit
        values[node.name] = value
    assert torch.allclose(SpikingNetwork(NETWORK, plan)(CALIBRATION), values["out"])


def test_multi_threshold_needs_fewer_steps_than_one_threshold() -> None:
    many, one = (methods.multi_threshold(NETWORK, CALIBRATION, steps=4, thresholds=count) for count in (4, 1))
    assert error(many) < 0.5 * error(one)


def test_opi_is_max_norm_that_rounds_to_the_nearest() -> None:
    plan = methods.opi(NETWORK, CALIBRATION, steps=8)
    counts = engines.batched(NETWORK, plan, CALIBRATION).spike_counts["relu0"]
    threshold = float(observe(NETWORK, CALIBRATION)["relu0"].maximum.max())
    wanted = (8 * NETWORK.values((CALIBRATION,), keep=("relu0",))["relu0"] / threshold + 0.5).floor().clamp(0, 8)
    assert float((counts != wanted).double().mean()) < 1e-3  # the rest are ties that rounding flips
    assert error(plan) < error(methods.max_norm(NETWORK, CALIBRATION, steps=8))


def test_bursts_send_what_percentile_norm_keeps_too_long() -> None:
    plain = methods.percentile_norm(NETWORK, CALIBRATION, steps=12, percentile=95.0)
    plan = methods.burst(NETWORK, CALIBRATION, steps=12, percentile=95.0, most=3)
    assert {site.neuron for site in plan.sites.values()} == {Burst(3)}
    assert all(plan.sites[name].threshold == site.threshold for name, site in plain.sites.items())
    assert error(plan) < error(plain)


def test_in_a_deep_network_signed_spikes_come_closer_than_binary_ones() -> None:
    deep = perceptron(layers=10)
    plan = methods.signed(deep, CALIBRATION, steps=32)
    assert {site.neuron for site in plan.sites.values()} == {SignedIntegrateFire()}
    binary = {name: replace(site, neuron=IntegrateFire()) for name, site in plan.sites.items()}
    assert error(plan, deep) < 0.85 * error(replace(plan, sites=binary), deep)


@pytest.mark.parametrize("bits", [2, 8])
def test_what_diagnose_advises_for_time_to_first_spike_can_be_done(bits: int) -> None:
    plan = methods.time_to_first_spike(NETWORK, CALIBRATION, time_bits=bits)
    found = diagnose(SpikingNetwork(NETWORK, plan), CALIBRATION, NETWORK(CALIBRATION).argmax(-1))
    for finding in found.findings:
        for remedy in finding.remedies:
            method = methods.find(remedy.method) if remedy.method else methods.time_to_first_spike
            assert remedy.options.keys() <= method.options.keys()
    advised = methods.time_to_first_spike.remedies["steps"](plan, 1.0)
    assert [remedy.options or remedy.method for remedy in advised] == [{"time_bits": 3} if bits == 2 else "few_spikes"]


def test_coarse_to_fine_is_nearer_than_signed_spikes_and_comes_to_the_values_of_few_spikes() -> None:
    """With bits for all steps: its coarse spikes say in a few steps what single units need many for."""
    errors = {steps: error(methods.coarse_to_fine(NETWORK, CALIBRATION, steps=steps)) for steps in (4, 8, 12)}
    assert errors[12] < errors[8] < errors[4]
    assert errors[8] < 0.75 * error(methods.signed(NETWORK, CALIBRATION, steps=8))
    assert errors[12] < 1.25 * error(methods.few_spikes(NETWORK, CALIBRATION, steps=5))


@pytest.mark.parametrize(("steps", "first"), [(1, 6.0), (2, 6.0), (3, 6.0), (8, 12.0), (12, 24.0), (40, 3000.0)])
def test_weights_fall_from_the_first_to_one(steps: int, first: float) -> None:
    weights = falling(steps, first)
    assert len(weights) == steps
    assert weights[0] == first
    assert weights == tuple(sorted(weights, reverse=True))
    assert weights[1:][-2:] == (1, 1)[: steps - 1]  # as far as there are steps behind the first


def test_weights_fall_evenly_and_the_last_comes_twice() -> None:
    assert falling(4, 9) == (9, 3, 1, 1)
    assert falling(5, 27) == (27, 9, 3, 1, 1)


@pytest.mark.parametrize(("steps", "bits"), [(3, 2), (4, 3), (8, 4), (12, 5)])
def test_four_steps_give_a_bit_more(steps: int, bits: int) -> None:
    plan = methods.coarse_to_fine(NETWORK, CALIBRATION[:16], steps=steps)
    for site in plan.sites.values():
        assert isinstance(site.neuron, CoarseToFine)
        assert site.neuron.weights == falling(steps, 3 * 2**bits / 4)


def test_coarse_to_fine_keeps_to_a_clip_and_refuses_what_is_no_relu() -> None:
    clipped = replace(
        NETWORK,
        nodes=tuple(
            replace(node, function=ReLU(0.5)) if isinstance(node, Activation) else node for node in NETWORK.nodes
        ),
    )
    plan = methods.coarse_to_fine(clipped, CALIBRATION)
    record = simulate(SpikingNetwork(clipped, plan), CALIBRATION, Probe(spikes=tuple(plan.sites)))
    for name, site in plan.sites.items():
        sent = record.spikes[name].cumsum(0) * site.like(CALIBRATION).spike_value
        assert float(sent.max()) <= 0.5 + 1e-9
        assert float(sent.min()) >= 0
    smooth = replace(
        NETWORK,
        nodes=tuple(replace(node, function=SiLU()) if isinstance(node, Activation) else node for node in NETWORK.nodes),
    )
    with pytest.raises(InvalidPlan, match=r"'relu0' computes .*use the method few_spikes"):
        methods.coarse_to_fine(smooth, CALIBRATION)
