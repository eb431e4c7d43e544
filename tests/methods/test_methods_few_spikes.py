"""FS conversion as printed, and with respike's calibration."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from networks import Builder, computing, images
from respike import SpikingNetwork, methods
from respike.cost import analog_operations, fan_outs
from respike.errors import DeadLayerWarning, InvalidOption, InvalidPlan, OutsideFitWarning
from respike.fitting import Density
from respike.ir import (
    Activation,
    Conv,
    Erf,
    Function,
    Input,
    Linear,
    Mish,
    Network,
    ReLU,
    Reshape,
    Sigmoid,
    Softplus,
)
from respike.methods.few_spikes import limit, matching
from respike.neurons import FewSpikes, FittedFewSpikes, IntegrateFire
from respike.plan import Plan, Site
from respike.schedule import Layerwise, Steady

RELU = ReLU()


def network(function: ReLU | Sigmoid = RELU, population: str = "", bias: float = 0.1) -> Network:
    """One convolution, one population, one output layer."""
    draw = torch.Generator().manual_seed(1)
    weight, out = torch.randn(4, 2, 3, 3, generator=draw) / 4, torch.randn(3, 4 * 36, generator=draw) / 12
    return Network(
        (
            Input("x", (), (2, 6, 6)),
            Conv("conv", ("x",), weight, torch.full((4,), bias), (1, 1), (1, 1), (1, 1)),
            Activation("act", ("conv",), function, population),
            Reshape("flat", ("act",), (-1,)),
            Linear("fc", ("flat",), out),
        ),
        ("fc",),
    )


def test_the_paper_is_one_global_range_rounded_down() -> None:
    net, given = network(), images(network(), 8)
    plan = methods.few_spikes(net, given, steps=10, alpha=25.0, half_unit=False, correct_bias=False)
    unit = 25.0 / 1024
    hidden = net.values((given,), keep=("act",))["act"]
    out = net["fc"]
    assert isinstance(out, Linear)
    expected = out.weight @ ((hidden / unit).floor() * unit).flatten(1).T
    assert isinstance(plan.schedule, Layerwise)
    assert plan.schedule.window == 10
    assert torch.allclose(SpikingNetwork(net, plan)(given), expected.T, atol=1e-5)


def test_more_steps_come_closer() -> None:
    net, given = network(), images(network(), 50)
    errors = [
        float((SpikingNetwork(net, methods.few_spikes(net, given, steps=k))(given) - net(given)).abs().mean())
        for k in (2, 4, 6, 8, 10)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 2e-3


def test_corrected_biases_leave_the_mean_input_of_each_channel_as_it_was() -> None:
    draw = torch.Generator().manual_seed(3)
    given = torch.rand(60, 8, generator=draw).double()
    weights = [torch.randn(8, 8, generator=draw).double() / 2 for _ in range(3)]
    nodes: list[Input | Linear | Activation] = [Input("x", (), (8,))]
    for number, weight in enumerate(weights):
        nodes += [
            Linear(f"fc{number}", (nodes[-1].name,), weight),
            Activation(f"relu{number}", (f"fc{number}",), ReLU()),
        ]
    net = Network((*nodes, Linear("out", ("relu2",), torch.eye(8).double())), ("out",))

    def inputs(plan: Plan) -> Tensor:
        """What the third population collects, in the mean."""
        value = given
        for number, weight in enumerate(weights):
            site = plan.sites[f"relu{number}"]
            current = value @ weight.T + site.extra_current
            if number == 2:
                return current.mean(0)
            words = ((current + site.initial_potential) / site.threshold).floor().clamp(0, 7)
            value = words * site.value
        raise AssertionError

    exact = net.values((given,), keep=("fc2",))["fc2"].mean(0)
    off = methods.few_spikes(net, given, steps=3, half_unit=False, correct_bias=False)
    on = methods.few_spikes(net, given, steps=3, half_unit=False)
    assert torch.allclose(inputs(on), exact, atol=1e-5)
    assert not torch.allclose(inputs(off), exact, atol=1e-3)


def test_a_clipped_activation_is_never_exceeded() -> None:
    net, given = network(ReLU(ceiling=0.4)), images(network(), 30)
    for least_squares in (True, False):
        plan = methods.few_spikes(net, given, steps=3, least_squares=least_squares)
        assert float(torch.as_tensor(plan.sites["act"].value).max()) * 7 <= 0.4 * (1 + 1e-6)
    SpikingNetwork(net, methods.few_spikes(net, given, steps=6, alpha=25.0))


def test_bad_options_are_refused() -> None:
    net, given = network(), images(network(), 8)
    with pytest.raises(InvalidOption, match="steps must be 1 to 24, got 0"):
        methods.few_spikes(net, given, steps=0)
    with pytest.raises(InvalidOption, match="steps must be 1 to 24, got 25"):
        methods.few_spikes(net, given, steps=25)
    with pytest.raises(InvalidOption, match="alpha must be above 0"):
        methods.few_spikes(net, given, alpha=-1.0)
    with pytest.warns(DeadLayerWarning, match="'act' is dead"):
        methods.few_spikes(network(bias=-99.0), given)


def test_neurons_schedule_and_function_must_fit() -> None:
    few, rate = Site(0.1, neuron=FewSpikes(4)), Site(1.0)
    with pytest.raises(InvalidPlan, match=r"'act' has few-spikes neurons: they need schedule=Layerwise"):
        SpikingNetwork(network(), Plan({"act": few}, Steady(4)))
    with pytest.raises(InvalidPlan, match=r"'act' has integrate-and-fire neurons"):
        SpikingNetwork(network(), Plan({"act": rate}, Layerwise(4)))
    with pytest.raises(InvalidPlan, match="fires for 4 steps, its window has 3"):
        SpikingNetwork(network(), Plan({"act": few}, Layerwise(3)))
    with pytest.raises(InvalidPlan, match=r"'act' computes Sigmoid\(\), which needs a fitted neuron.*fit_activation"):
        SpikingNetwork(network(Sigmoid()), Plan({"act": few}, Layerwise(4)))
    with pytest.raises(InvalidPlan, match=r"'cell' is recurrent.*few_spikes"):
        SpikingNetwork(network(population="cell"), Plan({"act": Site(1.0, neuron=IntegrateFire())}, Steady(4)))


def test_inputs_that_a_fitted_neuron_was_not_fitted_to_are_told() -> None:
    net = Network(
        (
            Input("x", (), (4,)),
            Linear("fc1", ("x",), torch.eye(4)),
            Activation("relu", ("fc1",), RELU),
            Linear("fc2", ("relu",), torch.eye(4)),
            Activation("gate", ("fc2",), Sigmoid()),
            Linear("fc3", ("gate",), torch.eye(4)),
        ),
        ("fc3",),
    )
    ones_to_threes = 1.0 + 2.0 * torch.rand(64, 4, generator=torch.Generator().manual_seed(2))
    with pytest.warns(OutsideFitWarning, match=r"'gate': 100.0 % of its inputs are outside the range"):
        # The first layer saturates at a hundredth of what it should deliver.
        methods.few_spikes(net, ones_to_threes, steps=4, alpha=0.01, half_unit=False, correct_bias=False)


def test_as_many_images_are_looked_at_as_fit_into_half_a_gigabyte_and_16_at_least() -> None:
    """With eight values of the largest layer alive at one time."""
    net = network()
    bytes_of_an_image = 8 * (4 * 6 * 6) * 4
    most = limit(net)
    assert most * bytes_of_an_image <= 2**29 < (most + 1) * bytes_of_an_image
    assert limit(net.to(torch.float64)) == most // 2
    large = Network((Input("x", (), (3000, 3000)), Activation("act", ("x",), RELU)), ("act",))
    assert limit(large) == 16


def test_fitted_neurons_reach_a_little_beyond_what_calibration_has_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fitted(function: object, steps: int, *, low: float, high: float, density: Density) -> FittedFewSpikes:
        asked.append((function, steps, low, high, density))
        return FittedFewSpikes(Sigmoid(), (1.0,) * steps, (1.0,) * steps, (1.0,) * steps, low, high, 0.0)

    module = importlib.import_module("respike.methods.few_spikes")
    monkeypatch.setattr(module, "fit_activation", fitted)
    monkeypatch.setattr(module, "_SAMPLES", 100)
    net, given = network(Sigmoid()), images(network(), 8).float()
    plan = module.fitted(Plan({"act": Site(1.0, neuron=FewSpikes(3))}, Layerwise(3)), net, given, 3)
    ((function, steps, low, high, density),) = asked
    conv = net["conv"]
    assert isinstance(conv, Conv)
    current = torch.nn.functional.conv2d(given, conv.weight, conv.bias, padding=1).flatten().double()
    seen = current[:: len(current) // 100]
    assert len(current) == 8 * 4 * 36
    margin = 0.05 * float(seen.max() - seen.min()) + 1e-3
    assert (function, steps) == (Sigmoid(), 3)
    assert low == pytest.approx(float(seen.min()) - margin)
    assert high == pytest.approx(float(seen.max()) + margin)
    edges = np.linspace(low, high, 9)
    wanted = Density.of(seen).probabilities(edges)
    assert np.allclose(density.probabilities(edges), wanted)
    assert plan.sites["act"].neuron.domain == (low, high)
    assert plan.sites["act"].threshold == plan.sites["act"].value == 1.0


def test_patterns_name_activations_and_analog_nodes() -> None:
    net = network()
    assert matching(net, ("a*",)) == matching(net, ("act", "?ct")) == ("act",)
    assert matching(net, ()) == ()
    two = replace(net, nodes=(*net.nodes, Activation("more", (net.outputs[0],), ReLU())), outputs=("more",))
    assert matching(two, ("m*",)) == matching(two, ("more", "mo*")) == ("more",)
    assert matching(two, ("*",)) == matching(two, ("more", "act")) == ("act", "more")
    for nobody in ("conv", "b*"):
        with pytest.raises(InvalidOption, match=f"no activation or analog node is called '{re.escape(nobody)}'"):
            matching(net, ("act", nobody))


@pytest.mark.parametrize(("function", "each"), [(Erf(), 8), (Mish(), 8), (Softplus(), 13), (Softplus(0.5), 13)])
def test_functions_get_fitted_neurons_or_are_evaluated(function: Function, each: int) -> None:
    builder = Builder((2, 4, 4), seed=3)
    builder.conv(3)
    builder.relu()
    builder.conv(4)
    smooth = computing(function, builder.network())
    given = images(smooth, 40)
    wanted = smooth(given)
    plan = methods.few_spikes(smooth, given, steps=5)
    assert [type(site.neuron) for site in plan.sites.values()] == [FittedFewSpikes]
    assert float((SpikingNetwork(smooth, plan)(given) - wanted).std() / wanted.std()) < 0.2
    sent = SpikingNetwork(smooth, methods.every_edge(smooth, given, steps=8))
    torch.testing.assert_close(sent(given), wanted, rtol=0, atol=0.03 * float(wanted.std()))
    (activation,) = smooth.activations
    work = analog_operations(sent.network, sent.plan, fan_outs(sent.network, sent.plan))
    assert work[activation.name] == (each + 1) * smooth.neurons(activation.name)  # and one for the neuron that sends it
