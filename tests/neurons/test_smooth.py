"""Laws of neurons in training: forward they are the neurons themselves, backward their equations' derivatives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from neuron_samples import ALL, STEPPED
from respike.neurons import IntegrateFire, Neuron, Subtract, ToValue
from respike.training.surrogates import FastSigmoid, Sigmoid, Triangle

SURROGATES = (Triangle(), Triangle(0.5), Sigmoid(), FastSigmoid())
BY_THRESHOLD = [IntegrateFire(Subtract()), IntegrateFire(ToValue(0.0)), IntegrateFire(ToValue(-0.25))]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    neuron=st.sampled_from(STEPPED),
    potentials=st.lists(st.floats(-4, 4), min_size=1, max_size=10),
    threshold=st.floats(0.1, 3),
    surrogate=st.sampled_from(SURROGATES),
)
def test_forward_they_fire_as_they_do(
    neuron: Neuron, potentials: list[float], threshold: float, surrogate: Sigmoid
) -> None:
    level = torch.tensor(threshold, dtype=torch.float64)
    state = neuron.start(torch.tensor(potentials, dtype=torch.float64))
    for current in (0.0, 0.7, -0.2):
        state = state.charged(torch.tensor(current))
        exact, sent = neuron.fire(state, level)
        smooth, told = neuron.fire_smoothly(state, level, surrogate)
        assert torch.equal(sent, told)
        assert torch.allclose(exact.potential, smooth.potential, rtol=1e-12, atol=1e-12)
        assert exact.step == smooth.step
        state = exact


def _derivative(function: Triangle | Sigmoid | FastSigmoid, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    neuron=st.sampled_from(BY_THRESHOLD),
    potential=st.floats(-4, 4),
    threshold=st.floats(0.1, 3),
    surrogate=st.sampled_from(SURROGATES),
)
def test_integrate_and_fire_has_the_surrogate_s_derivative(
    neuron: IntegrateFire, potential: float, threshold: float, surrogate: Sigmoid
) -> None:
    """`dz/dv = S'(v/θ - 1) / θ`; subtracting `dv'/dv = 1 - θ dz/dv`; to a value r `dv'/dv = 1 - z + (r - v) dz/dv`."""
    level = torch.tensor(threshold, dtype=torch.float64)
    v = torch.tensor([potential], dtype=torch.float64, requires_grad=True)
    after, spikes = neuron.fire_smoothly(neuron.start(v), level, surrogate)
    (by_spikes,) = torch.autograd.grad(spikes.sum(), v, retain_graph=True)
    (by_left,) = torch.autograd.grad(after.potential.sum(), v)
    slope = _derivative(surrogate, v.detach() / level - 1) / level
    z = float(potential >= threshold)
    reset = neuron.reset
    left = 1 - level * slope if isinstance(reset, Subtract) else 1 - z + (reset.value - v.detach()) * slope
    assert torch.allclose(by_spikes, slope)
    assert torch.allclose(by_left, left)


@pytest.mark.parametrize("neuron", [one for one in ALL if type(one).fire_smoothly is Neuron.fire_smoothly])
def test_the_others_pass_derivatives_straight_through(neuron: Neuron) -> None:
    """`da/dv = smooth'(v/θ) / θ`, and `dv'/dv = 1 - θ da/dv`."""
    level = torch.tensor(0.4, dtype=torch.float64)
    v = torch.linspace(-3, 3, 13, dtype=torch.float64, requires_grad=True)
    after, amplitudes = neuron.fire_smoothly(neuron.start(v), level, Sigmoid())
    (by_sent,) = torch.autograd.grad(amplitudes.sum(), v, retain_graph=True)
    (by_left,) = torch.autograd.grad(after.potential.sum(), v)
    units = (v.detach() / level).requires_grad_()
    (slope,) = torch.autograd.grad(neuron.smooth(units).sum(), units)
    assert torch.allclose(by_sent, slope / level)
    assert torch.allclose(by_left, 1 - slope)


def test_a_hard_reset_leads_to_zero_unless_another_value_is_given() -> None:
    assert ToValue() == ToValue(0.0)
