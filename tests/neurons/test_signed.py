"""Signed neurons whose sum of spikes is bounded."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from respike.errors import InvalidOption
from respike.neurons import SignedIntegrateFire, State


@settings(max_examples=80, derandomize=True)
@given(quarters=st.lists(st.integers(-12, 12), min_size=1, max_size=12), most=st.integers(1, 5))
def test_drained_it_is_a_quantiser_of_so_many_levels(quarters: list[int], most: int) -> None:
    """In any order of arrival: `clip(floor(v0 + Σ input), 0, most)`, with a threshold of 1."""
    neuron, threshold = SignedIntegrateFire(most_total=most), torch.tensor(1.0)
    state: State = neuron.start(torch.tensor([0.5]))
    total = 0
    for current in [*quarters, *[0] * (sum(map(abs, quarters)) + 20)]:
        state, spikes = neuron.step(state, torch.tensor([current / 4]), threshold)
        total += int(spikes)
        assert 0 <= total <= most
        assert float(spikes) in (-1.0, 0.0, 1.0)
    assert total == min(max((2 + sum(quarters)) // 4, 0), most)


@settings(max_examples=40, derandomize=True)
@given(
    quarters=st.lists(st.integers(-12, 12), min_size=1, max_size=12),
    most=st.sampled_from([None, 1, 2]),
    start=st.booleans(),
)
def test_training_steps_as_it_runs(quarters: list[int], most: int | None, start: bool) -> None:
    """Also where a potential is exactly 0 or the threshold, as quarters often are."""
    neuron, threshold = SignedIntegrateFire(most_total=most), torch.tensor(1.0)
    plain: State = neuron.start(torch.tensor([0.5 if start else 0.0]))
    smooth = plain
    for current in (torch.tensor([quarter / 4]) for quarter in [*quarters, 0, 0, 0]):
        plain, spikes = neuron.step(plain, current, threshold)
        smooth, trained = neuron.fire_smoothly(smooth.charged(current), threshold, torch.sigmoid)
        assert torch.equal(spikes, trained)


def test_its_bound_is_1_at_least() -> None:
    with pytest.raises(InvalidOption, match="most_total=0"):
        SignedIntegrateFire(most_total=0)
