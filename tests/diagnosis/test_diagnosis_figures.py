"""The figures of a diagnosis: against numpy, written from the definitions, and the laws of replacing layers."""

from __future__ import annotations

import json
import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from networks import Builder, images, networks
from respike import Probe, SpikingNetwork, diagnose, methods, simulate
from respike.coding import Bernoulli
from respike.diagnosis.replacing import hybrid, populations
from respike.errors import InvalidData, InvalidOption
from respike.ir import Activation, Add, Conv, Input, Linear, Network, ReLU
from respike.plan import Plan, Site
from respike.record import decoded
from respike.schedule import InputThenDrain, Steady

Array = npt.NDArray[np.float64]


def perceptron() -> Network:
    builder = Builder((5,), 3)
    for inputs, outputs in ((5, 12), (12, 9)):
        builder.put(
            Linear(builder.name("fc"), (builder.last,), builder.random(outputs, inputs), builder.random(outputs))
        )
        builder.relu()
    builder.put(Linear("out", (builder.last,), builder.random(3, 9), builder.random(3)))
    return Network(tuple(builder.nodes), ("out",), "perceptron")


def spiking_perceptron(steps: int = 7) -> SpikingNetwork:
    network = perceptron()
    per_channel = torch.linspace(0.5, 2.5, 9, dtype=torch.float64)
    first, second = (node.name for node in network.activations)
    return SpikingNetwork(
        network, Plan({first: Site(1.5, initial_potential=0.3), second: Site(per_channel)}, Steady(steps))
    )


def fired(current: Array, threshold: Array, start: float, bias: Array) -> Array:
    """Spikes of integrate-and-fire neurons with reset by subtraction: `[steps, batch, neurons]`."""
    potential, spikes = np.full(current.shape[1:], start), []
    for now in current:
        potential = potential + now + bias
        spikes.append((potential >= threshold).astype(float))
        potential = potential - threshold * spikes[-1]
    return np.stack(spikes)


def test_every_figure_against_numpy() -> None:
    spiking, steps = spiking_perceptron(), 7
    batch = images(spiking.network, 150)
    labels = torch.arange(150) % 3
    found = diagnose(spiking, batch, labels, try_changes=False)

    (w1, b1), (w2, b2), (w3, b3) = (
        (node.weight.numpy(), node.bias.numpy())  # type: ignore[union-attr]
        for node in spiking.network.nodes
        if isinstance(node, Linear)
    )
    x = batch.numpy()
    a1 = np.maximum(x @ w1.T + b1, 0)
    a2 = np.maximum(a1 @ w2.T + b2, 0)
    y = a2 @ w3.T + b3
    theta1, theta2 = np.array(1.5), np.linspace(0.5, 2.5, 9)
    z1 = fired(np.repeat((x @ w1.T)[None], steps, 0), theta1, 0.3, b1)
    z2 = fired(theta1 * z1 @ w2.T, theta2, 0.0, b2)
    s1, s2 = theta1 * z1.sum(0) / steps, theta2 * z2.sum(0) / steps
    own2 = np.maximum(s1 @ w2.T + b2, 0)
    hybrids = (np.maximum(s1 @ w2.T + b2, 0) @ w3.T + b3, s2 @ w3.T + b3)

    for layer, s, a, own, theta, z, outputs in zip(
        found.layers, (s1, s2), (a1, a2), (a1, own2), (theta1, theta2), (z1, z2), hybrids, strict=True
    ):
        for comparison, reference in ((layer.network, a), (layer.own, own)):
            assert comparison.correlation == pytest.approx(np.corrcoef(s.ravel(), reference.ravel())[0, 1])
            assert comparison.error == pytest.approx(np.linalg.norm(s - reference) / np.linalg.norm(reference))
            assert comparison.bias == pytest.approx((s - reference).mean() / np.abs(reference).mean())
            assert comparison.gain == pytest.approx(np.linalg.lstsq(reference.reshape(-1, 1), s.ravel())[0][0])
        full, unit = np.broadcast_to(theta, a.shape), np.broadcast_to(theta / steps, a.shape)
        assert layer.neurons == a.shape[1]
        assert layer.mean_activation == pytest.approx(a.mean())
        assert layer.coarseness == pytest.approx(unit[a > 0].mean() / a[a > 0].mean())
        assert layer.range_used == pytest.approx((a / full).max())
        assert layer.saturated == ((a > full) & (z.sum(0) == steps)).sum() / (a > 0).sum() > 0
        assert layer.silent == ((a > unit / 2).any(0) & (z.sum((0, 1)) == 0)).mean()
        assert layer.dead == (a == 0).all(0).mean()
        assert layer.spike_rate == pytest.approx(z.mean())
        assert layer.replaced.accuracy == (outputs.argmax(1) == labels.numpy()).mean()
        assert layer.replaced.agreement == (outputs.argmax(1) == y.argmax(1)).mean()
        assert layer.replaced.output_error == pytest.approx(np.linalg.norm(outputs - y) / np.linalg.norm(y))
    assert found.before.accuracy == (y.argmax(1) == labels.numpy()).mean()
    assert found.after.accuracy == (hybrids[1].argmax(1) == labels.numpy()).mean()
    readouts = (theta2 * z2).cumsum(0) @ w3.T + np.arange(1, steps + 1).reshape(-1, 1, 1) * b3
    assert found.over_time == pytest.approx((readouts.argmax(2) == labels.numpy()).mean(1).tolist())


@settings(max_examples=8, derandomize=True, deadline=None)
@given(network=networks(), drained=st.booleans())
def test_with_all_layers_replaced_the_network_is_the_spiking_one(network: Network, drained: bool) -> None:
    batch = images(network, 3)
    schedule = InputThenDrain(4, 3) if drained else Steady(6)
    sites = {n.name: Site(0.4, spike_value=0.3, initial_potential=0.1, extra_current=0.01) for n in network.activations}
    for plan in (Plan(sites, schedule), methods.few_spikes(network, batch, steps=3)):
        assert _all_replaced(SpikingNetwork(network, plan), batch)


def _all_replaced(spiking: SpikingNetwork, batch: Tensor) -> bool:
    network, plan = spiking.network, spiking.plan
    record = simulate(spiking, batch, Probe(spikes=tuple(plan.sites)))
    sent = {name: decoded(plan, record, name) for name in plan.sites}
    outputs = hybrid(network, batch, sent, network.outputs)[network.outputs[0]]
    return torch.allclose(outputs, spiking(batch), rtol=1e-9, atol=1e-9)


@settings(max_examples=8, derandomize=True, deadline=None)
@given(network=networks(), cut=st.integers(0, 4))
def test_what_is_not_replaced_stays_the_network(network: Network, cut: int) -> None:
    """Replaced by its own activations, the network is itself; by others, only what reads them changes."""
    batch = images(network, 2)
    names = [node.name for node in network.activations]
    known = network.values((batch,), keep=[*names, *network.outputs])
    same = hybrid(network, batch, {name: known[name] for name in names[:cut]}, [*names[cut:], *network.outputs])
    assert all(torch.equal(value, known[name]) for name, value in same.items())
    moved = hybrid(network, batch, {name: known[name] + 1 for name in names[:cut]}, names[:cut])
    assert all(torch.equal(value, known[name] + 1) for name, value in moved.items())


def test_a_rest_behind_a_cut_is_what_torch_computes() -> None:
    """Branches: the sum of a replaced activation and of one that reads another replaced one."""
    torch.manual_seed(0)
    first, second = torch.nn.Conv2d(1, 2, 3, padding=1).double(), torch.nn.Conv2d(2, 2, 3, padding=1).double()

    def conv(name: str, source: str, layer: torch.nn.Conv2d) -> Conv:
        return Conv(name, (source,), layer.weight.detach(), layer.bias, (1, 1), (1, 1), (1, 1))

    nodes = (
        Input("x", (), (1, 4, 4)),
        conv("c1", "x", first),
        Activation("a1", ("c1",), ReLU()),
        conv("c2", "a1", second),
        Add("sum", ("c2", "a1")),
        Activation("a2", ("sum",), ReLU()),
    )
    network = Network(nodes, ("a2",))
    other = torch.rand(3, 2, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        found = hybrid(network, images(network, 3), {"a1": other}, ["a2"])
        assert torch.allclose(found["a2"], (second(other) + other).relu())


def test_time_steps_of_a_recurrent_layer_are_one_layer() -> None:
    nodes = (
        Input("x", (), (3,)),
        Linear("w", ("x",), torch.eye(3)),
        Activation("step1", ("w",), ReLU(), population="cell"),
        Linear("again", ("step1",), torch.eye(3)),
        Activation("step2", ("again",), ReLU(), population="cell"),
        Linear("out", ("step2",), torch.eye(3)),
    )
    network = Network(nodes, ("out",))
    batch = torch.rand(20, 3)
    plan = methods.few_spikes(network, batch, steps=8)
    assert [(one.name, one.nodes) for one in populations(network, plan)] == [("cell", ("step1", "step2"))]
    (layer,) = diagnose(SpikingNetwork(network, plan), batch).layers
    assert (layer.name, layer.neurons) == ("cell", 3)
    assert layer.network.error < 0.01


def test_without_labels_agreement_takes_the_place_of_accuracy() -> None:
    spiking = spiking_perceptron()
    batch = images(spiking.network, 90)
    found = diagnose(spiking, batch, try_changes=False)
    labelled = diagnose(spiking, batch, spiking.network(batch).argmax(1), try_changes=False)
    assert not found.labelled
    assert math.isnan(found.after.accuracy)
    assert (found.before.decision, found.loss, found.losses) == (1.0, labelled.loss, labelled.losses)
    assert found.over_time == labelled.over_time


def test_random_input_does_not_depend_on_the_batch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    network = perceptron()
    sites = {node.name: Site(1.5) for node in network.activations}
    spiking = SpikingNetwork(network, Plan(sites, Steady(5), Bernoulli(seed=4)))
    batch = images(network, 80)
    whole = diagnose(spiking, batch, try_changes=False)
    monkeypatch.setattr("respike.diagnosis.diagnosing.BATCH_SIZE", 13)
    assert diagnose(spiking, batch, try_changes=False).over_time == whole.over_time


def test_the_diagnosis_is_json() -> None:
    network = perceptron()
    silent = SpikingNetwork(network, Plan({node.name: Site(1e6) for node in network.activations}, Steady(2)))
    found = diagnose(silent, images(network, 40))
    content = json.loads(found.to_json())
    assert math.isnan(found.layers[0].network.correlation)
    assert content["layers"][0]["network"]["correlation"] is None
    assert content["loss"] == found.loss
    assert content["first_loss"] == found.first_loss
    assert [one["rule"] for one in content["findings"]] == [one.rule for one in found.findings]


@pytest.mark.parametrize(
    ("batch", "labels", "message"),
    [
        (torch.zeros(0, 5), None, "needs images"),
        (torch.zeros(3, 4), None, "takes a batch of shape"),
        (torch.zeros(3, 5), torch.zeros(3), "labels must be integers"),
        (torch.zeros(3, 5), torch.zeros(2).long(), "one for each of 3 images"),
        (torch.zeros(3, 5), torch.full((3,), 7), "got 7 to 7"),
    ],
)
def test_bad_data_is_refused(batch: Tensor, labels: Tensor | None, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        diagnose(spiking_perceptron(), batch, labels)


def test_a_bad_tolerance_is_refused() -> None:
    with pytest.raises(InvalidOption, match="tolerance"):
        diagnose(spiking_perceptron(), torch.zeros(1, 5), tolerance=1.0)
