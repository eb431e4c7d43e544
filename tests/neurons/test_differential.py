"""Differential neurons: rounding to the nearest that follows its input, and the fewest signed digits for a number."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from respike.errors import InvalidOption
from respike.ir import Identity, ReLU
from respike.neurons import Differential, MultiThreshold, Neuron


def run(neuron: Neuron, currents: torch.Tensor, start: float = 0.5) -> torch.Tensor:
    """The amplitudes of units of 1, `[steps, …]`."""
    state, sent = neuron.start(torch.full_like(currents[0], start)), []
    for current in currents:
        state, amplitudes = neuron.step(state, current, torch.tensor(1.0, dtype=currents.dtype))
        sent.append(amplitudes)
    return torch.stack(sent)


def drawn(steps: int, size: float) -> torch.Tensor:
    """Currents that change in every step, by less and less."""
    noise = torch.randn(steps, 400, generator=torch.Generator().manual_seed(steps), dtype=torch.float64)
    return size * noise / torch.arange(1, steps + 1).reshape(-1, 1) ** 2


@settings(max_examples=30, derandomize=True, deadline=None)
@given(bits=st.integers(1, 8), exponents=st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_what_was_sent_is_nearest_to_the_input_so_far_wherever_a_step_reaches_it(
    bits: int, exponents: list[int]
) -> None:
    weights = tuple(2**exponent for exponent in sorted(exponents, reverse=True))
    currents = drawn(len(weights), 2.0**bits)
    sent = run(Differential(bits, weights), currents).cumsum(0)
    for step, weight in enumerate(weights):
        before = sent[step - 1] if step else torch.zeros_like(sent[0])
        number = (sent[step] - before) / weight
        assert torch.equal(number, number.round())
        reached = number.abs() < 2**bits - 1
        assert float((sent[step] - currents[: step + 1].sum(0))[reached].abs().max()) <= weight / 2


def test_with_one_bit_and_weights_of_one_it_sends_one_spike_of_either_sign() -> None:
    currents = torch.tensor([[0.6, -0.6, 3.0, -2.0], [0.2, 0.0, 0.0, 5.0], [0.0, 0.4, -3.0, 0.0]], dtype=torch.float64)
    assert run(Differential(1, (1,)), currents).tolist() == [
        [1.0, -1.0, 1.0, -1.0],
        [0.0, 0.0, 1.0, 1.0],
        [0.0, 1.0, -1.0, 1.0],
    ]


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_from_zero_up_with_weights_of_one_it_is_the_multi_threshold_neuron(bits: int) -> None:
    currents = torch.randn(30, 300, generator=torch.Generator().manual_seed(bits), dtype=torch.float64) * 2.0**bits
    assert torch.equal(run(Differential(bits, (1,), 0), currents), run(MultiThreshold(bits), currents))


def test_bounds_hold_in_every_step() -> None:
    currents = drawn(6, 30.0)
    sent = run(Differential(3, (4, 2, 2, 1, 1, 1), 0, 17), currents).cumsum(0)
    assert (float(sent.min()), float(sent.max())) == (0.0, 17.0)
    settled = currents.sum(0).clamp(0, 17)
    assert float((sent[-1] - settled).abs().quantile(0.9)) <= 0.5


def test_spikes_are_the_fewest_signed_powers_of_two() -> None:
    neuron = Differential(5, (4, 1))
    fewest = dict.fromkeys(range(-124, 125), 99)
    for digits in product((-1, 0, 1), repeat=8):
        value = sum(digit << place for place, digit in enumerate(digits))
        if value in fewest:
            fewest[value] = min(fewest[value], sum(map(abs, digits)))
    found = neuron.spikes_sent(torch.arange(-124.0, 125.0))
    assert found.tolist() == list(fewest.values())


def test_what_it_is() -> None:
    assert (Differential(3, (4, 1)).most, Differential(3, (4, 1)).signed) == (28, True)
    assert (Differential().computes, Differential(least_total=0).computes) == (Identity(), ReLU())
    assert Differential(2, (1,), 0, 9).most_in_all == 9
    for wrong, message in (
        ({"bits": 0}, "1 to 8 bits"),
        ({"bits": 9}, "1 to 8 bits"),
        ({"weights": ()}, "powers of two"),
        ({"weights": (3, 1)}, "powers of two"),
        ({"weights": (1, 2)}, "powers of two"),
        ({"least_total": 1}, "bounded by 0 below"),
        ({"most_total": 0}, "bounded by 0 below"),
    ):
        with pytest.raises(InvalidOption, match=message):
            Differential(**wrong)
