"""Signed neurons whose sum of spikes is bounded."""

from __future__ import annotations

from dataclasses import replace

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


@pytest.mark.parametrize("unit", [0.5, 1.0, 4.0])
def test_each_sign_has_the_surrogate_s_derivative_around_its_own_threshold(unit: float) -> None:
    """In thresholds: `s'(v / θ - 1) / θ`, and `s'(-v / θ) / θ` too where something was sent that can be taken back."""
    neuron, threshold = SignedIntegrateFire(), torch.tensor(unit)
    potential = (unit * torch.linspace(-1.5, 2.5, 9)).requires_grad_()
    state = neuron.start(torch.zeros(9))
    for sent in (0.0, 1.0):
        spikes = neuron.fire_smoothly(replace(state, potential=potential, total=torch.full((9,), sent)), threshold,
                                      torch.sigmoid)[1]  # fmt: skip
        (found,) = torch.autograd.grad(spikes.sum(), potential)

        def slope(x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(x) * (1 - torch.sigmoid(x)) / unit

        ratio = potential.detach() / unit
        torch.testing.assert_close(found, slope(ratio - 1) + sent * slope(-ratio))


def test_its_bound_is_1_at_least() -> None:
    with pytest.raises(InvalidOption, match="most_total=0"):
        SignedIntegrateFire(most_total=0)
