"""Phase neurons, against an independent loop in whole numbers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from respike.errors import InvalidOption
from respike.neurons import FewSpikes, PhaseCoded


@settings(max_examples=60, derandomize=True)
@given(
    charges=st.lists(st.integers(-20, 400), min_size=1, max_size=30),
    phases=st.integers(1, 6),
    periods=st.integers(1, 4),
)
def test_spikes_are_those_of_whole_numbers(charges: list[int], phases: int, periods: int) -> None:
    neuron = PhaseCoded(phases, periods)
    left, spikes, delivered = neuron.fire_window(torch.tensor(charges).double() / 8, torch.tensor(0.125).double())
    for index, charge in enumerate(charges):
        rest, sent = charge, []
        for step in range(phases * periods):
            worth = 1 << (phases - 1 - step % phases)
            sent.append(int(rest >= worth))
            rest -= worth * sent[-1]
        assert spikes[:, index].tolist() == sent
        assert 8 * float(left[index]) == rest
        assert float(delivered[index]) == min(max(charge, 0), periods * (2**phases - 1))


def test_one_period_is_few_spikes() -> None:
    assert PhaseCoded(5).coefficients == FewSpikes(5).coefficients
    assert PhaseCoded(5).largest == 31


@pytest.mark.parametrize(("phases", "periods"), [(1, 1), (24, 1), (8, 3), (1, 24)])
def test_the_shortest_and_the_longest_window(phases: int, periods: int) -> None:
    assert PhaseCoded(phases, periods).window == phases * periods


def test_a_window_is_a_byte_unless_said() -> None:
    assert PhaseCoded() == PhaseCoded(8, 1)


@pytest.mark.parametrize(("phases", "periods"), [(0, 1), (1, 0), (9, 3), (25, 1)])
def test_its_window_has_1_to_24_steps(phases: int, periods: int) -> None:
    with pytest.raises(InvalidOption, match=f"24 steps at most, got phases={phases}, periods={periods}"):
        PhaseCoded(phases, periods)
