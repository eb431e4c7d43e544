"""What a file computes before it is read is bounded, and computed by a list of operators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, export

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


LARGE: list[tuple[Callable[[Any, Tensor], Tensor], str]] = [
    (lambda m, x: x.new_full((10**10,), 2.0).max() + x, "makes 10000000000 elements"),
    (lambda m, x: x.repeat(1, 10**10), "repeats its input 10000000000 times.*use expand"),
    (lambda m, x: x.tile(1, 10**10), "repeats its input"),
    (lambda m, x: x.repeat_interleave(10**10, 1), "maps 4 elements to 40000000000 by a matrix"),
    (lambda m, x: x.unsqueeze(1).expand(-1, 10**10, -1), "makes 10000000000 elements of one"),
    (lambda m, x: F.interpolate(x.unsqueeze(1), scale_factor=1e9), "maps 4 elements to 4000000000 by a matrix"),
    (lambda m, x: F.interpolate(x.unsqueeze(1), size=10**9, mode="linear"), "by a matrix"),
    (lambda m, x: x.repeat_interleave(10**5, 1).cumsum(1), "maps 400000 elements to 400000 by a matrix"),
    (lambda m, x: x.repeat_interleave(10**5, 1)[:, torch.arange(10**5).flip(0)], "by a matrix"),
    (lambda m, x: torch.hann_window(10**10).max() + x, "computes a constant of 10000000001 elements"),
    (lambda m, x: torch.kron(torch.ones(10**5), torch.ones(10**5)).max() + x, "computes a constant of"),
]


@pytest.mark.parametrize(("function", "told"), LARGE)
def test_nothing_large_is_made_for_a_small_program(function: Callable[[Any, Tensor], Tensor], told: str) -> None:
    program = export(Function(function), (torch.rand(2, 4),), dynamic_shapes=((({0: Dim.AUTO},),)), strict=False)
    with pytest.raises(UnsupportedOperator, match=told):
        load(program)


def test_places_of_a_wide_signal_take_no_square_matrix() -> None:
    x = torch.rand(2, 4)
    network = load(Function(lambda m, x: x.repeat_interleave(10**5, 1)[:, [5, 399999, 1]]), x)
    torch.testing.assert_close(network(x), x[:, [0, 3, 0]])


ONNX_LARGE: list[tuple[str, str]] = [
    ("u = Unsqueeze(x, one) y = Expand(u, huge)", r"y \(Expand\): makes 10000000000 elements of one"),
    ("y = Tile(x, often)", r"y \(Tile\): repeats its input 10000000000 times"),
    (
        "a = ConstantOfShape(wide) b = Neg(a) c = Trilu(b) m = ReduceMax(c) y = Add(x, m)",
        r"(b|c) \(\w+\): computes a c",
    ),
]


@pytest.mark.parametrize(("graph", "told"), ONNX_LARGE)
def test_nothing_large_is_made_for_a_small_file_of_onnx(graph: str, told: str) -> None:
    numbers = {"one": [1], "huge": [1, 10**10, 1], "often": [1, 10**10], "wide": [10**4, 2 * 10**4]}
    constants = " ".join(f"{name} = Constant<value_ints = {values}>()" for name, values in numbers.items())
    with pytest.raises(UnsupportedOperator, match=told):
        load(written(f"{constants} {graph}", "float[N,4] x", 17), torch.rand(2, 4))


def test_whole_numbers_that_their_type_does_not_hold_are_refused() -> None:
    for graph in (
        "c = Constant<value_ints = [300]>() b = Cast<to = 3>(c)",
        "c = Constant<value_float = -1.5>() b = Cast<to = 2>(c)",
        "c = Constant<value = int8[1] {100}>() b = Add(c, c)",
        "c = Constant<value = uint8[1] {3}>() d = Neg(c) b = Sub(d, c)",
    ):
        with pytest.raises(UnsupportedOperator, match=r"computes whole numbers that u?int8 does not hold"):
            load(written(f"{graph} f = Cast<to = 1>(b) y = Add(x, f)", "float[N,4] x"), torch.rand(2, 4))


def test_files_of_onnx_cannot_either() -> None:
    model: onnx.ModelProto = written(
        "s = Constant<value_ints = [65536, 8192]>() w = ConstantOfShape(s) y = MatMul(x, w)", "float[N,65536] x"
    )
    with pytest.raises(UnsupportedOperator, match="computes a constant of 536870912 elements"):
        load(model, torch.rand(1, 65536))
