"""Units from histograms: as good as a search over the activations themselves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from respike.calibrate import largest_units, least_squares_units, observe
from respike.ir import Activation, Input, Network, ReLU

STEPS = [2, 4, 8]


def activations(channels: int) -> Tensor:
    """Heavy-tailed inputs, each channel with a scale of its own, `[images, channels, 8]`."""
    draw = torch.Generator().manual_seed(channels)
    values = torch.randn(400, channels, 8, generator=draw).exp() - 1.0
    return values * torch.logspace(-1, 1, channels).reshape(1, -1, 1)


def relu_network(channels: int) -> Network:
    return Network((Input("x", (), (channels, 8)), Activation("relu", ("x",), ReLU())), ("relu",))


def squared_error(values: Tensor, unit: float, steps: int, offset: float) -> float:
    words = (values.double() / unit + offset).floor().clamp(0, 2**steps - 1)
    return float((words * unit - values.double().clamp(min=0)).square().mean())


@pytest.mark.parametrize("offset", [0.0, 0.5])
@pytest.mark.parametrize("steps", STEPS)
def test_least_squares_is_what_a_search_over_the_values_finds(steps: int, offset: float) -> None:
    values = activations(5)
    seen = observe(relu_network(5), values, per_channel=True)["relu"]
    units = least_squares_units(seen, 2**steps - 1, offset)
    for channel, unit in enumerate(units.tolist()):
        mine = values[:, channel]
        top = float(mine.max()) / (2**steps - 1)
        best = min(squared_error(mine, top * 0.97**power, steps, offset) for power in range(120))
        assert squared_error(mine, unit, steps, offset) <= 1.03 * best


@pytest.mark.parametrize("steps", STEPS)
def test_the_largest_activation_is_the_largest_word(steps: int) -> None:
    values = activations(3)
    network = relu_network(3)
    by_channel = largest_units(observe(network, values, per_channel=True)["relu"], 2**steps - 1)
    by_layer = largest_units(observe(network, values)["relu"], 2**steps - 1)
    assert torch.allclose(by_channel * (2**steps - 1), values.amax((0, 2)).double())
    assert torch.allclose(by_layer * (2**steps - 1), values.max().double())


def test_one_unit_for_the_layer_is_no_better_than_one_for_each_channel() -> None:
    values, network = activations(5), relu_network(5)
    own = least_squares_units(observe(network, values, per_channel=True)["relu"], 15, 0.5).tolist()
    (shared,) = least_squares_units(observe(network, values)["relu"], 15, 0.5).tolist()
    apart = [squared_error(values[:, channel], unit, 15, 0.5) for channel, unit in enumerate(own)]
    together = [squared_error(values[:, channel], shared, 15, 0.5) for channel in range(5)]
    assert sum(apart) < sum(together)
