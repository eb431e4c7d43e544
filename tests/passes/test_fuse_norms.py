"""Norms that are written out: read as one node, and only where every number in them is the one of a norm.

How programs spell them is in `tests/frontends/test_transformer_parts.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from passes.by_hand import assert_same, network
from respike.errors import UnsupportedOperator
from respike.ir import Activation, Divide, ElementwiseAffine, FixedLinear, Multiply, Network, ReLU, RMSNorm, Root
from respike.passes import fuse_norms

SIZE = 3
BOUND = 1e-6


def written_out(
    weights: Tensor, scale: Tensor, epsilon: Tensor, bounds: tuple[Tensor, Tensor], repeats: Tensor
) -> Network:
    """`x / repeats · max(√(scale · (weights · x²) + epsilon), bound)` over 3 features of 2 tokens.

    The bound is written as `b1 + max(0, √… - b0)`.
    """
    one, below, above = torch.ones(1, dtype=torch.float64), -bounds[0], bounds[1]
    return network(
        (2, SIZE),
        Multiply("squares", ("x", "x")),
        FixedLinear("sum", ("squares",), 2, weights.reshape(1, SIZE)),
        ElementwiseAffine("inner", ("sum",), scale, epsilon),
        Activation("root", ("inner",), Root()),
        ElementwiseAffine("excess", ("root",), one, below),
        Activation("kept", ("excess",), ReLU()),
        ElementwiseAffine("bounded", ("kept",), one, above),
        FixedLinear("repeated", ("bounded",), 2, repeats.reshape(SIZE, 1)),
        Divide("y", ("x", "repeated")),
    )


def ones(*shape: int) -> Tensor:
    return torch.ones(shape, dtype=torch.float64)


def numbers() -> dict[str, Tensor]:
    """Those of a norm: a sum of three squares, each token by itself."""
    return {"weights": ones(SIZE), "scale": ones(2, 1), "epsilon": 0.5 * ones(2, 1), "repeats": ones(SIZE)}


def bounds() -> tuple[Tensor, Tensor]:
    return BOUND * ones(2, 1), BOUND * ones(2, 1)


def test_a_vector_of_length_one_is_a_scaled_norm() -> None:
    before = written_out(**numbers(), bounds=bounds())
    after = fuse_norms(before)
    assert [type(node) for node in after.nodes[1:]] == [RMSNorm, ElementwiseAffine]
    assert_same(before, after)


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("name", ["weights", "scale", "epsilon", "repeats"])
def test_one_other_number_makes_it_no_norm(name: str, place: int) -> None:
    changed = numbers()
    changed[name].view(-1)[place] += 0.25
    with pytest.raises(UnsupportedOperator, match="'root' takes the square root"):
        fuse_norms(written_out(**changed, bounds=bounds()))


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize(
    "change", [lambda ends, place: ends[0][place].add_(1e-7), lambda ends, place: ends[1][place].add_(1e-7)]
)
def test_bounds_that_differ_make_it_no_norm(change: Callable[[tuple[Tensor, Tensor], int], Tensor], place: int) -> None:
    ends = bounds()
    change(ends, place)
    with pytest.raises(UnsupportedOperator, match="'root' takes the square root"):
        fuse_norms(written_out(**numbers(), bounds=ends))
