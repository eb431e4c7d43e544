"""An operator of one's own, written once and named in each frontend's table, loads from PyTorch, ONNX and Keras."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from frontends.keras_models import keras
from frontends.onnx_models import one
from respike import load
from respike.errors import UnsupportedOperator
from respike.frontends.keras.layers import OPERATIONS
from respike.frontends.onnx.operators import OPERATORS as ONNX_OPERATORS
from respike.frontends.semantics import Call, Signal
from respike.frontends.semantics.arithmetic import affine
from respike.frontends.semantics.call import Operand, anywhere
from respike.frontends.torch.operators import OPERATORS as TORCH_OPERATORS


def lower_triangle(call: Call, x: Operand) -> Signal:
    """The elements on the diagonal of the last two dimensions and below it; zeros elsewhere."""
    source = anywhere(x)
    return affine(call, source, torch.ones(source.shape[-2:]).tril(), 0.0)


class Triangle(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tril(x)


def sources() -> list[Any]:
    """The operator in three frameworks."""
    given = keras.Input((3, 4))
    return [Triangle().eval(), one("Trilu", (3, 4), upper=0), keras.Model(given, keras.ops.tril(given))]


def test_one_function_and_a_line_in_each_table_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.linspace(-1, 1, 24).reshape(2, 3, 4)
    for source in sources():
        with pytest.raises(UnsupportedOperator, match="is not supported"):
            load(source, x)
    monkeypatch.setitem(TORCH_OPERATORS, torch.ops.aten.tril, lower_triangle)
    monkeypatch.setitem(ONNX_OPERATORS, "Trilu", lower_triangle)
    monkeypatch.setitem(OPERATIONS, "Tril", lower_triangle)
    for source in sources():
        torch.testing.assert_close(load(source, x)(x), x.tril())  # compared with the original, too
