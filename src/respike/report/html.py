"""One HTML file that holds all it needs: style, program, charting library and numbers."""

from __future__ import annotations

import dataclasses
import html
import json
from importlib import resources
from string import Template

from respike.report.page_data import MethodData, PageData, recommended
from respike.report.words import headline, sentences

_PARTS = resources.files("respike.report") / "page"


def page(data: PageData) -> str:
    """The page. Nothing in it is fetched from anywhere, and its own policy forbids it to try."""
    reports = [method.report for method in data.methods]
    first = recommended(reports)
    whole = dataclasses.replace(data, methods=tuple(map(_with_plain_options, data.methods)))
    numbers = {
        **dataclasses.asdict(whole),
        "recommended": first,
        "sentences": [sentences(one.report, data.images, one.name) for one in data.methods],
    }
    return Template(_part("shell.html")).substitute(
        title=html.escape(f"{data.network}: what the conversion costs"),
        description=html.escape(headline(reports[first], data.methods[first].name)),
        style=_part("style.css"),
        library=_part("vendor/echarts.common.min.js"),
        data=as_script(numbers),
        words=_part("words.js"),
        charts=_part("charts.js"),
        figures=_part("figures.js"),
        program=_part("report.js"),
    )


def as_script(value: object) -> str:
    """JSON that no name in it can end the script element with, or begin a comment or an entity in."""
    text = json.dumps(value, allow_nan=False, default=str, separators=(",", ":"))
    return text.translate({ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"})


def _with_plain_options(method: MethodData) -> MethodData:
    """Options as texts: they may be any values."""
    options = {name: "chosen" if value is None else str(value) for name, value in method.report.options.items()}
    return dataclasses.replace(method, report=dataclasses.replace(method.report, options=options))


def _part(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")
