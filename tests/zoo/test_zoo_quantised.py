"""Activations with few values are the formula of their paper, and pass gradients as it says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from respike.errors import InvalidOption
from respike.zoo.networks import fit_cnn
from respike.zoo.quantised import QCFS
from respike.zoo.residual import cifar_resnet


@given(st.integers(1, 16), st.sampled_from([0.25, 0.5, 1.0, 2.0, 8.0]), st.integers(-64, 200))
def test_it_has_the_values_of_the_formula(levels: int, top: float, at: int) -> None:
    x = torch.tensor(at / 16, dtype=torch.float64)
    wanted = top / levels * torch.clip(torch.floor(x * levels / top + 0.5), 0, levels)
    assert torch.isclose(QCFS(levels, top).double()(x), wanted, rtol=1e-12)


@given(st.integers(1, 16), st.floats(0.1, 8.0), st.floats(-4.0, 12.0))
def test_gradients_pass_over_the_rounding(levels: int, top: float, at: float) -> None:
    activation = QCFS(levels, top).double()
    assume(abs(at) > 1e-3 and abs(at - top) > 1e-3)  # the derivative jumps there
    x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    y = activation(x)
    torch.autograd.backward(y)
    inside, share = 0 < at < top, float(y.detach()) / top - min(max(at / top, 0.0), 1.0)
    assert x.grad is not None
    assert activation.top.grad is not None
    assert float(x.grad) == pytest.approx(float(inside))
    assert float(activation.top.grad) == pytest.approx(share if inside else float(at >= top), abs=1e-6)


def test_networks_take_it_in_the_place_of_each_relu() -> None:
    for network, count in ((cifar_resnet(8, activation=lambda: QCFS(4)), 7), (fit_cnn(lambda: QCFS(8)), 2)):
        found = [module for module in network.modules() if isinstance(module, QCFS)]
        assert len({id(module.top) for module in found}) == count
        assert not any(isinstance(module, nn.ReLU) for module in network.modules())


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(InvalidOption, match="at least 1 level"):
        QCFS(0)
    with pytest.raises(InvalidOption, match="positive clip"):
        QCFS(4, top=0.0)
