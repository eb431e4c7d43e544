"""Cosine similarity, for embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cosine_similarity

from respike.metrics.targets import check_numbers


@dataclass(frozen=True)
class CosineSimilarity:
    """The mean over images of `⟨a, b⟩ / (|a| |b|)` of an image's outputs a and targets b; 0 where one of them is 0."""

    name = "cosine similarity"
    larger_is_better = True

    def check(self, shape: Sequence[int], targets: Tensor | None) -> None:
        """Raises `InvalidData` unless targets have the outputs' shape `[batch, *output]` and are finite."""
        check_numbers(shape, targets)

    def own(self, outputs: Tensor) -> Tensor:
        """The outputs themselves."""
        return outputs

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The cosines, and how many there are, `[2]`."""
        cosines = cosine_similarity(outputs.double().flatten(1), targets.double().flatten(1), dim=1, eps=1e-300)
        return cosines.new_tensor([float(cosines.sum()), len(cosines)])

    def value(self, sums: Tensor) -> float:
        """Their quotient."""
        return float(sums[0] / sums[1])
