"""Whatever moves elements: random chains of it, wherever they put the batch, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from frontends.torch_models import Function
from respike.errors import UnsupportedOperator
from respike.frontends import torch_export

BATCH = 5
Move: TypeAlias = Callable[[Tensor], Tensor]


def _axis(draw: st.DrawFn, x: Tensor) -> int:
    """A dimension that is not the batch."""
    return draw(st.sampled_from([d for d in range(x.ndim) if x.shape[d] != BATCH]))


@st.composite
def moves(draw: st.DrawFn, x: Tensor) -> Move:
    """One operator that moves elements of `x`."""
    dim = _axis(draw, x)
    size, count = x.shape[dim], draw(st.integers(1, 3))
    start = draw(st.integers(0, size - 1))
    times = [1 if d != dim else count for d in range(x.ndim)]
    front = x.shape[0] == BATCH
    choices: list[Move] = [
        lambda x: x.repeat(times),
        lambda x: x.tile(times),
        lambda x: x.repeat_interleave(count, dim),
        lambda x: x.narrow(dim, start, size - start),
        lambda x: x.select(dim, start) if x.ndim > 2 else x,
        lambda x: x.unsqueeze(dim),
        lambda x: x.unsqueeze(-1).squeeze(-1),
        lambda x: torch.stack([x, -x], dim),
        lambda x: torch.cat([x, x], dim),
        lambda x: torch.cat(x.chunk(count, dim)[::-1], dim),
        lambda x: x.roll(start, dim),
        lambda x: x.flip(dim),
        lambda x: x.transpose(dim, -1),
        lambda x: x.permute(*reversed(range(x.ndim))),
        lambda x: x.movedim(0, -1),
        lambda x: x.index_select(dim, torch.tensor([start, 0])),
        lambda x: x.unbind(dim)[0] if x.ndim > 2 else x,
        lambda x: x.unsqueeze(dim).expand(*x.shape[:dim], 2, *x.shape[dim:]),
        lambda x: F.pad(x, [1, 0]) if x.shape[-1] != BATCH else x,
        lambda x: x.flatten(1) if front else x,
        lambda x: x.reshape(x.shape[0], -1, 1) if front else x,
        lambda x: x.reshape(-1, *x.shape[2:]) if front and x.ndim > 2 else x,
        lambda x: x.amax(dim, keepdim=True) + x,
        lambda x: x.sum(dim) if x.ndim > 2 else x,
    ]
    return draw(st.sampled_from(choices))


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[Move], Tensor]:
    """Several in a row, with an input that they can take."""
    shape = draw(st.sampled_from([(4,), (2, 3), (3, 1), (2, 3, 4), (1, 2, 3, 2)]))
    value = start = torch.randn(BATCH, *shape, dtype=torch.float64)
    chain: list[Move] = []
    for _ in range(draw(st.integers(1, 5))):
        if not any(n != BATCH for n in value.shape) or BATCH not in value.shape:
            break
        move = draw(moves(value))
        value = move(value)
        chain.append(move)
        if value.numel() > 2000:
            break
    return chain, start


def _run(chain: list[Move]) -> Callable[[nn.Module, Tensor], Any]:
    def function(_: nn.Module, x: Tensor) -> Tensor:
        for move in chain:
            x = move(x)
        place = x.shape.index(BATCH) if BATCH in x.shape else 0
        return x.movedim(place, 0) * 2.0

    return function


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(chains())
def test_chains_of_moves(case: tuple[list[Move], Tensor]) -> None:
    chain, x = case
    model = Function(_run(chain)).double()
    try:
        network = torch_export(model, x)
    except UnsupportedOperator as error:
        message = str(error)
    else:
        message = ""
    event("refused" if message else "equal")
    if message:
        assert "batch" in message
        return
    wanted = model(x)
    assert network(x).shape == wanted.shape
    torch.testing.assert_close(network(x).double(), wanted, rtol=1e-6, atol=1e-6)


def test_every_layout_after_a_repetition_is_the_new_one() -> None:
    followed: list[Move] = [
        lambda x: x.flatten(1),
        lambda x: x.view(x.shape[0], 4, -1),
        lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
        lambda x: x[:, 1:5:2],
        lambda x: F.interpolate(x, scale_factor=2.0),
        lambda x: x.permute(0, 2, 3, 1).flatten(2),
    ]
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    for times in ((1, 3, 1, 1), (1, 2, 2, 1), (1, 1, 1, 4)):
        for move in followed:

            def function(_: nn.Module, x: Tensor, move: Move = move, times: tuple[int, ...] = times) -> Tensor:
                return move(x.repeat(*times)) * 2.0

            model = Function(function).double()
            wanted = model(x)
            torch.testing.assert_close(torch_export(model, x)(x).double(), wanted, rtol=1e-6, atol=1e-6)
