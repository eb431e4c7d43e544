"""Laws of all neurons: what is counted, and what more steps of their own give."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from neuron_samples import ALL, WINDOWED
from respike.errors import InvalidOption
from respike.neurons import (
    CanonicFewSpikes,
    FewSpikes,
    LevelSpikes,
    MultiThreshold,
    Neuron,
    SignedDigits,
    TimeToFirstSpike,
)


@pytest.mark.parametrize("neuron", ALL, ids=str)
def test_spikes_are_counted_where_something_is_sent_and_nowhere_else(neuron: Neuron) -> None:
    state, sent = neuron.start(torch.zeros(5, dtype=torch.float64)), []
    for _ in range(neuron.window or 12):
        if neuron.window is None or state.step == 0:
            state = state.charged(torch.tensor([-1.3, 0.0, 0.4, 1.1, 7.0], dtype=torch.float64))
        state, amplitudes = neuron.fire(state, torch.tensor(1.0, dtype=torch.float64))
        sent.append(amplitudes)
    amplitudes = torch.stack(sent)
    counted = neuron.spikes_sent(amplitudes)
    assert bool(amplitudes.any())
    assert torch.equal(counted > 0, amplitudes != 0)
    assert not bool((counted < 0).any())


def _largest_error(neuron: Neuron, values: torch.Tensor, unit: float) -> float:
    _, _, delivered = neuron.fire_window(values, torch.tensor(unit, dtype=torch.float64))
    return float((unit * delivered - values).abs().max())


@pytest.mark.parametrize("neuron", [one for one in WINDOWED if one.finer(2) is not None], ids=str)
def test_two_bits_more_leave_half_the_error_at_most(neuron: Neuron) -> None:
    finer = neuron.finer(2)
    assert finer is not None
    values = torch.linspace(0, 0.98 * neuron.largest, 1001, dtype=torch.float64)
    assert _largest_error(finer, values, 0.25) <= 0.5 * _largest_error(neuron, values, 1.0)


# The kinds that have one whole number from 1 on.
MOST: dict[Callable[[int], Neuron], int] = {
    FewSpikes: 24,
    CanonicFewSpikes: 24,
    SignedDigits: 24,
    LevelSpikes: 2**24 - 1,
    TimeToFirstSpike: 8,
    MultiThreshold: 8,
}


@pytest.mark.parametrize(("kind", "most"), MOST.items())
def test_its_number_is_from_1_to_the_most_that_the_message_says(kind: Callable[[int], Neuron], most: int) -> None:
    for number in (1, most):
        assert kind(number).describe()
    for number in (0, most + 1):
        with pytest.raises(InvalidOption, match=f"has 1 to {most:,} .* {number}$"):
            kind(number)


@pytest.mark.parametrize("kind", [FewSpikes, CanonicFewSpikes, SignedDigits, TimeToFirstSpike])
def test_it_grows_finer_up_to_its_most(kind: Callable[[int], Neuron]) -> None:
    most = MOST[kind]
    assert kind(most - 2).finer(2) == kind(most)
    assert kind(most - 1).finer(2) is None
