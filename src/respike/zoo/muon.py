"""Descent by orthogonalised momentum."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

_MOMENTUM = 0.9
_OTHERS_RATE = 3.0
_ITERATIONS = 3


class Muon(Optimizer):
    """Nesterov's momentum; the updates of convolution kernels are orthogonalised before they are applied.

    With the gradient g, the momentum m <- 0.9 m + g and the update u = g + 0.9 m, a kernel `[out, in, ...]`, read as a
    matrix with `out` rows, is multiplied by 1 - rate * weight_decay and then changes by -rate * O(u); O(u) is
    `orthogonalised`. All other parameters (biases, the factors of norms, dense layers) change by -3 * rate * u, without
    weight decay.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
    """

    def __init__(self, parameters: Iterable[nn.Parameter], weight_decay: float) -> None:
        """Of these parameters; the rate is `lr` of the parameter group."""
        super().__init__(parameters, {"lr": 0.0, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step from the gradients; no closure is evaluated."""
        for group in self.param_groups:
            rate = group["lr"]
            for parameter in group["params"]:
                momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
                momentum.mul_(_MOMENTUM).add_(parameter.grad)
                update = parameter.grad + _MOMENTUM * momentum
                if parameter.dim() > 2:
                    parameter.mul_(1 - rate * group["weight_decay"])
                    parameter.sub_(rate * orthogonalised(update.flatten(1)).view_as(update))
                else:
                    parameter.sub_(_OTHERS_RATE * rate * update)


def orthogonalised(matrix: Tensor) -> Tensor:
    """About U V^T of the matrix's singular value decomposition U S V^T, times sqrt(max(1, rows / columns)).

    Three Newton-Schulz iterations with the source's coefficients bring the singular values that are not small to
    within a third of 1.
    """
    rows, columns = matrix.shape
    wide: Tensor = matrix if rows <= columns else matrix.T
    wide = wide / (torch.linalg.matrix_norm(wide) + 1e-7)
    for _ in range(_ITERATIONS):
        square = wide @ wide.T
        wide = 3.4445 * wide + (-4.7750 * square + 2.0315 * square @ square) @ wide
    return wide if rows <= columns else wide.T * math.sqrt(rows / columns)
