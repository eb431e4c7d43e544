"""Recurrent layers, unrolled, against PyTorch's own, in float64."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import respike
from frontends.torch_models import Function
from respike.cost.latency import depth, interval
from respike.engines.pipelined import pipelined
from respike.errors import InvalidPlan, UnsupportedOperator
from respike.frontends import torch_export
from respike.frontends.torch.capture import run_model
from respike.ir import Activation, Linear, Multiply, Network
from respike.neurons import FewSpikes
from respike.plan import Plan, Site
from respike.schedule import Layerwise, Steady

STEPS, FEATURES, HIDDEN = 3, 3, 2


class Sequences(nn.Module):
    """Recurrent layers side by side, on one input `[batch, time, features]`, so that one export serves all of them."""

    def __init__(self, *layers: nn.RNNBase) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        results = []
        for layer in self.layers:
            assert isinstance(layer, nn.RNNBase)
            outputs, state = layer(x if layer.batch_first else x.transpose(0, 1))
            states = state if isinstance(state, tuple) else (state,)
            results += [
                outputs if layer.batch_first else outputs.transpose(0, 1),
                outputs[:, -1] if layer.batch_first else outputs[-1],
                *(final.transpose(0, 1) for final in states),
                *(final[-1] for final in states),
            ]
        return results


def variants(kind: Any, **options: Any) -> list[nn.RNNBase]:
    return [
        kind(FEATURES, HIDDEN, batch_first=True, **options),
        kind(FEATURES, HIDDEN, bias=False, **options),
        kind(FEATURES, HIDDEN, 2, batch_first=True, bidirectional=True, **options),
    ]


@pytest.mark.parametrize(
    "layers",
    [variants(nn.RNN), variants(nn.RNN, nonlinearity="relu"), variants(nn.GRU), variants(nn.LSTM)],
    ids=["tanh", "relu", "gru", "lstm"],
)
def test_recurrent_layers_are_unrolled(layers: list[nn.RNNBase]) -> None:
    torch.manual_seed(0)
    model = Sequences(*layers).double().eval()
    x = torch.randn(3, STEPS, FEATURES, dtype=torch.float64)
    network = torch_export(model, x)
    expected = run_model(model, (x,))
    assert len(network.outputs) == len(expected)
    for candidate in (network, respike.prepare(network)):
        values = candidate.values((x,), candidate.outputs)
        for name, wanted in zip(candidate.outputs, expected, strict=True):
            torch.testing.assert_close(values[name], wanted, rtol=0, atol=1e-12)


class Classifier(nn.Module):
    def __init__(self, layers: nn.RNNBase) -> None:
        super().__init__()
        self.rnn = layers
        self.fc = nn.Linear(HIDDEN, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rnn(x)[0][:, -1])  # type: ignore[no-any-return]


def classifier(layers: nn.RNNBase) -> Network:
    torch.manual_seed(1)
    return respike.load(Classifier(layers).eval(), torch.randn(2, STEPS, FEATURES))


@pytest.mark.parametrize(
    ("layers", "populations"),
    [
        (nn.RNN(FEATURES, HIDDEN, batch_first=True), {"rnn.tanh": STEPS}),
        (
            nn.RNN(FEATURES, HIDDEN, 2, nonlinearity="relu", batch_first=True),
            {"rnn.l0.relu": STEPS, "rnn.l1.relu": STEPS},
        ),
        (
            nn.GRU(FEATURES, HIDDEN, batch_first=True),
            dict.fromkeys(("rnn.reset_gate", "rnn.update_gate", "rnn.candidate"), STEPS),
        ),
        (
            nn.LSTM(FEATURES, HIDDEN, batch_first=True),
            dict.fromkeys(("rnn.input_gate", "rnn.candidate", "rnn.output_gate", "rnn.cell"), STEPS)
            | {"rnn.forget_gate": STEPS - 1},  # at first there is nothing to forget
        ),
    ],
    ids=["rnn", "two layers", "gru", "lstm"],
)
def test_the_same_neurons_serve_all_time_steps(layers: nn.RNNBase, populations: dict[str, int]) -> None:
    network = classifier(layers)
    assert Counter(node.population for node in network.activations) == populations
    assert all(network.shapes[node.name] == (HIDDEN,) for node in network.activations)


def test_layers_overlap_in_time() -> None:
    """The second layer's neurons follow the first layer's one window later, and not after its whole sequence."""
    network = classifier(nn.RNN(FEATURES, HIDDEN, 2, nonlinearity="relu", batch_first=True))
    plan = few_spikes(network)
    assert depth(network) == STEPS + 1
    assert interval(network, plan) == STEPS * plan.schedule.window  # type: ignore[union-attr]


def few_spikes(network: Network) -> Plan:
    sites = {node.name: Site(1 / 64, neuron=FewSpikes(8)) for node in network.activations}
    return Plan(sites, Layerwise(8), analog=tuple(n.name for n in network.nodes if isinstance(n, Multiply)))


def test_spiking_neurons_compute_the_recurrence_up_to_their_resolution() -> None:
    network = classifier(nn.RNN(FEATURES, HIDDEN, nonlinearity="relu", batch_first=True))
    x = torch.rand(5, STEPS, FEATURES)
    error = (respike.SpikingNetwork(network, few_spikes(network))(x) - network(x)).abs().max()
    assert 0 < error < STEPS / 64
    with pytest.raises(InvalidPlan, match=r"'rnn\.relu' is recurrent"):
        respike.SpikingNetwork(network, Plan({name: Site(1.0) for name in few_spikes(network).sites}, Steady(8)))


def test_a_separate_accumulator_collects_for_the_next_time_step() -> None:
    """While the neurons fire for one time step, their own spikes are collected beside the membrane (FS, Discussion)."""
    network = classifier(nn.RNN(FEATURES, HIDDEN, nonlinearity="relu", batch_first=True))
    plan, x = few_spikes(network), torch.rand(3, STEPS, FEATURES)
    run = pipelined(network, plan, x)
    assert run.potentials == {"rnn.relu": 2, "output": 1}
    assert torch.equal(run.outputs, torch.cat([pipelined(network, plan, one.unsqueeze(0)).outputs for one in x]))


def test_names_are_those_of_the_parameters() -> None:
    network = classifier(nn.LSTM(FEATURES, HIDDEN, batch_first=True))
    named = [node.name for node in network.nodes if isinstance(node, Linear | Activation)]
    assert named[:6] == [
        "rnn.weight_ih",
        "rnn.input_gate",
        "rnn.candidate",
        "rnn.output_gate",
        "rnn.cell",
        "rnn.weight_ih@2",
    ]
    assert {"rnn.weight_hh", "rnn.forget_gate@2", "rnn.cell@3"} <= set(named)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda m, x: m.layer(x, torch.ones(1, 2, HIDDEN))[0], "starts from a state that is not zero"),
        (lambda m, x: m.layer(x, x[:, :1, :HIDDEN].transpose(0, 1))[0], "starts from a state that is not zero"),
        (lambda m, x: m.timed(x)[0], "batch_first=True"),
        (lambda m, x: m.layer(x)[1], "batch"),
        (lambda m, x: m.projected(x)[0], "proj_size"),
    ],
)
def test_what_is_not_supported_is_refused(function: Any, reason: str) -> None:
    model = Function(function)
    model.add_module("layer", nn.RNN(FEATURES, HIDDEN, batch_first=True))
    model.add_module("timed", nn.RNN(FEATURES, HIDDEN))
    model.add_module("projected", nn.LSTM(FEATURES, HIDDEN, proj_size=1, batch_first=True))
    with pytest.raises(UnsupportedOperator, match=reason):
        torch_export(model.eval(), torch.rand(2, STEPS, FEATURES))
