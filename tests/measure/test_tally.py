"""What a batch contributes to a report."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from respike.measure.tally import tally
from respike.plan import Plan
from respike.record import Recording
from respike.schedule import Steady


@given(classes=st.integers(1, 12), steps=st.integers(1, 5), values=st.integers(2, 20), seed=st.integers(0, 99))
def test_the_label_is_among_the_five_that_a_stable_sort_puts_first(
    classes: int, steps: int, values: int, seed: int
) -> None:
    """Where few values are drawn, many outputs are equal: in the first steps all are 0."""
    draw = torch.Generator().manual_seed(seed)
    over_time = torch.randint(values, (steps, 7, classes), generator=draw).float()
    labels = torch.randint(classes, (7,), generator=draw)
    counts = tally(
        over_time[-1], Recording(over_time, {}, {}, {}, {}, {}), labels, Plan({}, Steady(steps)), None
    ).counts
    ranked = over_time.sort(dim=-1, descending=True, stable=True).indices
    for name, k in (("right", 1), ("right5", 5)):
        wanted = (ranked[..., :k] == labels.unsqueeze(-1)).any(-1).sum(-1)
        assert torch.equal(counts[name], wanted)
        assert counts[f"network {name}"] == wanted[-1]
