"""Neurons of signed digits, against rounding and the non-adjacent form by division."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from respike.ir import Identity
from respike.neurons import CanonicFewSpikes, SignedDigits


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 10])
def test_both_signs_have_the_digits_of_canonic_neurons(steps: int) -> None:
    grid = torch.arange(2.0**steps)
    _, wanted, _ = CanonicFewSpikes(steps).fire_window(grid, torch.tensor(1.0))
    for sign in (1, -1):
        _, spikes, delivered = SignedDigits(steps).fire_window(sign * grid, torch.tensor(1.0))
        assert torch.equal(delivered, sign * grid)
        assert torch.equal(spikes.abs().sum(0), wanted.abs().sum(0))


@settings(max_examples=200, derandomize=True)
@given(steps=st.integers(1, 12), unit=st.floats(1e-3, 1e3), value=st.floats(-5000, 5000), whole=st.booleans())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_rounds_down_and_is_clipped_on_both_sides(
    dtype: torch.dtype, steps: int, unit: float, value: float, whole: bool
) -> None:
    threshold = torch.tensor(unit, dtype=dtype)
    potential = torch.tensor([round(value) * unit if whole else value * unit], dtype=dtype)
    _, spikes, delivered = SignedDigits(steps).fire_window(potential, threshold)
    quotient, top = Fraction(float(potential)) / Fraction(float(threshold)), 2**steps - 1
    if abs(quotient - round(quotient)) > 1e-5 or quotient == round(quotient):
        assert float(delivered) == min(max(quotient.numerator // quotient.denominator, -top), top)
    assert float(spikes.abs().sum()) <= (steps + 1) // 2 + (abs(quotient) > 2 ** (steps + 1) / 3) * steps


def test_what_it_is() -> None:
    neuron = SignedDigits(4)
    assert neuron.computes == Identity()
    assert neuron.signed
    assert neuron.finer(2) == SignedDigits(6)
    assert neuron.smooth(torch.tensor([-99.0, -3.5, 99.0])).tolist() == [-16.0, -3.5, 16.0]
