"""Coarse-to-fine neurons: signed neurons where all weights are 1, and rounding where the whole input comes first."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from respike.errors import InvalidOption
from respike.neurons import CoarseToFine, Neuron, SignedIntegrateFire


def run(neuron: Neuron, currents: torch.Tensor, start: float = 0.5) -> torch.Tensor:
    """The amplitudes of units of 1, `[steps, …]`."""
    state, sent = neuron.start(torch.full_like(currents[0], start)), []
    for current in currents:
        state, amplitudes = neuron.step(state, current, torch.tensor(1.0, dtype=currents.dtype))
        sent.append(amplitudes)
    return torch.stack(sent)


@pytest.mark.parametrize("bound", [None, 3])
def test_with_weights_of_one_it_is_the_signed_neuron(bound: int | None) -> None:
    currents = torch.randn(40, 500, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    wanted = run(SignedIntegrateFire(bound), currents)
    assert torch.equal(run(CoarseToFine((1,), bound), currents), wanted)
    assert bool((wanted < 0).any())


@settings(max_examples=50, derandomize=True, deadline=None)
@given(bits=st.integers(1, 8), bounded=st.booleans(), again=st.integers(1, 3))
def test_powers_of_two_round_a_whole_input_to_the_nearest(bits: int, bounded: bool, again: int) -> None:
    weights = tuple(2**place for place in reversed(range(bits)) for _ in range(again))
    largest = 2**bits - 1
    values = torch.arange(-8.0, 8.0 * largest * (2 if bounded else 1) + 1, dtype=torch.float64) / 8
    currents = torch.zeros(len(weights), len(values), dtype=torch.float64)
    currents[0] = values
    sent = run(CoarseToFine(weights, largest if bounded else None), currents)
    assert torch.equal(sent.sum(0), (values + 0.5).floor().clamp(0, largest))
    assert bool((sent.cumsum(0) >= 0).all())


def test_what_is_sent_follows_an_input_that_changes_while_weights_last() -> None:
    weights = (8, 8, 4, 4, 2, 2, 1, 1)
    currents = torch.zeros(8, 3, dtype=torch.float64)
    currents[0], currents[1], currents[3] = 11.0, torch.tensor([-7.0, 4.0, 0.0]), torch.tensor([0.0, -3.0, 2.0])
    assert run(CoarseToFine(weights), currents).sum(0).tolist() == [4.0, 12.0, 13.0]


def test_what_it_is() -> None:
    neuron = CoarseToFine((6, 3, 1), 9)
    assert (neuron.most, neuron.most_in_all, neuron.signed, neuron.graded) == (6, 9, True, True)
    assert neuron.spikes_sent(torch.tensor([6.0, 0.0, -3.0])).tolist() == [1, 0, 1]
    for weights in ((), (1, 2), (2, 0)):
        with pytest.raises(InvalidOption, match="weights of 1 or more that do not rise"):
            CoarseToFine(weights)
    with pytest.raises(InvalidOption, match="most_total=0"):
        CoarseToFine((1,), 0)
