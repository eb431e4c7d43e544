"""Neurons of fitted digits: what they deliver, and what they refuse."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from respike.errors import InvalidOption
from respike.ir import Identity
from respike.neurons import FittedDigits, SignedDigits

NUMBERS = st.integers(1, 6).flatmap(
    lambda steps: st.tuples(*[st.lists(st.floats(0.1, 10), min_size=steps, max_size=steps).map(tuple)] * 2)
)


@settings(max_examples=30, derandomize=True, deadline=None)
@given(numbers=NUMBERS, unit=st.floats(0.1, 4))
def test_what_is_sent_and_what_is_left_are_the_value(
    numbers: tuple[tuple[float, ...], tuple[float, ...]], unit: float
) -> None:
    neuron, values = FittedDigits(*numbers), torch.linspace(-30, 30, 97).double()
    left, spikes, delivered = neuron.fire_window(values, torch.tensor(unit).double())
    assert torch.allclose(unit * delivered + left, values)
    assert torch.allclose(torch.tensordot(torch.tensor(neuron.worth).double(), spikes, 1), delivered)
    _, opposite, _ = neuron.fire_window(-values, torch.tensor(unit).double())
    assert torch.equal(opposite, -spikes)


def test_powers_of_two_round_as_signed_digits_do() -> None:
    """Thresholds half way between what the digits left can reach on either side, so ties aside."""
    worth = (8.0, 4.0, 2.0, 1.0)
    neuron = FittedDigits(tuple(2 * each // 3 + 0.5 for each in worth), worth)
    values = torch.linspace(-16.3, 16.3, 1001).double()
    _, spikes, delivered = neuron.fire_window(values, torch.ones(()).double())
    _, wanted_spikes, wanted = SignedDigits(4).fire_window(values + 0.5, torch.ones(()).double())
    assert torch.equal(delivered, wanted)
    assert torch.equal(spikes, wanted_spikes)


def test_what_is_exactly_at_a_threshold_sends_upward_alone() -> None:
    potentials = torch.tensor([3.0, -3.0], dtype=torch.float64)
    _, spikes, _ = FittedDigits((1.5,), (2.0,)).fire_window(potentials, torch.tensor(2.0).double())
    assert spikes.tolist() == [[1.0, 0.0]]


def test_it_stands_for_the_identity_of_any_value() -> None:
    neuron = FittedDigits((1.0, 0.4), (2.0, 0.7))
    assert neuron.computes == Identity()
    assert neuron.signed
    assert neuron.domain == (-torch.inf, torch.inf)
    assert neuron.finer(1) is None
    assert neuron.largest == pytest.approx(2.7)
    assert neuron.smooth(torch.tensor([-5.0, 1.0, 5.0])).tolist() == pytest.approx([-2.7, 1.0, 2.7])
    assert neuron.describe() == "signed few-spikes neurons with fitted digits"


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (((), ()), "1 to 24 thresholds and as many values, not 0 and 0"),
        (((1.0,), (1.0, 2.0)), "1 to 24 thresholds and as many values, not 1 and 2"),
        (((0.0,), (1.0,)), "must be above 0"),
        (((1.0,), (float("inf"),)), "must be above 0"),
    ],
)
def test_bad_digits_are_refused(numbers: tuple[tuple[float, ...], tuple[float, ...]], message: str) -> None:
    with pytest.raises(InvalidOption, match=re.escape(message)):
        FittedDigits(*numbers)
