"""What was decided for which image, and when: mistakes, and images that are lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from respike.report.page_data import Bounds, Confusion, Lost
from respike.report.runs import Run


def network_right(labels: Tensor, network_decisions: Tensor) -> Tensor:
    """On which images the network itself is right, `[images]`."""
    return network_decisions.cpu() == labels.cpu()


def worth_showing(runs: Sequence[Run], labels: Tensor, network_decisions: Tensor) -> dict[int, str]:
    """Up to three images whose spikes are worth a look, by number, and why: the first, one lost, one never right.

    Args:
        runs: the conversions.
        labels: of all images that were measured, `[images]`.
        network_decisions: of the network itself, `[images]`.
    """
    right = network_right(labels, network_decisions)
    found = {0: "the first image"}
    for run in runs:
        missed = right[: len(run.decided)] & (run.decided != network_decisions[: len(run.decided)])
        if bool(missed.any()):
            found.setdefault(int(missed.nonzero()[0]), f"lost by {run.report.method}: the network is right")
            break
    if not bool(right.all()):
        found.setdefault(int((~right).nonzero()[0]), "the network itself is wrong")
    return found


def confusion(labels: Tensor, decisions: Tensor, classes: int, bounds: Bounds) -> Confusion:
    """How often one class was taken for another."""
    pairs = Counter(zip(labels.tolist(), decisions.tolist(), strict=True))
    size = max([classes, *(1 + max(pair) for pair in pairs)])
    wrong = sorted(((*pair, count) for pair, count in pairs.items() if pair[0] != pair[1]), key=lambda e: (-e[2], e))
    matrix = tuple(tuple(pairs[true, decided] for decided in range(size)) for true in range(size))
    return Confusion(
        matrix=matrix if size <= bounds.classes else None,
        worst=tuple(wrong[:15]),
        images=tuple(int((labels == true).sum()) for true in range(size)),
    )


def changes(labels: Tensor, decisions: Tensor, classes: int, bounds: Bounds) -> tuple[tuple[int, ...], ...]:
    """In which cells the confusions of a moment differ from those of the moment before; see `Confusion`.

    Args:
        labels: of all images.
        decisions: of the first of them, `[moments, images]`.
        classes: how many.
        bounds: with more classes than `Bounds.classes`, nothing is told.
    """
    size = max(classes, 1 + int(decisions.max()), 1 + int(labels.max()))
    if size > bounds.classes:
        return ()
    true = labels[: decisions.shape[1]].cpu().long()
    before = torch.zeros(size, size, dtype=torch.int64)
    found = []
    for decided in decisions:
        now = torch.bincount(true * size + decided.long(), minlength=size * size).reshape(size, size)
        cells = (now != before).nonzero()
        by = (now - before)[cells[:, 0], cells[:, 1]]
        found.append(tuple(torch.cat([cells, by.unsqueeze(1)], dim=1).flatten().tolist()))
        before = now
    return tuple(found)


def lost(
    runs: Sequence[Run], labels: Tensor, network_decisions: Tensor, steps: Sequence[Sequence[int]], bounds: Bounds
) -> list[Lost]:
    """Images that a method loses, without pictures; those first that come right last, or never, each method in turn.

    Args:
        runs: the conversions.
        labels: of all images that were measured.
        network_decisions: of the network itself.
        steps: the moments at which each run is read.
        bounds: how many images.
    """
    right = network_right(labels, network_decisions)
    decisions = [run.decisions[torch.tensor(each) - run.report.times[0]] for run, each in zip(runs, steps, strict=True)]
    ranked = [_longest_lost(found, labels, right) for found in decisions]
    chosen: dict[int, None] = {}
    for place in range(max(map(len, ranked))):
        for each in ranked:
            if place < len(each) and len(chosen) < bounds.lost_images:
                chosen.setdefault(each[place])
    return [
        Lost(
            number,
            int(labels[number]),
            None,
            tuple(
                _segments(each, found[:, number].tolist()) if number < found.shape[1] else None
                for each, found in zip(steps, decisions, strict=True)
            ),
        )
        for number in chosen
    ]


def _longest_lost(decisions: Tensor, labels: Tensor, right: Tensor) -> list[int]:
    """The images on which the network is right, by how late (moments `[moments, images]`) they are wrong for the last
    time; of two that are alike the first one.
    """
    count = decisions.shape[1]
    wrong = (decisions != labels[:count]) & right[:count]
    last = (wrong * torch.arange(1, len(wrong) + 1).unsqueeze(1)).amax(0)
    order = (-last).argsort(stable=True)
    return order[last[order] > 0].tolist()


def _segments(steps: Sequence[int], decided: Sequence[int]) -> tuple[int, ...]:
    """Step, class, and so on, an entry wherever the class changes."""
    found: list[int] = []
    for step, one in zip(steps, decided, strict=True):
        if not found or found[-1] != one:
            found += [step, one]
    return tuple(found)
