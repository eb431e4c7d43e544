"""Analog nodes: what they compute, who lets them stay, and how engines run them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from networks import BLOCKS, RESAMPLING, Builder, images, networks
from respike import SpikingNetwork, engines, methods
from respike.calibrate import activation_bounds
from respike.errors import InvalidNetwork, InvalidPlan
from respike.ir import (
    Activation,
    Divide,
    Embedding,
    GroupNorm,
    Input,
    LayerNorm,
    Linear,
    MatMul,
    Multiply,
    Network,
    Permute,
    ReLU,
    RMSNorm,
    Sigmoid,
    Softmax,
    apply_analog,
)
from respike.plan import Plan, Site
from respike.record import Probe
from respike.schedule import Steady


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def attention() -> Network:
    """One head of attention behind a ReLU, a gate, and a readout."""
    size = 4
    nodes = (
        Input("x", (), (3, size)),
        Linear("embed", ("x",), random(size, size), random(size)),
        Activation("relu", ("embed",), ReLU()),
        LayerNorm("norm", ("relu",), (size,), random(size), random(size), 1e-3),
        Linear("q", ("norm",), random(size, size)),
        Linear("k", ("norm",), random(size, size)),
        Permute("turned", ("k",), (0, 2, 1)),
        MatMul("scores", ("q", "turned")),
        Softmax("softmax", ("scores",), 2),
        MatMul("attended", ("softmax", "relu")),
        Activation("gate", ("attended",), Sigmoid()),
        Multiply("gated", ("gate", "attended")),
        Linear("out", ("gated",), random(2, size)),
    )
    return Network(nodes, ("out",))


ANALOG = ("norm", "scores", "softmax", "attended", "gate", "gated")


def test_each_computes_its_equation() -> None:
    x, y = random(2, 4, 3, 5), random(2, 4, 3, 5) + 3
    a, b = x.numpy(), y.numpy()
    weight, bias = random(4), random(4)

    def close(value: Tensor, wanted: np.ndarray) -> None:
        np.testing.assert_allclose(value.numpy(), wanted, rtol=1e-12, atol=1e-12)

    close(apply_analog(Multiply("n", ("x", "y")), [x, y]), a * b)
    close(apply_analog(Divide("n", ("x", "y")), [x, y]), a / b)
    close(apply_analog(MatMul("n", ("x", "y")), [x, y.mT]), np.einsum("bcij,bckj->bcik", a, b))
    powers = np.exp(a)
    close(apply_analog(Softmax("n", ("x",), 2), [x]), powers / powers.sum(2, keepdims=True))
    mean, variance = a.mean((2, 3), keepdims=True), a.var((2, 3), keepdims=True)
    shape = LayerNorm("n", ("x",), (3, 5), random(3, 5), None, 0.1)
    close(apply_analog(shape, [x]), (a - mean) / np.sqrt(variance + 0.1) * random(3, 5).numpy())
    behind = replace(shape, bias=random(5), added=0.3)
    wanted = (a - mean) / (np.sqrt(variance + 0.1) + 0.3) * random(3, 5).numpy() + random(5).numpy()
    close(apply_analog(behind, [x]), wanted)
    squares = (a**2).mean(2, keepdims=True)
    close(apply_analog(RMSNorm("n", ("x",), (2,), 0.1, 0.3), [x]), a / (np.sqrt(squares + 0.1) + 0.3))
    pairs = a.reshape(2, 2, 2, 3, 5)
    mean, variance = pairs.mean((2, 3, 4), keepdims=True), pairs.var((2, 3, 4), keepdims=True)
    wanted = ((pairs - mean) / np.sqrt(variance + 0.1)).reshape(a.shape)
    wanted = wanted * weight.numpy()[:, None, None] + bias.numpy()[:, None, None]
    close(apply_analog(GroupNorm("n", ("x",), 2, weight, bias, 0.1), [x]), wanted)
    words = torch.tensor([[2, 0], [1, 1]])
    close(apply_analog(Embedding("n", ("x",), random(3, 4)), [words.double()]), random(3, 4).numpy()[words.numpy()])


def test_none_stays_analog_unasked_and_all_are_named() -> None:
    network = attention()
    with pytest.raises(InvalidPlan) as caught:
        SpikingNetwork(network, Plan({"relu": Site(1.0), "gate": Site(1.0)}, Steady(4)))
    message = str(caught.value)
    for name in ("norm (LayerNorm)", "scores (MatMul)", "softmax (Softmax)", "attended (MatMul)", "gated (Multiply)"):
        assert name in message
    assert "analog=('norm', 'scores', 'softmax', 'attended', 'gated',)" in message


def test_over_time_analog_nodes_come_to_what_they_are_of_values() -> None:
    network, given = attention(), images(attention(), 4)
    errors = [
        float(
            (SpikingNetwork(network, Plan({"relu": Site(3.0)}, Steady(steps), analog=ANALOG))(given) - network(given))
            .abs()
            .max()
        )
        for steps in (20, 2000)
    ]
    assert errors[1] < 0.02 * float(network(given).abs().max())
    assert errors[1] < 0.1 * errors[0]


def test_spiking_networks_take_one_input() -> None:
    nodes = (Input("x", (), (3,)), Input("y", (), (3,)), Multiply("z", ("x", "y")))
    with pytest.raises(InvalidPlan, match="the inputs x, y; spiking networks take one"):
        SpikingNetwork(Network(nodes, ("z",)), Plan({}, Steady(4)))


@pytest.mark.parametrize(("name", "reason"), [("q", "an affine map"), ("missing", "not a node")])
def test_only_what_exists_and_computes_can_stay_analog(name: str, reason: str) -> None:
    with pytest.raises(InvalidPlan, match=f"{name!r} stay analog, which is {reason}"):
        SpikingNetwork(attention(), Plan({"relu": Site(1.0)}, Steady(4), analog=(*ANALOG, name)))


def test_an_analog_activation_has_no_site() -> None:
    plan = methods.few_spikes.plan(attention(), images(attention(), 8), analog=ANALOG)
    with pytest.raises(InvalidPlan, match="sites for gate"):
        SpikingNetwork(attention(), replace(plan, sites={**plan.sites, "gate": Site(1.0)}))


def test_engines_run_analog_nodes_on_decoded_values() -> None:
    """With many steps the spiking network comes as close as its one spiking layer is fine."""
    network, given_images = attention(), images(attention(), 6)
    plan = methods.few_spikes.plan(network, given_images, steps=20, analog=ANALOG)
    probe = Probe(spikes=("relu",))
    runs = [engine(network, plan, given_images, probe) for engine in engines.LAYERWISE.values()]
    for run in runs:
        torch.testing.assert_close(run.outputs, network(given_images), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(run.outputs, runs[0].outputs, rtol=1e-12, atol=1e-12)


def test_weights_give_no_bounds_of_analog_nodes() -> None:
    with pytest.raises(InvalidNetwork, match="'norm' \\(LayerNorm\\) has no bound"):
        activation_bounds(attention())


@settings(max_examples=15, derandomize=True, deadline=None)
@given(network=networks(kinds=(*BLOCKS, *RESAMPLING, *RESAMPLING)))
def test_bounds_hold_where_layers_enlarge(network: Network) -> None:
    bounds = activation_bounds(network)
    for node, value in network.stream((images(network, 20),)):
        if isinstance(node, Activation):
            assert float(value.max()) <= bounds[node.name] * (1 + 1e-9)


def test_fixed_matrices_are_no_parameters() -> None:
    builder = Builder((2, 4, 4), 0)
    builder.conv(3)
    before = Network(tuple(builder.nodes), (builder.last,)).parameters
    builder.block("doubled")
    assert Network(tuple(builder.nodes), (builder.last,)).parameters == before
