"""Options state the numbers that they take: shown in help, checked in Python and on the command line."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch

from networks import Builder, images
from respike import methods, refine
from respike.bounds import Bounds
from respike.cli.options import options
from respike.errors import InvalidOption
from respike.schedule import InputThenDrain, Layerwise, Steady

OPTIONS = [
    (one, option.name, option.bounds)
    for one in (*methods.ALL, *refine.ALL)
    for option in options(one).values()
    if option.type in (int, float)
]


def test_every_number_states_its_bounds() -> None:
    assert len(OPTIONS) > 20
    assert [(one.name, name) for one, name, bounds in OPTIONS if bounds is None] == []


@pytest.mark.parametrize(("one", "name", "bounds"), OPTIONS, ids=lambda value: getattr(value, "name", None))
def test_numbers_out_of_bounds_are_refused_by_name(one: Any, name: str, bounds: Bounds) -> None:
    builder = Builder((2, 4, 4), 0)
    builder.conv(2)
    builder.relu()
    network = builder.network()
    calibration = images(network, 4)
    plan = methods.max_norm(network, calibration, steps=4)
    run: Any = (
        partial(one.plan, network, calibration)
        if isinstance(one, methods.Method)
        else partial(one.apply, plan, network, calibration)
    )
    wrong: list[Any] = [math.nan, math.inf, True, "1"]
    wrong += [bounds.low - 1] if math.isfinite(bounds.low) else []
    wrong += [bounds.low] if bounds.low_open and math.isfinite(bounds.low) else []
    wrong += [bounds.high + 1] if math.isfinite(bounds.high) else []
    wrong += [1.5, 10**12 if math.isfinite(bounds.high) else 0] if bounds.whole else []
    for value in wrong:
        with pytest.raises(InvalidOption, match=f"{name} must be "):
            run(**{name: value})


def test_bounds_hold_what_they_say() -> None:
    assert str(Bounds(1, 1000, whole=True)) == "1 to 1,000"
    assert str(Bounds(0, whole=True)) == "0 or more"
    assert str(Bounds(0, 1, low_open=True)) == "in (0, 1]"
    assert str(Bounds(0, low_open=True)) == "above 0"
    inside: list[tuple[Bounds, Any]] = [
        (Bounds(1, 3, whole=True), 1),
        (Bounds(1, 3, whole=True), 3),
        (Bounds(0, 1, high_open=True), 0),
        (Bounds(0, 1, low_open=True), 1.0),
        (Bounds(-math.inf), -5.0),
    ]
    outside: list[tuple[Bounds, Any]] = [
        (Bounds(1, 3, whole=True), 0),
        (Bounds(1, 3, whole=True), 2.0),
        (Bounds(0, 1, high_open=True), 1),
        (Bounds(0, 1, low_open=True), 0.0),
        (Bounds(-math.inf), -math.inf),
        (Bounds(0), torch.tensor(1.0)),
    ]
    assert all(value in bounds for bounds, value in inside)
    assert not any(value in bounds for bounds, value in outside)


@pytest.mark.parametrize("steps", [0, -1, 10**12, 2.5, math.nan])
def test_schedules_are_bounded(steps: Any) -> None:
    for make in (Steady, Layerwise, lambda s: InputThenDrain(s, 3), lambda s: InputThenDrain(3, s - 1)):
        with pytest.raises(InvalidOption, match="must be"):
            make(steps)
    assert InputThenDrain(1, 0).steps == 1
