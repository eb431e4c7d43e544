"""A spiking network as a module: forward it is the spiking network, backward it has the derivatives that it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from networks import images, networks, perceptrons
from neuron_samples import STEPPED, WINDOWED
from respike import SpikingNetwork
from respike.coding import Bernoulli
from respike.errors import InvalidOption, InvalidPlan
from respike.ir import Activation, ElementwiseAffine, Input, Linear, Multiply, Network, ReLU, Tanh
from respike.neurons import (
    Above,
    FewSpikes,
    FittedFewSpikes,
    IntegrateFire,
    Neuron,
    SignedIntegrateFire,
    ToValue,
    straight_through,
)
from respike.plan import AccumulatedMax, MomentaryMax, Plan, Site, SpikeCount
from respike.schedule import InputThenDrain, Layerwise, Schedule, Steady
from respike.training import FastSigmoid, Sigmoid, SpikingModule, Surrogate, Triangle

SURROGATES: list[Surrogate] = [Triangle(), Triangle(0.5), Sigmoid(3.0), FastSigmoid(5.0)]
RUNS: list[tuple[Neuron, Schedule]] = [
    *((neuron, Steady(5)) for neuron in STEPPED),
    *((neuron, Layerwise(neuron.window or 0)) for neuron in WINDOWED),
    (IntegrateFire(ToValue(-0.25), Above()), InputThenDrain(3, 4)),
    (SignedIntegrateFire(), InputThenDrain(3, 4, bias_while_draining=True)),
]


def spiking(network: Network, neuron: Neuron, schedule: Schedule) -> SpikingNetwork:
    unit = 0.5 if neuron.window is None else 0.0625
    first, *rest = (node.name for node in network.activations)
    channels = torch.linspace(1.0, 1.5, network.shapes[first][0], dtype=torch.float64)
    site = Site(unit, spike_value=unit * 1.25, initial_potential=unit / 2, extra_current=0.03, neuron=neuron)
    sites = {first: replace(site, threshold=unit * channels)} | dict.fromkeys(rest, site)
    if isinstance(schedule, Steady):
        passing = torch.tensor([[0.3], [-0.2]], dtype=torch.float64)
        sites = {name: replace(one, transient=passing) for name, one in sites.items()}
    return SpikingNetwork(network, Plan(sites, schedule))


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    network=st.one_of(networks(), perceptrons()),
    run=st.sampled_from(RUNS),
    surrogate=st.sampled_from(SURROGATES),
    pooling=st.sampled_from([AccumulatedMax(), MomentaryMax()]),
    counted=st.booleans(),
)
def test_the_forward_pass_is_the_spiking_network(
    network: Network,
    run: tuple[Neuron, Schedule],
    surrogate: Surrogate,
    pooling: AccumulatedMax | MomentaryMax,
    counted: bool,
) -> None:
    converted = spiking(network, *run)
    plan = replace(converted.plan, max_pooling=pooling)
    if counted and run[0].window is None:
        plan = replace(plan, readout=SpikeCount(Site(0.5)))
    converted = SpikingNetwork(network, plan)
    batch = images(network, 3)
    module = converted.to_module(surrogate)
    outputs = module(batch)
    torch.testing.assert_close(outputs, converted(batch), rtol=0, atol=1e-9)
    with torch.no_grad():
        torch.testing.assert_close(module(batch), outputs, rtol=0, atol=0)
    torch.testing.assert_close(SpikingNetwork.from_module(module)(batch), converted(batch), rtol=0, atol=0)


def test_random_input_is_that_of_the_spiking_network() -> None:
    network = chain(ReLU())
    plan = Plan({"a.relu": Site(0.5)}, Steady(9), coding=Bernoulli(rate=500.0, spike_value=2.0, seed=4))
    converted = SpikingNetwork(network, plan)
    batch = images(network, 5)
    torch.testing.assert_close(converted.to_module()(batch), converted(batch))


def chain(function: ReLU | Tanh) -> Network:
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(4, 4, generator=generator, dtype=torch.float64) / 2 for _ in range(2)]
    nodes = (
        Input("x", (), (4,)),
        Linear("a.fc", ("x",), weights[0], weights[0][0]),
        Activation("a.relu", ("a.fc",), function),
        Linear("a.again", ("a.relu",), weights[0], None),
        Multiply("gate", ("a.again", "a.relu")),
        ElementwiseAffine("shifted", ("gate",), torch.tensor(2.0).double(), torch.ones(4).double()),
        Linear("out", ("shifted" if isinstance(function, Tanh) else "a.again",), weights[1]),
    )
    kept = nodes if isinstance(function, Tanh) else (*nodes[:4], nodes[6])
    return Network(kept, ("out",))


def test_parameters_have_the_users_names_and_shared_weights_stay_shared() -> None:
    network = chain(ReLU())
    module = SpikingNetwork(network, Plan({"a.relu": Site(0.5)}, Steady(2))).to_module()
    assert [name for name, _ in module.named_parameters()] == [
        "a.fc.weight",
        "a.fc.bias",
        "a.relu.threshold",
        "out.weight",
    ]
    assert module.get_parameter("a.fc.weight") is module.get_parameter("a.again.weight")
    assert {name for name, _ in module.named_buffers()} == {"a.relu.initial_potential", "a.relu.extra_current"}
    before = network(images(network, 2))
    with torch.no_grad():
        module.get_parameter("a.fc.weight").zero_()
    assert torch.equal(network(images(network, 2)), before)  # the network that it was made from stays as it was


def test_what_stays_analog_and_fitted_neurons() -> None:
    network = chain(Tanh())
    fitted = FittedFewSpikes(Tanh(), (0.8, 0.4, 0.2), (0.8, 0.4, 0.2), (0.5, 0.3, 0.1), -3, 3, 0.1)
    plan = Plan({"a.relu": Site(1.0, neuron=fitted)}, Layerwise(3), analog=("gate",))
    converted = SpikingNetwork(network, plan)
    module, batch = converted.to_module(), images(network, 3)
    torch.testing.assert_close(module(batch), converted(batch))
    # Backward, the neurons are the tanh that they stand for, at the values that they gave.
    module(batch).sum().backward()
    weight = network["a.fc"].weight.clone().requires_grad_()  # type: ignore[union-attr]
    bias = network["a.fc"].bias.clone().requires_grad_()  # type: ignore[union-attr]
    charge = batch @ weight.t() + bias
    spikes = straight_through(neuron_values(fitted, charge.detach()), charge.tanh())
    ((2 * (spikes @ weight.t()) * spikes + 1) @ network["out"].weight.t()).sum().backward()  # type: ignore[union-attr]
    torch.testing.assert_close(module.get_parameter("a.fc.weight").grad, weight.grad)
    torch.testing.assert_close(module.get_parameter("a.fc.bias").grad, bias.grad)


def neuron_values(neuron: FittedFewSpikes, potential: Tensor) -> Tensor:
    """The definition (FS paper, Eq. 2 and 3)."""
    total = torch.zeros_like(potential)
    for threshold, reset, value in zip(neuron.thresholds, neuron.resets, neuron.values, strict=True):
        fired = (potential >= threshold).double()
        potential, total = potential - reset * fired, total + value * fired
    return total


def identity(neuron: Neuron, threshold: float, schedule: Schedule) -> SpikingModule:
    """One population that is given its potential."""
    nodes = (Input("x", (), (1,)), Activation("relu", ("x",), ReLU()))
    network = Network((*nodes, Linear("out", ("relu",), torch.eye(1).double())), ("out",))
    return SpikingNetwork(network, Plan({"relu": Site(threshold, neuron=neuron)}, schedule)).to_module()


def test_the_gradients_of_a_few_spikes_neuron_are_those_of_a_learned_step_size() -> None:
    """`∂y/∂x` is 1 inside; `∂y/∂u` is `n - x / u` inside, 2^K - 1 above, 0 below (Esser et al. 2020, Eq. 3)."""
    unit, steps = 0.125, 3
    module = identity(FewSpikes(steps), unit, Layerwise(steps))
    for x, slope in [(-0.3, 0.0), (0.01, 1.0), (0.3, 1.0), (0.99, 1.0), (1.01, 0.0), (5.0, 0.0)]:
        given = torch.tensor([[x]], dtype=torch.float64, requires_grad=True)
        module.zero_grad()
        module(given).backward()
        units = x / unit
        wanted = {0.0: 0.0 if x < 0 else 2.0**steps - 1, 1.0: int(units) - units}[slope]
        threshold = module.get_parameter("relu.threshold")
        assert given.grad is not None
        assert threshold.grad is not None
        assert float(given.grad) == pytest.approx(slope), x
        assert float(threshold.grad) == pytest.approx(wanted), x


@pytest.mark.parametrize("surrogate", SURROGATES, ids=repr)
def test_a_surrogate_is_a_smooth_step(surrogate: Surrogate) -> None:
    x = torch.linspace(-200, 200, 400_001, dtype=torch.float64).requires_grad_()
    step = surrogate(x)
    (slope,) = torch.autograd.grad(step.sum(), x)
    assert step[0] < 0.01 < 0.99 < step[-1]
    assert float(slope.min()) >= 0
    assert torch.allclose(slope, slope.flip(0), atol=1e-9)
    assert float(slope.argmax()) == 200_000
    at = torch.tensor([-0.3, 0.2], dtype=torch.float64)
    expected = {
        Triangle(): 1 - at.abs(),
        Triangle(0.5): 2 - 4 * at.abs(),
        Sigmoid(3.0): 3 * torch.sigmoid(3 * at) * torch.sigmoid(-3 * at),
        FastSigmoid(5.0): 2.5 / (1 + 5 * at.abs()) ** 2,
    }[surrogate]
    (found,) = torch.autograd.grad(surrogate(given := at.clone().requires_grad_()).sum(), given)
    torch.testing.assert_close(found, expected)


def test_a_spike_has_the_surrogates_derivative() -> None:
    """One step: `∂(theta · H(x / theta - 1)) / ∂x = S'(x / theta - 1)`, and what is spiked is subtracted."""
    module = identity(IntegrateFire(), 2.0, Steady(1))
    for x in (0.5, 1.5, 2.5, 5.0):
        given = torch.tensor([[x]], dtype=torch.float64, requires_grad=True)
        assert module(given).item() == 2.0 * (x >= 2)
        (slope,) = torch.autograd.grad(module(given), given)
        assert slope.item() == pytest.approx(max(0.0, 1 - abs(x / 2 - 1)))


def test_training_wins_back_what_few_steps_lost() -> None:
    """A regression whose targets are the network's own outputs: the error of K = 2 shrinks, the house measures it."""
    network = chain(ReLU())
    batch = images(network, 256)
    converted = SpikingNetwork(network, Plan({"a.relu": Site(0.25, neuron=FewSpikes(2))}, Layerwise(2)))
    module = converted.to_module()
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        torch.autograd.backward(nn.functional.mse_loss(module(batch), network(batch)))
        optimizer.step()
    trained = SpikingNetwork.from_module(module)

    def error(candidate: SpikingNetwork) -> float:
        return float((candidate(batch) - network(batch)).square().mean())

    assert error(trained) < 0.5 * error(converted)
    assert trained.plan.sites["a.relu"].threshold != 0.25


def test_it_can_be_exported_and_its_state_saved() -> None:
    network = chain(ReLU())
    module = SpikingNetwork(network, Plan({"a.relu": Site(0.25, neuron=FewSpikes(2))}, Layerwise(2))).to_module()
    other = SpikingNetwork(network, Plan({"a.relu": Site(0.5, neuron=FewSpikes(2))}, Layerwise(2))).to_module()
    other.load_state_dict(module.state_dict())
    batch = images(network, 3)
    assert torch.equal(other(batch), module(batch))
    with torch.no_grad():
        program = torch.export.export(module, (batch,))
    torch.testing.assert_close(program.module()(batch), module(batch).detach())


def test_bad_numbers_are_refused() -> None:
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InvalidOption, match="positive"):
            Triangle(wrong)
    with pytest.raises(InvalidOption, match="slope"):
        FastSigmoid(-1)
    module = identity(FewSpikes(2), 0.5, Layerwise(2))
    with torch.no_grad():
        module.get_parameter("relu.threshold").neg_()
    with pytest.raises(InvalidPlan, match="must be positive"):
        SpikingNetwork.from_module(module)
