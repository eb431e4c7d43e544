"""What a training lessens: a loss of the labels, and of a trained network's outputs where that one teaches."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, mse_loss, one_hot

TEMPERATURE = 4.0
"""A teacher's logits are divided by this before the softmax, so that its small probabilities count."""
SHARE = 0.9
"""The teacher's part of the loss; the labels have the rest."""


class Loss(StrEnum):
    """How far outputs are from labels."""

    CROSS_ENTROPY = "cross_entropy"
    """Of the softmax of the outputs."""
    SQUARED_ERROR = "squared_error"
    """Of each output, from 1 at the label and 0 elsewhere, so that outputs stay small."""

    def __call__(self, outputs: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """The mean loss of outputs `[n, classes]` or, where positions have labels, `[n, classes, positions]`.

        smoothing: the share of each label that is spread over all classes.
        """
        match self:
            case Loss.CROSS_ENTROPY:
                return cross_entropy(outputs, labels, label_smoothing=smoothing)
            case Loss.SQUARED_ERROR:
                wanted = one_hot(labels, outputs.shape[1]).movedim(-1, 1).to(outputs.dtype)
                return mse_loss(outputs, (1 - smoothing) * wanted + smoothing / outputs.shape[1])
            case _:
                assert_never(self)


def taught(loss: Tensor, outputs: Tensor, shown: Tensor) -> Tensor:
    """The loss of the labels, and the distance to a teacher's softened outputs.

    `(1 - SHARE) · loss + SHARE · τ² · KL(softmax(shown / τ), softmax(outputs / τ))`, where τ is `TEMPERATURE`; τ² keeps
    the size of the gradients. A small network learns more from how alike two classes look to a larger one than from
    the labels alone.

    Args:
        loss: that of the labels.
        outputs: the network's logits `[n, classes]`, or `[n, classes, positions]`.
        shown: the teacher's for the same images.

    Source: Hinton et al. 2015, Section 2.
    """
    theirs, ours = (shown / TEMPERATURE).log_softmax(1), (outputs / TEMPERATURE).log_softmax(1)
    distance = kl_div(ours, theirs, reduction="sum", log_target=True) * shown.shape[1] / shown.numel()
    return (1 - SHARE) * loss + SHARE * TEMPERATURE**2 * distance


def outputs_of(teacher: nn.Module, images: Tensor) -> Tensor:
    """A trained network's outputs, of which no gradient is asked."""
    with torch.no_grad():
        outputs: Tensor = teacher(images)
    return outputs
