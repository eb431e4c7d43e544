"""Canonic few-spikes neurons, against the non-adjacent form by division."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from respike.neurons import CanonicFewSpikes, FewSpikes


def non_adjacent_form(number: int) -> list[int]:
    """The digits, the lowest first: an odd number takes the digit that leaves a multiple of four."""
    digits = []
    while number:
        digit = 2 - number % 4 if number % 2 else 0
        digits.append(digit)
        number = (number - digit) // 2
    return digits


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 10])
def test_spikes_are_the_digits_of_the_non_adjacent_form(steps: int) -> None:
    _, spikes, delivered = CanonicFewSpikes(steps).fire_window(torch.arange(2.0**steps), torch.tensor(1.0))
    assert torch.equal(delivered, torch.arange(2.0**steps))
    for number in range(2**steps):
        wanted = non_adjacent_form(number)
        if len(wanted) <= steps:
            wanted += [0] * (steps - len(wanted))
            assert spikes[:, number].tolist() == wanted[::-1]


@pytest.mark.parametrize("steps", [2, 3, 4, 5])
def test_no_signed_code_of_so_many_steps_has_fewer(steps: int) -> None:
    fewest = np.full(2**steps, steps + 1)
    for digits in itertools.product((-1, 0, 1), repeat=steps):
        number = sum(digit << place for place, digit in enumerate(digits))
        if number >= 0:
            fewest[number] = min(fewest[number], sum(map(abs, digits)))
    _, spikes, _ = CanonicFewSpikes(steps).fire_window(torch.arange(2.0**steps), torch.tensor(1.0))
    assert spikes.abs().sum(0).tolist() == fewest.tolist()


@settings(max_examples=200, derandomize=True)
@given(steps=st.integers(1, 12), unit=st.floats(1e-3, 1e3), value=st.floats(-10, 5000), whole=st.booleans())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_are_those_of_few_spikes(dtype: torch.dtype, steps: int, unit: float, value: float, whole: bool) -> None:
    threshold = torch.tensor(unit, dtype=dtype)
    potential = torch.tensor([round(value) * unit if whole else value * unit], dtype=dtype)
    _, spikes, delivered = CanonicFewSpikes(steps).fire_window(potential, threshold)
    _, ones, _ = FewSpikes(steps).fire_window(potential, threshold)
    quotient = Fraction(float(potential)) / Fraction(float(threshold))
    assert float(delivered) == min(max(quotient.numerator // quotient.denominator, 0), 2**steps - 1)
    if abs(quotient - round(quotient)) > 1e-5:  # where products of the unit are rounded to, either form may come out
        assert float(spikes.abs().sum()) <= float(ones.sum())


def test_a_spread_of_values_takes_a_tenth_fewer_spikes() -> None:
    values = -255 / 8 * torch.linspace(1.0, 1e-4, 4001).log()
    sent = [
        float(neuron.fire_window(values, torch.tensor(1.0))[1].abs().sum())
        for neuron in (CanonicFewSpikes(8), FewSpikes(8))
    ]
    assert sent[0] < 0.9 * sent[1]
