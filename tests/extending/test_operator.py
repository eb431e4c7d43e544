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
from respike.frontends.semantics.arithmetic import mul
from respike.frontends.semantics.call import Operand
from respike.frontends.semantics.shaping import unbind
from respike.frontends.torch.operators import OPERATORS as TORCH_OPERATORS


def product(call: Call, x: Operand, *_: object) -> Signal:
    """The product of two elements, along the last dimension."""
    first, second = unbind(call, x, -1)
    return mul(call, first, second)


class Product(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.prod(-1)


def sources() -> list[Any]:
    """The operator in three frameworks."""
    given = keras.Input((3, 2))
    product = keras.Model(given, keras.ops.prod(given, -1))
    return [Product().eval(), one("ReduceProd", (3, 2), torch.tensor([-1]), keepdims=0), product]


def test_one_function_and_a_line_in_each_table_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.linspace(-1, 1, 12).reshape(2, 3, 2)
    for source in sources():
        with pytest.raises(UnsupportedOperator, match="is not supported"):
            load(source, x)
    monkeypatch.setitem(TORCH_OPERATORS, torch.ops.aten.prod, product)
    monkeypatch.setitem(ONNX_OPERATORS, "ReduceProd", product)
    monkeypatch.setitem(OPERATIONS, "Prod", product)
    for source in sources():
        torch.testing.assert_close(load(source, x)(x), x.prod(-1))  # compared with the original, too
