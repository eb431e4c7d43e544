"""Losses against their formulas in numpy, and what a teacher changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from respike import data, zoo
from respike.zoo.losses import SHARE, TEMPERATURE, Loss, outputs_of, taught


def _drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


@given(st.integers(0, 99), st.integers(1, 5), st.integers(2, 6), st.sampled_from([0.0, 0.1]))
def test_losses_are_their_formulas(seed: int, images: int, classes: int, smoothing: float) -> None:
    outputs, labels = _drawn(seed, images, classes), torch.arange(images) % classes
    wanted = (1 - smoothing) * np.eye(classes)[labels.numpy()] + smoothing / classes
    entropy = -(wanted * np.log(_softmax(outputs.numpy()))).sum(1).mean()
    squared = ((outputs.numpy() - wanted) ** 2).mean()
    assert float(Loss.CROSS_ENTROPY(outputs, labels, smoothing)) == pytest.approx(entropy, rel=1e-12)
    assert float(Loss.SQUARED_ERROR(outputs, labels, smoothing)) == pytest.approx(squared, rel=1e-12)


@pytest.mark.parametrize("loss", list(Loss))
def test_labels_of_positions_count_like_those_of_images(loss: Loss) -> None:
    outputs, labels = _drawn(1, 3, 4, 5), torch.arange(15).reshape(3, 5) % 4
    flat = loss(outputs.movedim(1, -1).reshape(15, 4), labels.flatten())
    assert float(loss(outputs, labels)) == pytest.approx(float(flat), rel=1e-12)


@given(st.integers(0, 99), st.integers(1, 5), st.integers(2, 6))
def test_a_teacher_adds_the_distance_of_softened_outputs(seed: int, images: int, classes: int) -> None:
    outputs, shown = _drawn(seed, images, classes), _drawn(seed + 100, images, classes)
    theirs, ours = (_softmax(one.numpy() / TEMPERATURE) for one in (shown, outputs))
    distance = (theirs * np.log(theirs / ours)).sum(1).mean()
    found = taught(torch.tensor(2.0, dtype=torch.float64), outputs, shown)
    assert float(found) == pytest.approx((1 - SHARE) * 2.0 + SHARE * TEMPERATURE**2 * distance, rel=1e-9)
    positions = [one.T.reshape(1, classes, images) for one in (outputs, shown)]
    assert float(taught(torch.tensor(2.0), *positions)) == pytest.approx(float(found), rel=1e-6)


def test_a_student_that_is_shown_its_own_outputs_learns_the_labels_alone() -> None:
    outputs = _drawn(3, 4, 5).requires_grad_()
    labels = torch.arange(4)
    loss = Loss.CROSS_ENTROPY(outputs, labels)
    (alone,) = torch.autograd.grad(loss, outputs, retain_graph=True)
    (both,) = torch.autograd.grad(taught(loss, outputs, outputs.detach()), outputs)
    torch.testing.assert_close(both, (1 - SHARE) * alone)


def test_a_teacher_is_asked_for_no_gradient_and_changes_what_is_learnt(tmp_path: Path) -> None:
    entry, images = zoo.find("mnist-cnn"), data.load("mnist", "calibration").take(60)
    teacher = zoo.load("mnist-cnn")
    assert not outputs_of(teacher, images.images).requires_grad
    records = [
        zoo.train(
            replace(entry, recipe=zoo.Recipe(1, batch_size=30, teacher=name)),
            directory=tmp_path / (name or "alone"),
            train_set=images,
            test_set=images,
        )
        for name in ("", "mnist-cnn")
    ]
    assert records[0].sha256 != records[1].sha256
