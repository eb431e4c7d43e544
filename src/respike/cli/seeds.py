"""An experiment with several seeds: a command run once with each, and the mean and the spread of all its numbers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from statistics import fmean, stdev
from typing import Any

from respike.cli import console
from respike.cli.outputs import Outputs
from respike.cli.tables.grid import Column, Grid, Kind, Row
from respike.errors import InvalidFile, InvalidOption

KEY = "seeds"
"""The key of a file."""

_APART = ("seed", "seconds")
"""Numbers that differ from run to run and are no results."""
_ONE_RUN = ("plot", "resume")
"""Options that are about one run."""


def checked(given: Any) -> tuple[int, ...]:
    """The seeds that a file names; `InvalidFile` where there are not several."""
    whole = isinstance(given, list) and all(type(one) is int and one >= 0 for one in given)
    if not whole or len(set(given)) != len(given) or len(given) < 2:
        raise InvalidFile(f"{KEY} is a list of two or more whole numbers, all different, such as [1, 2, 3]: {given!r}")
    return tuple(given)


def check(command: str, keys: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raises `InvalidOption` where a command has no random numbers, or what it is given does not go with seeds."""
    if not {"seed", "json"} <= keys.keys():
        raise InvalidOption(f"{KEY} is for commands with --seed and --json, such as evaluate; {command} takes one seed")
    if values.get("seed") is not None:
        raise InvalidOption(f"{KEY} and seed exclude each other: leave one of them out")
    for key in _ONE_RUN:
        if values.get(key):
            raise InvalidOption(f"{key} is for one run: leave it out, or name one seed in the place of {KEY}")


def run(command: Callable[[int], None], seeds: Sequence[int], outputs: Outputs) -> None:
    """Runs a command with each seed and keeps what comes out.

    Args:
        command: runs it with a seed and writes its JSON to standard output.
        seeds: which.
        outputs: where the results go: `--json`.
    """
    found = []
    for seed in seeds:
        console.note(f"seed {seed}")
        with redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) as written:
            command(seed)
        written.flush()
        found.append(json.loads(written.buffer.getvalue()))
    same = found[0]
    if all(_without(one) == _without(same) for one in found):
        console.warning("all seeds gave the same numbers: nothing is random here (--coding bernoulli is)")
    mean, spread = summarised(found, fmean), summarised(found, stdev)
    outputs.console.print(_table(mean, spread, len(seeds)))
    result = {KEY: list(seeds), "mean": mean, "spread": spread, "runs": found}
    outputs.write("--json", f"{json.dumps(result, indent=1)}\n".encode())


def summarised(found: Sequence[Any], number: Callable[[Sequence[float]], float]) -> Any:
    """What several trees of JSON have in common, with one number in the place of the numbers at each place.

    Args:
        found: the trees.
        number: made of the numbers.
    """
    first = found[0]
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in found):
        return number(found)
    if all(isinstance(one, dict) and one.keys() == first.keys() for one in found):
        return {key: summarised([one[key] for one in found], number) for key in first if key not in _APART}
    if all(isinstance(one, list) and len(one) == len(first) for one in found):
        return [summarised(each, number) for each in zip(*found, strict=True)]
    return first if all(one == first for one in found) else None


def _without(tree: Any) -> Any:
    """What is the same where nothing is random."""
    if isinstance(tree, dict):
        return {key: _without(value) for key, value in tree.items() if key not in _APART}
    return [_without(one) for one in tree] if isinstance(tree, list) else tree


def _table(mean: Any, spread: Any, count: int) -> Grid:
    columns = [
        Column(f"of {count} seeds", Kind.NAME),
        Column("mean"),
        Column("standard\ndeviation", words="standard deviation"),
    ]
    pairs = zip(mean, spread, strict=True) if isinstance(mean, list) else [(mean, spread)]
    return Grid(columns, [row for one, other in pairs if isinstance(one, dict) for row in _rows(one, other)], gap=2)


def _rows(mean: Mapping[str, Any], spread: Mapping[str, Any]) -> Iterator[Row]:
    """The numbers after all steps, where a command tells them apart; else all that stand alone."""
    if isinstance(name := mean.get("method"), str):
        yield Row((name, "", ""), style="bold")
    kept, apart = mean.get("end", mean), spread.get("end", spread)
    for key, value in kept.items():
        if isinstance(value, float):
            yield Row((f" {key.replace('_', ' ')}", f"{value:,.5g}", f"{apart[key]:,.2g}"))
