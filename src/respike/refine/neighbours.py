"""What `fit_thresholds` tries: numbers of a population's channels, and others beside them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import torch
from torch import Tensor

from respike.plan import Site

FIRST = tuple(product((0.0, 0.5, 1.0), (0.8, 1.0, 1.25), (-0.4, -0.2, 0.0)))
"""What is withheld, in thresholds; factors of the threshold; what is added to the initial potential: tried first."""
THEN = ((0.0, 0.9, 0.0), (0.0, 1.1, 0.0), (0.0, 1.0, -0.1), (0.0, 1.0, 0.1), (-0.1, 1.0, 0.0), (0.1, 1.0, 0.0))
"""Tried then, beside the best of the first."""


def beside(best: Tensor, withheld: float, factor: float, shift: float, highest: float) -> Tensor:
    """Other numbers beside some.

    Args:
        best: what is withheld, the threshold, and the initial potential in thresholds, `[3, channels]`.
        withheld: how much more is withheld, in thresholds.
        factor: of the threshold.
        shift: added to the initial potential, in thresholds.
        highest: the largest threshold.
    """
    return torch.stack([(best[0] + withheld).clamp(min=0), (best[1] * factor).clamp(max=highest), best[2] + shift])


def with_numbers(site: Site, waiting: int, withheld: Tensor, threshold: Tensor, share: Tensor) -> Site:
    """The site with these numbers.

        v(0) = (share − withheld) · θ,   and a current of withheld · θ / waiting in each of the first steps

    Args:
        site: the site, perhaps with a transient already.
        waiting: the first steps, in which the neurons get what was withheld.
        withheld: `[channels]`, in thresholds.
        threshold: `[channels]`.
        share: `[channels]`: the initial potential in thresholds.
    """
    start = threshold * (share - withheld)
    site = replace(site, threshold=threshold, spike_value=threshold, initial_potential=start)
    if not bool(withheld.any()):
        return site
    rows = threshold.new_zeros(waiting, len(threshold)) if site.transient is None else site.transient.double()
    return replace(site, transient=torch.cat([rows[:waiting] + threshold * withheld / waiting, rows[waiting:]]))
