"""Examples of inputs, as every frontend takes them."""

from __future__ import annotations

import torch
from torch import Tensor

from respike.errors import InvalidData

Example = Tensor | tuple[Tensor, ...]


def check_examples(example: Example) -> tuple[Tensor, ...]:
    """The inputs as a tuple; `InvalidData` if they are not batches of real numbers."""
    examples = example if isinstance(example, tuple) else (example,)
    for x in examples:
        if not isinstance(x, Tensor):
            raise InvalidData(f"an example must be a tensor, or a tuple of tensors; got {type(x).__name__}")
        if x.is_complex() or x.dtype == torch.bool:
            raise InvalidData(f"an example must hold floating-point numbers, got {x.dtype}")
        if x.ndim < 2 or x.numel() == 0:
            raise InvalidData(f"an example must be a batch [batch, ...] of at least one sample, got {list(x.shape)}")
        if not bool(torch.isfinite(x).all()):
            bad = int((~torch.isfinite(x)).flatten(1).any(1).nonzero()[0])
            raise InvalidData(
                f"an example holds NaN or infinite numbers, first in sample {bad}: leave those out, or repair them"
            )
    if not examples:
        raise InvalidData("an example is needed: a batch of inputs [batch, ...]")
    if len({x.shape[0] for x in examples}) != 1:
        raise InvalidData(f"the inputs differ in batch size: {[x.shape[0] for x in examples]}")
    return examples
