"""What the package passes around are values: nothing changes under whoever has one, and tensors are never compared."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from typing import get_args

import pytest

import respike
from respike.ir import Node
from respike.methods import Method
from respike.plan import Plan
from respike.refine import Refinement
from respike.spiking import SpikingNetwork

BEING_MADE = {
    "respike.engines.pipelined._Firing",
    "respike.export.program.Program",
    "respike.measure.scoring._Sums",
    "respike.passes.fuse_levels._Steps",
    "respike.recommending._Search",
    "respike.refine.choices.Choice",
    "respike.training.dynamics.Population",
}
"""What something is collected in while a function runs."""
HOLDS = re.compile(r"\b(Tensor|Quantity|Network|Plan|Array)\b")
"""In the type of a field: tensors, and what has them."""


def records() -> dict[str, type]:
    """All dataclasses of the package, by their full names."""
    names = [one.name for one in pkgutil.walk_packages(respike.__path__, "respike.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    return {
        f"{kind.__module__}.{kind.__qualname__}": kind
        for module in modules
        for kind in vars(module).values()
        if inspect.isclass(kind) and dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
    }


@pytest.fixture(scope="module")
def found() -> dict[str, type]:
    return records()


def test_values_cannot_be_changed(found: dict[str, type]) -> None:
    assert len(found) > 250
    changing = {name for name, kind in found.items() if not kind.__dataclass_params__.frozen}  # type: ignore[attr-defined]
    assert changing == BEING_MADE


def test_what_holds_tensors_is_compared_by_identity(found: dict[str, type]) -> None:
    """Comparing two would compare tensors, which have no truth value; and a value is a key of memos."""
    compared = {
        name
        for name, kind in found.items()
        if kind.__dataclass_params__.eq  # type: ignore[attr-defined]
        and name not in BEING_MADE
        and any(HOLDS.search(str(one.type)) and "Callable" not in str(one.type) for one in dataclasses.fields(kind))
    }
    assert not compared
    for kind in (*get_args(Node), Plan, SpikingNetwork, Method, Refinement):
        assert kind.__eq__ is object.__eq__
