"""What a file computes before it is read is bounded, and computed by a list of operators."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn

from frontends.onnx_models import written
from frontends.torch_models import Function
from respike import load
from respike.errors import UnsupportedOperator
from respike.frontends.constants import EVALUATED, LARGEST, Allowance
from respike.frontends.semantics import Refused


def test_the_dense_layers_of_vgg_19_fit() -> None:
    allowance = Allowance(held=0)
    for shape in ((25088, 4096), (4096, 4096), (4096, 1000)):
        allowance.take(shape)
    with pytest.raises(Refused, match=r"computes a constant of 268435456 elements.*store it as a weight"):
        allowance.take((LARGEST,))


def test_a_model_may_compute_more_that_holds_more() -> None:
    Allowance(held=2**26).take((LARGEST, 2))


def test_small_programs_cannot_compute_large_constants(tmp_path: Path) -> None:
    class Large(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.zeros(2**15).unsqueeze(0).expand(2**15, 2**15).mean()

    program = torch.export.export(Large().eval(), (torch.rand(2, 3),))
    torch.export.save(program, tmp_path / "large.pt2")
    assert (tmp_path / "large.pt2").stat().st_size < 20_000
    with pytest.raises(UnsupportedOperator, match=r"expand.*computes a constant of 1073741824 elements"):
        load(tmp_path / "large.pt2")


def test_operators_that_are_not_on_the_list_are_not_run() -> None:
    with pytest.raises(UnsupportedOperator, match=r"j0.*is not evaluated; keep its result as a buffer"):
        load(Function(lambda m, x: x + torch.special.bessel_j0(m.get_buffer("constant").flatten())), torch.rand(2, 4))
    load(Function(lambda m, x: x + m.get_buffer("constant").flatten()), torch.rand(2, 4))


def test_what_is_evaluated_draws_no_numbers() -> None:
    drawing = {"rand", "randn", "randint", "bernoulli", "normal", "dropout", "multinomial", "rrelu", "randperm"}
    assert not EVALUATED & (drawing | {f"{name}_like" for name in drawing} | {"from_file", "empty_like"})


def test_files_of_onnx_cannot_either() -> None:
    model: onnx.ModelProto = written(
        "s = Constant<value_ints = [65536, 8192]>() w = ConstantOfShape(s) y = MatMul(x, w)", "float[N,65536] x"
    )
    with pytest.raises(UnsupportedOperator, match="computes a constant of 536870912 elements"):
        load(model, torch.rand(1, 65536))
