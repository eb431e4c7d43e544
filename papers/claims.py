"""Claims of a paper beside what we find: `claims.toml`, and the table in a README."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

START = "<!-- claims: written by run.py -->"
END = "<!-- end of claims -->"


@dataclass(frozen=True)
class Claim:
    """What a paper says, and what we measure.

    source: the paper's figure, table or section. paper, ours: accuracies in per cent, or words. images: how many were
    measured. steps: time steps, 0 where none were run. tolerance: in the unit of `ours`; how far it may fall short.
    reason: why the claim does not hold, or what else to know of it.
    """

    id: str
    source: str
    claim: str
    paper: float | str
    ours: float | str
    images: int
    steps: int
    tolerance: float
    holds: bool
    reason: str = ""


def write(path: Path, title: str, claims: Iterable[Claim]) -> None:
    """Writes the claims as TOML, one `[[claim]]` each."""
    entries = ["[[claim]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in asdict(c).items()) for c in claims]
    path.write_text(f"# {title}: written by run.py beside this file.\n\n" + "\n".join(entries), "utf-8")


def read(path: Path) -> list[Claim]:
    """Reads what `write` wrote."""
    return [Claim(**entry) for entry in tomllib.loads(path.read_text("utf-8"))["claim"]]


def explained(claims: Iterable[Claim], reasons: Mapping[str, str]) -> list[Claim]:
    """The claims, with the reason put before what is said of those that do not hold; reasons by the claim's id."""
    return [
        claim
        if claim.holds
        else replace(claim, reason=f"{reasons.get(claim.id, 'Not explained yet.')} {claim.reason}".strip())
        for claim in claims
    ]


def table(claims: Iterable[Claim]) -> str:
    """The claims as a Markdown table, with the reasons below it."""
    claims = tuple(claims)
    lines = ["| | Claim | Paper | Ours | Images | Steps | Holds |", "|---|---|---|---|---:|---:|---|"]
    lines += [
        f"| {c.source} | {c.claim} | {_words(c.paper)} | {_words(c.ours)} | {c.images:,} | {c.steps or '–'} "
        f"| {'yes' if c.holds else '**no**'} |"
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


def _toml(value: object) -> str:
    # A string of JSON is a string of TOML, and so are its numbers and truth values.
    return json.dumps(value, ensure_ascii=False)


def _words(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.2f} %"
