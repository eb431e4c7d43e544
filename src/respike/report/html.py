"""One HTML file that holds all it needs: style, program, charting library and numbers."""

from __future__ import annotations

import dataclasses
import html
import json
from importlib import resources
from string import Template

from respike.measure import Report
from respike.report.page_data import PageData, recommended
from respike.report.words import headline, interrupted

_PARTS = resources.files("respike.report") / "page"


def page(data: PageData) -> str:
    """The page. Nothing in it is fetched from anywhere, and its own policy forbids it to try."""
    reports = [method.report for method in data.methods]
    first = recommended(reports)
    said = headline(reports[first], data.methods[first].name)
    numbers = {field.name: getattr(data, field.name) for field in dataclasses.fields(data)} | {
        "methods": [
            {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}
            | {"report": _summary(method.report), "interrupted": interrupted(method.report, data.images)}
            for method in data.methods
        ],
        "recommended": first,
        "headline": said,
    }
    return Template(_part("shell.html")).substitute(
        title=html.escape(f"{data.network}: what the conversion costs"),
        description=html.escape(said),
        style=_part("style.css"),
        library=_part("vendor/echarts.common.min.js"),
        data=as_script(plain(numbers)),
        words=_part("words.js"),
        charts=_part("charts.js"),
        point=_part("point.js"),
        figures=_part("figures.js"),
        tables=_part("tables.js"),
        program=_part("report.js"),
    )


def as_script(value: object) -> str:
    """JSON that no name in it can end the script element with, or begin a comment or an entity in."""
    text = json.dumps(value, allow_nan=False, default=str, separators=(",", ":"))
    return text.translate({ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"})


def plain(value: object) -> object:
    """Frozen values as objects, and whole numbers without a decimal point: a page has many of both."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _summary(report: Report) -> dict[str, object]:
    """The numbers of a report that stand for the whole run; those over time are in the curve.

    Options are texts: they may be any values.
    """
    numbers = {name: value for name, value in vars(report).items() if isinstance(value, str | int | float | None)}
    options = {name: "chosen" if value is None else str(value) for name, value in report.options.items()}
    return numbers | {"options": options, "decisions": report.decisions}


def _part(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")
