"""Cosine similarity, for embeddings."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import cosine_similarity

from respike.metrics.targets import Numbers


@dataclass(frozen=True)
class CosineSimilarity(Numbers):
    """The mean over images of `⟨a, b⟩ / (|a| |b|)` of an image's outputs a and targets b; 0 where one of them is 0."""

    name = "cosine similarity"
    larger_is_better = True

    def sums(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The cosines, and how many there are, `[2]`."""
        cosines = cosine_similarity(outputs.double().flatten(1), targets.double().flatten(1), dim=1, eps=1e-300)
        return cosines.new_tensor([float(cosines.sum()), len(cosines)])

    def value(self, sums: Tensor) -> float:
        """Their quotient."""
        return float(sums[0] / sums[1])
