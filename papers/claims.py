"""Claims of a paper beside what we find: `claims.toml`, and the table in a README.

A verdict is never written by hand. It follows from a measured number with its confidence interval, a bound that was
taken from the paper, and the rule that says on which side of the bound the number has to lie.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from math import isinf
from pathlib import Path
from typing import assert_never

from papers.intervals import Estimate, accuracy

START = "<!-- claims: written by run.py -->"
END = "<!-- end of claims -->"
UNTESTED = "The cause was not tested."


class Verdict(StrEnum):
    """What the measurement says of a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNDECIDED = "not decided by these images"
    MEASURED = "measured"
    """Ours: there is nothing in the paper to compare it with, so it is not counted."""


class Rule(StrEnum):
    """On which side of the bound the measured number lies where a claim holds."""

    AT_LEAST = "at least"
    AT_MOST = "at most"
    EQUAL = "equal to"
    NONE = ""


def judge(found: Estimate, rule: Rule, bound: float) -> Verdict:
    """The verdict: the whole confidence interval lies on the right side of the bound, on the wrong one, or on both."""
    match rule:
        case Rule.AT_LEAST:
            return _sided(found.low >= bound, found.high < bound)
        case Rule.AT_MOST:
            return _sided(found.high <= bound, found.low > bound)
        case Rule.EQUAL:
            return _sided(found.low == bound == found.high, not found.low <= bound <= found.high)
        case Rule.NONE:
            return Verdict.MEASURED
        case _:
            assert_never(rule)


def _sided(right: bool, wrong: bool) -> Verdict:
    return Verdict.HOLDS if right else Verdict.FAILS if wrong else Verdict.UNDECIDED


@dataclass(frozen=True)
class Claim:
    """What a paper says, and what we measure.

    source: the paper's figure, table or section. paper, ours: what both say, in words. images: how many were measured.
    steps: time steps, 0 where none were run. value, low, high: the number that decides, with its 95 % interval. rule,
    bound: the claim holds where the number is on that side of the bound. reason: why the claim does not hold, as far as
    it was tested, or what else to know of it.
    """

    id: str
    source: str
    claim: str
    paper: str
    ours: str
    images: int
    steps: int
    value: float
    low: float
    high: float
    rule: Rule = Rule.NONE
    bound: float = 0.0
    reason: str = ""

    @property
    def estimate(self) -> Estimate:
        """The number that decides."""
        return Estimate(self.value, self.low, self.high)

    @property
    def verdict(self) -> Verdict:
        """What follows for the claim."""
        return judge(self.estimate, self.rule, self.bound)


def claim(
    id: str,
    source: str,
    text: str,
    paper: str,
    found: Estimate,
    rule: Rule = Rule.NONE,
    bound: float = 0.0,
    *,
    images: int = 0,
    steps: int = 0,
    ours: str = "",
    unit: str = "",
    reason: str = "",
) -> Claim:
    """A claim about an estimate, in words that show its interval: `ours` before them, `unit` behind the number."""
    shown = _shown(found, unit)
    words = f"{ours}: {shown}" if ours and shown else ours or shown
    return Claim(id, source, text, paper, words, images, steps, found.value, found.low, found.high, rule, bound, reason)


def reached(percent: float, images: int = 10_000) -> float:
    """The bound for an accuracy that a paper reports in per cent: the lower end of that report's own interval."""
    return round(accuracy(percent / 100, images).low, 2)


def write(path: Path, title: str, claims: Iterable[Claim]) -> None:
    """Writes the claims as TOML, one `[[claim]]` each."""
    entries = [
        "[[claim]]\n"
        + "".join(f"{key} = {_toml(value)}\n" for key, value in (asdict(one) | {"verdict": one.verdict}).items())
        for one in claims
    ]
    path.write_text(f"# {title}: written by run.py beside this file.\n\n" + "\n".join(entries), "utf-8")


def read(path: Path) -> list[Claim]:
    """Reads what `write` wrote; verdicts are derived anew."""
    entries = tomllib.loads(path.read_text("utf-8"))["claim"]
    return [
        Claim(**{key: value for key, value in entry.items() if key != "verdict"} | {"rule": Rule(entry["rule"])})
        for entry in entries
    ]


def explained(claims: Iterable[Claim], reasons: Mapping[str, str]) -> list[Claim]:
    """The claims, with the reason put before what is said of those that do not hold; reasons by the claim's id."""
    return [
        replace(one, reason=f"{reasons.get(one.id, UNTESTED)} {one.reason}".strip())
        if one.verdict is Verdict.FAILS
        else one
        for one in claims
    ]


def summary(claims: Iterable[Claim]) -> str:
    """How many claims have which verdict."""
    counts = Counter(one.verdict for one in claims)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])


def table(claims: Iterable[Claim]) -> str:
    """The claims as a Markdown table, with their number above it and the reasons below it."""
    claims = tuple(claims)
    lines = [f"{len(claims)} rows: {summary(claims)}.", ""]
    lines += ["| | Claim | Paper | Ours [95 % interval] | Holds if | Images | Steps | Verdict |"]
    lines += ["|---|---|---|---|---|---:|---:|---|"]
    lines += [
        f"| {c.source} | {c.claim} | {c.paper} | {c.ours} | {_condition(c)} | {c.images:,} | {c.steps or '–'} "
        f"| {f'**{c.verdict}**' if c.verdict is Verdict.FAILS else c.verdict} |"
        for c in claims
    ]
    reasons = [f"- {c.source}, `{c.id}`: {c.reason}" for c in claims if c.reason]
    return "\n".join(
        [*lines, *(["", "Why, and what else to know (names as in `claims.toml`):", "", *reasons] if reasons else [])]
    )


def write_readme(source: Path, target: Path, claims: Iterable[Claim]) -> None:
    """Copies a README with its table of claims written anew."""
    head, _, rest = source.read_text("utf-8").partition(START)
    _, _, tail = rest.partition(END)
    target.write_text(f"{head}{START}\n{table(claims)}\n{END}{tail}", "utf-8")


def _shown(found: Estimate, unit: str) -> str:
    if isinf(found.low) and isinf(found.high):
        return ""
    if found.low == found.high:
        return f"{_number(found.value)}{unit}"
    return f"{_number(found.value)}{unit} [{_number(found.low)}, {_number(found.high)}]"


def _condition(one: Claim) -> str:
    return f"{one.rule} {_number(one.bound)}" if one.rule else "–"


def _number(value: float) -> str:
    if isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) >= 1:
        return f"{value:,.0f}"
    return f"{round(value, 2) + 0.0:.2f}"  # no minus before a zero


def _toml(value: object) -> str:
    # A string of JSON is a string of TOML, and so are its numbers; the infinite ones have other names.
    if isinstance(value, float) and isinf(value):
        return "inf" if value > 0 else "-inf"
    return json.dumps(value, ensure_ascii=False)
