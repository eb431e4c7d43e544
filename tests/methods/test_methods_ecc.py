"""The ECC family: each method is the paper's algorithm, written in thresholds."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from networks import Builder, images, networks, perceptrons
from respike import engines, methods
from respike.calibrate import over_time
from respike.coding import Bernoulli, ConstantCurrent, IntegrateEncoder
from respike.errors import DeadLayerWarning, InvalidData, InvalidOption
from respike.ir import Activation, Linear, MaxPool, Network, ReLU, apply_max, evaluate, map_tensors
from respike.methods import balancing
from respike.neurons import IntegrateFire, Reset, Subtract, ToValue
from respike.plan import Membrane, Plan, SpikeCount
from respike.record import Probe

STEPS = 12


def arrays(network: Network) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and biases of a perceptron, layer by layer."""
    layers = [node for node in network.nodes if isinstance(node, Linear)]
    return [(n.weight.numpy(), np.zeros(len(n.weight)) if n.bias is None else n.bias.numpy()) for n in layers]


def counts(network: Network, plan: Plan, batch: Tensor) -> list[np.ndarray]:
    found = engines.reference(network, plan, batch).spike_counts
    return [found[node.name].numpy() for node in network.activations]


def as_printed(
    layers: list[tuple[np.ndarray, np.ndarray]], calibration: np.ndarray, batch: np.ndarray, eta: float, kappa: float
) -> tuple[list[np.ndarray], float]:
    """ECC on the weights: Eq. 8 and 9, then Eq. 2 to 4 step by step, on Algorithm 1's spikes (firing at ≥).

    Returns spike counts, and how near a potential came to the threshold (a tie may go either way by rounding).
    """
    largest, activation = [1.0], calibration
    for weight, bias in layers[:-1]:
        activation = np.maximum(0, activation @ weight.T + bias)
        largest.append(activation.max())
    scaled = [
        (kappa * before / after * weight, kappa * bias / after + eta * kappa / STEPS)
        for (weight, bias), before, after in zip(layers, largest, largest[1:], strict=False)
    ]
    encoder = np.zeros_like(batch)
    potentials = [np.zeros((len(batch), len(bias))) for _, bias in scaled]
    spikes, nearest = [np.zeros_like(v) for v in potentials], np.inf
    for _ in range(STEPS):
        encoder += kappa * batch
        sent = (encoder >= kappa).astype(float)
        encoder -= kappa * sent
        for number, (weight, bias) in enumerate(scaled):
            potentials[number] += sent @ weight.T + bias
            nearest = min(nearest, np.abs(potentials[number] / kappa - 1).min())
            sent = (potentials[number] >= kappa).astype(float)
            potentials[number] -= kappa * sent
            spikes[number] += sent
    return spikes, nearest


@settings(max_examples=12, derandomize=True, deadline=None)
@given(network=perceptrons(), eta=st.sampled_from([0.0, 0.3, 0.5]), kappa=st.sampled_from([1.0, 100.0]))
def test_ecc_is_the_printed_algorithm_and_kappa_cancels(network: Network, eta: float, kappa: float) -> None:
    calibration, batch = images(network, 30, seed=2), images(network, 5)
    try:
        plan = methods.ecc(network, calibration, steps=STEPS, eta=eta)
    except DeadLayerWarning:
        return
    expected, nearest = as_printed(arrays(network), calibration.numpy(), batch.numpy(), eta, kappa)
    assume(nearest > 1e-6)
    for one, other in zip(expected, counts(network, plan, batch), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("upfront", [False, True])
@pytest.mark.parametrize("eta", [0.0, 0.25, 0.5, 0.9])
def test_the_residual_stays_within_the_range_of_proposition_2(eta: float, upfront: bool) -> None:
    """First layer, constant current: `theta · N` is the accumulated current up to `max(eta, 1 - eta) · theta`."""
    network = _network(positive=True)
    calibration = images(network, 40)
    plan = methods.ecc(network, calibration, steps=STEPS, eta=eta, upfront=upfront, encoder=False)
    threshold = float(torch.as_tensor(plan.sites["relu"].threshold))
    spikes = engines.batched(network, plan, calibration).spike_counts["relu"]
    residual = STEPS * network.values((calibration,), ["relu"])["relu"] / threshold - spikes
    assert float(residual.min()) >= -eta - 1e-9
    assert float(residual.max()) <= max(eta, 1 - eta) + 1e-9
    assert float(residual.max() - residual.min()) > 0.8  # and it is used, so the bound is not met by chance


def test_the_extra_current_is_the_same_charge_bit_by_bit_or_upfront() -> None:
    network = _network()
    bit_by_bit = methods.ecc(network, images(network, 20), steps=STEPS).sites["relu"]
    upfront = methods.ecc(network, images(network, 20), steps=STEPS, upfront=True).sites["relu"]
    half = torch.as_tensor(bit_by_bit.threshold) / 2
    assert torch.as_tensor(bit_by_bit.extra_current) * STEPS == pytest.approx(half)
    assert torch.as_tensor(upfront.initial_potential) == pytest.approx(half)
    assert (bit_by_bit.initial_potential, upfront.extra_current) == (0, 0)


@pytest.mark.parametrize("normalised", [True, False])
def test_with_everything_off_what_is_left_is_the_baseline(normalised: bool) -> None:
    network = _network()
    calibration, batch = images(network, 50), images(network, 6, seed=3)
    plan = methods.ecc(network, calibration, steps=STEPS, eta=0.0, current_normalisation=normalised, encoder=False)
    method = methods.max_norm if normalised else methods.percentile_norm
    baseline = method(network, calibration, steps=STEPS)
    assert (plan.coding, plan.readout) == (ConstantCurrent(), Membrane())
    expected, found = (engines.batched(network, p, batch) for p in (baseline, plan))
    assert torch.equal(expected.outputs_over_time, found.outputs_over_time)


@pytest.mark.parametrize(("brightest", "wanted"), [(0.4, 1.0), (1.0, 1.0), (255.0, 255.0)])
def test_the_encoder_takes_pixels_up_to_the_largest_and_at_least_1(brightest: float, wanted: float) -> None:
    network = _network()
    calibration = images(network, 20)
    calibration = calibration * (brightest / calibration.max())
    assert methods.ecc(network, calibration, steps=STEPS).coding == IntegrateEncoder(wanted)


def test_a_spiking_output_is_clipped_at_the_largest_calibration_output() -> None:
    network = _network(positive=True)
    calibration = images(network, 20)
    plan = methods.ecc(network, calibration, steps=STEPS, spiking_output=True)
    assert isinstance(plan.readout, SpikeCount)
    largest = float(network(calibration).max())
    assert float(torch.as_tensor(plan.readout.site.threshold)) == pytest.approx(largest)
    outputs = engines.batched(network, plan, 50 * calibration.clamp(max=0.02)).outputs
    assert float(outputs.max()) <= STEPS * largest * (1 + 1e-9)


def test_ecc_refuses_what_it_cannot_encode() -> None:
    network = _network()
    negative = images(network, 20) - 0.5
    with pytest.raises(InvalidData, match="encoder=False"):
        methods.ecc(network, negative)
    assert methods.ecc(network, negative, encoder=False).coding == ConstantCurrent()


@pytest.mark.parametrize("eta", [-0.1, 1.0, float("nan")])
def test_eta_is_a_part_of_the_threshold(eta: float) -> None:
    with pytest.raises(InvalidOption, match="eta must be in"):
        methods.ecc(_network(), images(_network(), 5), eta=eta)


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.1, float("nan")])
def test_scale_is_a_fraction(scale: float) -> None:
    with pytest.raises(InvalidOption, match="scale must be in"):
        methods.rmp(_network(), images(_network(), 5), scale=scale)


@pytest.mark.parametrize("method", [methods.ecc, methods.threshold_balancing, methods.rmp], ids=lambda m: m.name)
def test_the_family_refuses_no_steps_and_names_dead_layers(method: methods.Method[Any]) -> None:
    with pytest.raises(InvalidOption, match="steps must be 1 to"):
        method.plan(_network(), images(_network(), 5), steps=0)
    dead = Builder((5,), 0)
    dead.put(Linear("in", ("x",), torch.full((3, 5), -1.0, dtype=torch.float64)))
    dead.put(Activation("relu", ("in",), ReLU()))
    dead.put(Linear("out", ("relu",), torch.ones(2, 3, dtype=torch.float64)))
    network = Network(tuple(dead.nodes), ("out",))
    with pytest.warns(DeadLayerWarning, match="'relu' is dead"):
        plan = method.plan(network, images(network, 5))
    assert float(torch.as_tensor(plan.sites["relu"].threshold)) == 1.0


def spike_norm(
    layers: list[tuple[np.ndarray, np.ndarray]], batch: np.ndarray, scale: float, hard: bool
) -> tuple[list[float], list[np.ndarray]]:
    """Sengupta's loop on unit spikes and unchanged weights, scaled inside as RMP: thresholds and spike counts."""
    current = np.repeat((batch @ layers[0][0].T)[None], STEPS, 0)
    thresholds, spikes = [], []
    for weight, _ in [*layers[1:-1], (None, None)]:
        threshold = scale * current.max()
        potential, sent = np.zeros_like(current[0]), np.zeros_like(current)
        for t in range(STEPS):
            potential += current[t]
            sent[t] = potential >= threshold
            potential = np.where(sent[t] > 0, 0.0, potential) if hard else potential - threshold * sent[t]
        thresholds.append(threshold)
        spikes.append(sent.sum(0))
        if weight is not None:
            current = sent @ weight.T
    return thresholds, spikes


@settings(max_examples=15, derandomize=True, deadline=None)
@given(network=perceptrons(bias=False), hard=st.booleans(), scale=st.sampled_from([1.0, 0.5]))
def test_balancing_is_spike_norm_written_in_activation_units(network: Network, hard: bool, scale: float) -> None:
    network, batch = dyadic(network), dyadic_images(network)
    try:
        plan = balance(network, batch, ToValue(0.0) if hard else Subtract(), scale)
    except DeadLayerWarning:
        return
    thresholds, spikes = spike_norm(arrays(network), batch.numpy(), scale, hard)
    found = [float(torch.as_tensor(plan.sites[node.name].threshold)) for node in network.activations]
    assert found == pytest.approx(list(itertools.accumulate(thresholds, lambda a, b: a * b)))
    for one, other in zip(spikes, counts(network, plan, batch), strict=True):
        assert np.array_equal(one, other)


KINDS = ("conv", "grouped", "strided", "residual", "concat", "avgpool", "maxpool")


@settings(max_examples=15, derandomize=True, deadline=None)
@given(network=networks(kinds=KINDS), hard=st.booleans(), scale=st.sampled_from([1.0, 0.5]), poisson=st.booleans())
def test_each_threshold_is_the_scaled_largest_current_of_the_network_that_comes_out(
    network: Network, hard: bool, scale: float, poisson: bool
) -> None:
    """With residuals, branches and pools too: seen by running the plan, step by step, on the calibration images."""
    network, batch = dyadic(network), dyadic_images(network)
    try:
        plan = balance(network, batch, ToValue(0.0) if hard else Subtract(), scale, poisson=poisson)
    except DeadLayerWarning:
        return
    record = engines.reference(network, plan, batch, Probe(spikes=tuple(plan.sites)))
    stream = plan.coding.stream(batch)
    accumulated: dict[str, Tensor] = {}
    largest = dict.fromkeys(plan.sites, 0.0)
    for t in range(STEPS):
        values: dict[str, Tensor] = {}
        for node in network.nodes:
            inputs = [values[name] for name in node.inputs]
            if not node.inputs:
                values[node.name] = stream.take(1)[0]
            elif isinstance(node, Activation):
                largest[node.name] = max(largest[node.name], float(inputs[0].max()))
                values[node.name] = plan.sites[node.name].value * record.spikes[node.name][t]
            elif isinstance(node, MaxPool):
                before = accumulated.get(node.name, torch.zeros_like(inputs[0]))
                accumulated[node.name] = before + inputs[0]
                values[node.name] = apply_max(node, before + inputs[0]) - apply_max(node, before)
            else:
                values[node.name] = evaluate(node, inputs)
    for name, current in largest.items():
        assert float(torch.as_tensor(plan.sites[name].threshold)) == pytest.approx(scale * current)


def test_rmp_after_balancing_scales_thresholds_and_not_what_spikes_deliver() -> None:
    network = dyadic(_network(positive=True))
    batch = dyadic_images(network)
    once = methods.rmp(network, batch, steps=STEPS, scale=1.0)
    plan = methods.rmp(network, batch, steps=STEPS, scale=0.5, after_balancing=True)
    for name, site in plan.sites.items():
        assert (site.threshold, site.value) == (once.sites[name].threshold * 0.5, once.sites[name].value)


def test_the_factor_compounds_only_after_balancing() -> None:
    """Three layers that pass on their input, half the largest one: rates 1, 1, 1 times too high, or 2, 4, 8 times."""
    builder = Builder((1,), 0)
    last = "x"
    for layer in range(3):
        builder.put(Linear(f"map{layer}", (last,), torch.ones(1, 1)))
        builder.put(Activation(f"relu{layer}", (f"map{layer}",), ReLU()))
        last = f"relu{layer}"
    builder.put(Linear("out", (last,), torch.ones(1, 1)))
    network = Network(tuple(builder.nodes), ("out",))
    largest, small = torch.ones(1, 1), torch.full((1, 1), 1 / 16)

    def delivered(**options: bool) -> list[float]:
        plan = methods.rmp(network, largest, steps=64, scale=0.5, **options)
        found = engines.count(network, plan, small).spike_counts
        return [float(found[name]) * float(site.value) / 64 for name, site in plan.sites.items()]

    assert delivered() == [1 / 16] * 3
    assert delivered(after_balancing=True) == [2 / 16, 4 / 16, 8 / 16]


@pytest.mark.parametrize("poisson", [False, True])
def test_balancing_depends_neither_on_parts_nor_on_what_is_kept(monkeypatch: pytest.MonkeyPatch, poisson: bool) -> None:
    builder = Builder((2, 6, 5), 1)
    builder.conv(3)
    builder.relu()
    builder.block("residual")
    network = dyadic(builder.network())
    batch = dyadic_images(network)
    whole = methods.rmp(network, batch, steps=STEPS, scale=0.5, poisson=poisson)
    monkeypatch.setattr(over_time, "MEMORY", 1)
    monkeypatch.setattr(over_time, "KEPT", 0)
    parts = methods.rmp(network, [batch[:3], batch[3:]], steps=STEPS, scale=0.5, poisson=poisson)
    assert {n: s.threshold for n, s in whole.sites.items()} == {n: s.threshold for n, s in parts.sites.items()}


def test_poisson_input_is_part_of_the_plan_and_refuses_other_pixels() -> None:
    network = _network()
    assert methods.threshold_balancing(network, images(network, 5), poisson=True).coding == Bernoulli()
    with pytest.raises(InvalidData, match="Bernoulli"):
        methods.rmp(network, 3 * images(network, 5), poisson=True)


def balance(network: Network, batch: Tensor, reset: Reset, scale: float, *, poisson: bool = False) -> Plan:
    """By the public methods where they have the combination."""
    if isinstance(reset, Subtract):
        return methods.rmp(network, batch, steps=STEPS, scale=scale, poisson=poisson)
    plan = methods.threshold_balancing(network, batch, steps=STEPS, poisson=poisson, reset=reset)
    if scale == 1.0:
        return plan
    sites = balancing.balanced(
        network, batch, steps=STEPS, scale=scale, neuron=IntegrateFire(reset), coding=plan.coding
    )
    return replace(plan, sites=sites)


def dyadic(network: Network) -> Network:
    """Weights in sixteenths, so that currents that equal the threshold do so in any order of summation."""
    return replace(network, nodes=tuple(map_tensors(node, lambda t: (16 * t).round() / 16) for node in network.nodes))


def dyadic_images(network: Network) -> Tensor:
    return (16 * images(network, 8)).round() / 16


def _network(positive: bool = False) -> Network:
    builder = Builder((5,), 4)
    weight, out = builder.random(6, 5), builder.random(3, 6)
    builder.put(Linear("in", ("x",), weight.abs() if positive else weight))
    builder.put(Activation("relu", ("in",), ReLU()))
    builder.put(Linear("out", ("relu",), out.abs() if positive else out))
    return Network(tuple(builder.nodes), ("out",))
