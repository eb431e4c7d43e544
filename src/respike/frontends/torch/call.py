"""What an operator of a torch.export graph is given, and what several families of operators share.

Each function in `torch/operators` takes the arguments of one aten operator and calls what it means. Operators whose
arguments are those of the meaning itself stand in the tables alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from respike.frontends.semantics.call import Call, Layout, Operand, Signal
from respike.frontends.semantics.meaning import means

Ints = Sequence[int]


@dataclass(frozen=True, eq=False)
class TorchCall(Call):
    """One call in a graph; the export knows the shape of its result, `meta`, and `find` reads the layout off it."""

    meta: Tensor
    find: Callable[[Tensor], Layout]

    @property
    def layout(self) -> Layout:
        """The layout of the result."""
        return self.find(self.meta)


UNUSED = torch.empty(0)
"""In the place of a result that serves training or holds indices; reading it is refused by `getitem`."""


def reduced(along: Callable[..., Signal]) -> Callable[..., Signal]:
    """A reduction over one dimension, several, or all."""

    @means(along)
    def translate(call: Call, x: Operand, dims: Ints | int | None = None, keepdim: bool = False, **_: object) -> Signal:
        return along(call, x, several(dims), keepdim)

    return translate


def several(values: Ints | int | None) -> Ints:
    """One dimension or more, or none, as a sequence."""
    return () if values is None else (values,) if isinstance(values, int) else values
