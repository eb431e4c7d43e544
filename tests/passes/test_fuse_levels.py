"""Roundings between scales and clamps are quantised activations, however they are written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from frontends.torch_models import Function
from respike import load
from respike.errors import InvalidNetwork, UnsupportedOperator
from respike.ir import Activation, Network, QuantisedReLU
from respike.zoo.quantised import QCFS

Written = Callable[[Tensor], Tensor]


def read(function: Written, x: Tensor) -> Network:
    network = load(Function(lambda m, x: function(x)).double(), x)
    wanted = function(x)
    assert torch.allclose(network(x), wanted, atol=1e-9)
    return network


def activation(network: Network) -> QuantisedReLU:
    (found,) = (node.function for node in network.nodes if isinstance(node, Activation))
    assert isinstance(found, QuantisedReLU)
    return found


def straight_through(x: Tensor, q: Tensor) -> Tensor:
    return x + (q - x).detach()


def four(x: Tensor) -> Tensor:
    return (x * 4).round().clamp(0, 8) / 4


ALIKE: dict[str, Written] = {
    "clamp in front": lambda x: ((x / 2).clamp(0, 1) * 8 + 0.5).floor() / 8 * 2,
    "clamp behind": lambda x: (x * 4).round().clamp(0, 8) / 4,
    "clamps on both sides": lambda x: (torch.relu(x) * 4).round().clamp(max=8) / 4,
    "minimum": lambda x: (torch.minimum(torch.relu(x), torch.tensor(2.0)) * 4).round() / 4,
    "straight through": lambda x: straight_through(x, (x * 4).round().clamp(0, 8) / 4),
    "straight through the rounding": lambda x: straight_through(y := (x * 4).clamp(0, 8), y.round()) / 4,
    "straight through, less": lambda x: x - (x - (x * 4).round().clamp(0, 8) / 4).detach(),
    "floor division": lambda x: torch.div((x + 0.125).clamp(0, 2.125), 0.25, rounding_mode="floor") * 0.25,
    "decimals": lambda x: ((x * 4).clamp(0, 8) / 10).round(decimals=1) * 2.5,
    "rounded twice": lambda x: four(four(x).reshape(-1, 2, 4)).reshape(-1, 8),
}


@pytest.mark.parametrize("written", ALIKE.values(), ids=ALIKE)
def test_one_activation_in_many_spellings(written: Written) -> None:
    x = torch.linspace(-1.03, 3.01, 80).double().reshape(10, 8)
    network = read(written, x)
    found = activation(network)
    assert (found.levels, found.offset) == (8, 0.5)
    assert found.ceiling == pytest.approx(2.0)
    assert len(network.nodes) <= 4  # the input, the activation, and reshapes: no scale is left


@settings(max_examples=10, deadline=None)
@given(
    scale=st.floats(0.2, 5.0),
    shift=st.floats(-2.0, 2.0),
    low=st.integers(-9, 3),
    levels=st.integers(1, 300),
    down=st.booleans(),
    in_front=st.booleans(),
)
def test_any_evenly_spaced_values(
    scale: float, shift: float, low: int, levels: int, down: bool, in_front: bool
) -> None:
    """Signed ranges, zero points, offsets: `s · n + t` with `n = clip(floor(a x + b), low, low + levels)`."""
    rounding = torch.floor if down else torch.ceil

    def written(x: Tensor) -> Tensor:
        inner = x * scale + shift
        if in_front:
            return rounding(inner.clamp(low, low + levels)) * 0.3 - 1.0
        return rounding(inner).clamp(low, low + levels) * 0.3 - 1.0

    x = torch.linspace(-3 + low, 3 + low + levels, 500, dtype=torch.float64).reshape(20, 25) / scale
    inner = x * scale + shift
    x = torch.where((inner - inner.round()).abs() < 1e-3, x + 2e-3 / scale, x)  # not at a step, up to rounding
    assert activation(read(written, x)).levels == levels


def test_scales_of_each_channel() -> None:
    scale = torch.tensor([0.1, 0.25, 0.7]).double().reshape(3, 1)
    network = read(lambda x: (x / scale).clamp(0, 15).round() * scale, torch.randn(40, 3, 2).double() * 5)
    assert activation(network) == QuantisedReLU(15.0, 15)  # the channels' scales stay beside it


@pytest.mark.parametrize("channel", [0, 1])
def test_what_is_added_or_multiplied_in_one_channel_alone_stays(channel: int) -> None:
    one = torch.zeros(2).double()
    one[channel] = 1.0
    x = torch.linspace(-1.03, 9.51, 80).double().reshape(40, 2)
    for written in (
        lambda x: x.clamp(0, 8).round() + one,
        lambda x: x.clamp(0, 8).round() * (1 + one),
        lambda x: (x + one).clamp(0, 8).round(),
        lambda x: (x * (1 + one)).clamp(0, 8).round(),
    ):
        assert activation(read(written, x)).levels == 8


@pytest.mark.parametrize(
    "written",
    [
        lambda x: (x.clamp(0, 2) * torch.tensor([1.0, 2.0]).double()).round().clamp(0, 3),
        lambda x: (x.clamp(0, 2) * 2 + torch.tensor([0.0, 1.0]).double()).round().clamp(0, 4),
        lambda x: (x.clamp(-1, 9).round() * torch.tensor([1.0, 2.0]).double()).clamp(0, 6),
        lambda x: (x.clamp(-1, 9).round() + torch.tensor([0.0, 2.0]).double()).clamp(0, 6),
        lambda x: (x.clamp(-1, 9).round() * torch.tensor([1.0, -1.0]).double()).clamp(0, 6),
    ],
)
def test_clamps_that_are_others_for_each_channel_are_not_taken_for_one(written: Written) -> None:
    read(written, torch.linspace(-3.03, 9.51, 80).double().reshape(40, 2))


@pytest.mark.parametrize(
    "written",
    [
        lambda x: x + (four(x) - (x + torch.tensor([0.0, 1.0]).double())),
        lambda x: x + (four(x) - x * torch.tensor([1.0, 2.0]).double()),
        lambda x: x + (four(x) - 2 * x),
        lambda x: x + (four(x) - x) + x,
        lambda x: 2 * x + 2 * (four(x) - x),  # it is one, in other words
    ],
)
def test_sums_that_do_not_cancel_are_no_straight_through_estimators(written: Written) -> None:
    read(written, torch.linspace(-1.03, 3.01, 80).double().reshape(40, 2))


def test_what_another_reads_on_the_way_stays() -> None:
    def written(x: Tensor) -> Tensor:
        steps = (x * 4).round().clamp(0, 8)
        return steps / 4 + torch.relu(steps - 3.0)

    read(written, torch.randn(10, 8).double())


REFUSED: list[tuple[Written, str, Written]] = [
    (lambda x: torch.relu(x * 8).round() / 8, "clamp what it rounds", lambda x: (x * 8).clamp(0, 8).round() / 8),
    (lambda x: (x * 8).round() / 8, "leave the rounding out", lambda x: (x * 8) / 8),
    (
        lambda x: (x * 8).round().clamp(0, 6.5),
        "clamp at 6 or 7 of them, or in front",
        lambda x: (x * 8).round().clamp(0, 7),
    ),
    (lambda x: (x * 0.1).clamp(0, 0.4).round(), "widen the clamp", lambda x: (x * 0.1).clamp(0, 1.4).round()),
]


@pytest.mark.parametrize(("refused", "reason", "mended"), REFUSED)
def test_what_no_levels_describe_is_refused_with_what_works(refused: Written, reason: str, mended: Written) -> None:
    x = torch.randn(10, 8).double()
    with pytest.raises(UnsupportedOperator, match=reason):
        read(refused, x)
    read(mended, x)


def test_a_network_of_quantised_activations_loads_in_float32() -> None:
    """Where a value stands at a step up to rounding, original and network may differ by it; then both go on alike."""
    torch.manual_seed(0)
    layers = [layer for _ in range(4) for layer in (nn.Linear(64, 64), nn.BatchNorm1d(64), QCFS(8, 0.5))]
    network = load(nn.Sequential(*layers, nn.Linear(64, 4)).eval(), torch.randn(2000, 64))
    assert [node.function for node in network.activations] == [QuantisedReLU(0.5, 8)] * 4


def test_numbers_out_of_range() -> None:
    for bad in ({"ceiling": float("inf")}, {"levels": 0}, {"offset": 1.0}):
        with pytest.raises(InvalidNetwork, match="a quantised ReLU has"):
            QuantisedReLU(**bad)
