"""Values from JSON: every field has the type that it should have, or the text is refused in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from report.samples import REPORT
from respike import Report
from respike.errors import InvalidFile
from respike.measure import Exits
from respike.typed import has_type, of_json


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    count: int
    share: float


@dataclass(frozen=True)
class Outer:
    name: str
    colour: Colour
    inner: Inner | None
    several: tuple[Inner, ...]
    pair: tuple[int, str]
    values: Sequence[float]
    named: Mapping[str, float]
    anything: object = None


INNER = st.builds(Inner, st.integers(), st.floats(allow_nan=False))
OUTER = st.builds(
    Outer,
    st.text(),
    st.just(Colour.RED),
    st.none() | INNER,
    st.lists(INNER, max_size=3).map(tuple),
    st.tuples(st.integers(), st.text()),
    st.lists(st.floats(allow_nan=False)),
    st.dictionaries(st.text(), st.floats(allow_nan=False)),
)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(OUTER)
def test_what_was_written_is_read(outer: Outer) -> None:
    assert of_json(Outer, json.dumps(asdict(outer)), "the text", "an example") == outer


SOUND: dict[str, Any] = {
    "name": "n",
    "colour": "red",
    "inner": {"count": 1, "share": 0.5},
    "several": [{"count": 1, "share": 2}],
    "pair": [1, "a"],
    "values": [0.5, 1],
    "named": {"a": 1.0},
}


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", 3, r"Outer\.name is '3'"),
        ("colour", "blue", "blue"),
        ("colour", [], "is not a valid Colour"),
        ("inner", {"count": 1}, "share"),
        ("inner", {"count": True, "share": 0.5}, r"Outer\.inner\.count is 'True'"),
        ("inner", {"count": 1, "share": 0.5, "more": 1}, "has no 'more'"),
        ("inner", 3, r"Outer\.inner is '3'"),
        ("several", {"count": 1, "share": 2}, "several"),
        ("several", [1], r"several is '1'"),
        ("pair", [1], "pair has 1 values"),
        ("pair", "ab", r"pair is 'ab'"),
        ("values", ["0.5"], "values"),
        ("values", "0.5", "values"),
        ("named", {"a": None}, "named"),
        ("named", [], "named"),
        ("unknown", 1, "has no 'unknown'"),
    ],
)
def test_other_types_are_refused(field: str, value: object, told: str) -> None:
    with pytest.raises(InvalidFile, match=f"the text is not an example of this version: .*{told}"):
        of_json(Outer, json.dumps(SOUND | {field: value}), "the text", "an example")


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{", "{}", "[" * 100_000])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidFile, match="is not a report of this version"):
        Report.from_json(text)


@pytest.mark.parametrize(
    "change",
    [
        {"accuracy": []},
        {"accuracy": [0.5, 0.6]},
        {"margin": [0.5, 0.6]},
        {"images": 0},
        {"steps_to_network_accuracy": 9},
    ],
)
def test_a_report_has_one_value_for_each_step(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidFile, match="not one value for each step"):
        Report.from_json(json.dumps(json.loads(REPORT.to_json()) | change))


def test_a_report_with_early_exits_is_read_again() -> None:
    exits = Exits("margin 0.5", 2.5, 0.5, 0.9, 0.95, [0, 1, 2, 3])
    report = replace(REPORT, early_exit=exits)
    assert vars(Report.from_json(report.to_json())) == vars(report)


def test_switches_are_no_numbers() -> None:
    assert has_type(float, 1)
    assert not has_type(float, True)
    assert not has_type(int, True)
    assert not has_type(int, 1.0)
    assert has_type(int | None, None)
    assert not has_type(tuple[int, ...], (1, "a"))
