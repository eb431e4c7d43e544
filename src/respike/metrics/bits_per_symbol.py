"""Bits for each symbol, for language models."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from respike.metrics.targets import Masks


@dataclass(frozen=True)
class BitsPerSymbol(Masks):
    """The mean of `-log2 p` over all positions, p being the probability of the right symbol (softmax of the outputs).

    Outputs are logits `[batch, symbols, *positions]`, targets the symbols `[batch, *positions]`; without targets, those
    that the network decides on. With characters as symbols this is the usual bits per character.

    Args:
        ignore: the number in targets that stands for positions that do not count.
    """

    name = "bits per symbol"
    larger_is_better = False

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The bits, and how many positions there are, `[2]`."""
        logits = outputs.double().movedim(1, -1).flatten(0, -2)
        right = targets.flatten().long()
        if self.ignore is not None:
            kept = right != self.ignore
            logits, right = logits[kept], right[kept]
        bits = float(cross_entropy(logits, right, reduction="sum")) / math.log(2) if len(right) else 0.0
        return torch.tensor([bits, len(right)], dtype=torch.float64)

    def value(self, sums: Tensor) -> float:
        """Their quotient; `InvalidData` where no position counts."""
        if not sums[1]:
            raise self.nothing()
        return float(sums[0] / sums[1])
