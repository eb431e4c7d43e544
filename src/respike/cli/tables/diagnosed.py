"""A diagnosis for people: a table of the layers, then words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import TypeAlias

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from respike.cli.tables.grid import Column, Grid, Kind, Row
from respike.cli.tables.notes import Notes
from respike.diagnosis.result import READOUT, Diagnosis, Finding, Layer
from respike.methods.remedy import Remedy
from respike.summarised import counted

Written: TypeAlias = Callable[[Remedy], str]
"""How a remedy is written: in Python (`str`), or with the flags of the command line."""

_HEADINGS = (
    "corre-\nlation",
    "error\n%",
    "own\n%",
    "bias\n%",
    "satu-\nrated",
    "silent\n%",
    "dead\n%",
    "spikes/\nstep",
)
_IN_WORDS = (
    "correlation",
    "error %",
    "own %",
    "bias %",
    "saturated %",
    "silent %",
    "dead %",
    "spikes/step",
)
_COLUMNS = {
    "accumulated": 1,
    "hard_reset": 3,
    "rounding_down": 3,
    "too_early": 3,
    "momentary_max": 3,
    "draining_bias": 3,
    "noisy_input": 2,
    "spike_value": 2,
    "saturation": 4,
    "silent": 5,
    "dead": 6,
    "wasted_range": 7,
    "outliers": 7,
    "steps": 7,
}
"""Under which heading the figure stands that a rule is about, or the nearest to it."""


def diagnosed(diagnosis: Diagnosis, written: Written = str) -> Group:
    """The layers front to back, where the accuracy is lost, and what to change, for a rich console."""
    return Group(
        Text(_title(diagnosis), "bold"),
        "",
        _table(diagnosis),
        "",
        Notes(_legend(diagnosis)),
        "",
        *_words(diagnosis, written),
    )


def _title(diagnosis: Diagnosis) -> str:
    images = counted(diagnosis.images, "image") + (f" of {diagnosis.dataset}" if diagnosis.dataset else "")
    return f"{diagnosis.network} by {diagnosis.method or 'a plan of its own'}, {images}"


def _table(diagnosis: Diagnosis) -> Grid:
    so_far = Column(f"{_measured(diagnosis)}\nso far %")
    columns = [Column("layer", Kind.NAME), *map(Column, _HEADINGS, repeat(Kind.NUMBER), _IN_WORDS), so_far]
    empty = [""] * len(_HEADINGS)
    rows = [Row(("network", *empty, _percent(diagnosis.before.decision, 2)))]
    for layer in diagnosis.layers:
        lost = layer.name == diagnosis.most_loss
        cells = (
            Text(layer.name, "bold red" if lost else ""),
            *_figures(layer, diagnosis),
            Text(_percent(layer.replaced.decision, 2), "bold red" if lost else ""),
        )
        rows.append(Row(cells))
    style = "bold red" if diagnosis.most_loss == READOUT else ""
    rows.append(Row((Text(READOUT, style), *empty, Text(_percent(diagnosis.after.decision, 2), style))))
    return Grid(columns, rows)


def _figures(layer: Layer, diagnosis: Diagnosis) -> Iterator[Text]:
    """The layer's cells, coloured where a finding is about them."""
    marked = {_COLUMNS[one.rule] for one in diagnosis.findings if layer.name in one.layers and one.rule in _COLUMNS}
    cells = (
        "–" if math.isnan(layer.network.correlation) else f"{layer.network.correlation:.3f}",
        _percent(layer.network.error, 1),
        _percent(layer.own.error, 1),
        _percent(layer.own.bias, 1),
        _percent(layer.saturated, 1),
        _percent(layer.silent, 1),
        _percent(layer.dead, 1),
        f"{layer.spike_rate:.3f}",
    )
    for place, cell in enumerate(cells):
        yield Text(cell, "yellow" if place in marked else "")


def _legend(diagnosis: Diagnosis) -> tuple[str, ...]:
    return (
        "correlation, error: decoded spikes against the network's activations",
        "own, bias: error and mean error of what the layer does alone, given the same inputs",
        "saturated: activations above the largest value that spikes can send",
        "silent: neurons that never spike and should; dead: zero in the network itself",
        f"so far: {_measured(diagnosis)} with the layers down to this one spiking, the rest as it was",
    )


def _words(diagnosis: Diagnosis, written: Written) -> Iterator[RenderableType]:
    what = _measured(diagnosis)
    if diagnosis.healthy:
        lost = f"{100 * diagnosis.loss:.1f} points of {what}" if diagnosis.loss > 0 else f"no {what}"
        yield Text(f"Nothing is wrong with the conversion: it loses {lost} on these images.", "green")
    else:
        yield Text.assemble((f"{100 * diagnosis.loss:.1f} points of {what} are lost", "bold red"), _where(diagnosis))
    for number, finding in enumerate(diagnosis.findings, 1):
        yield ""
        yield Text.assemble((f"{number}. ", "bold"), (f"{_sentence(finding)}.", "yellow"))
        yield Padding(_advice(finding, diagnosis, written), (0, 0, 0, 3))


def _advice(finding: Finding, diagnosis: Diagnosis, written: Written) -> Text:
    others = f"In {_listed(finding.layers)}. " if len(finding.layers) > 1 else ""
    text = Text.assemble(others, "Change: ", ("; or ".join(map(written, finding.remedies)), "bold"))
    if not math.isnan(finding.tried):
        before, after = _percent(diagnosis.after.decision, 2), _percent(finding.tried, 2)
        style = "green" if finding.tried > diagnosis.after.decision else "dim"
        text.append(f"\nTried on these images, {finding.trial}: {before} % → {after} %", style)
    for attempt in finding.attempts:
        style = "green" if attempt.decision > diagnosis.after.decision else "dim"
        text.append(f"\nConverted again, {written(attempt.remedy)}: {_percent(attempt.decision, 2)} %", style)
    return text


def _sentence(finding: Finding) -> str:
    """What was seen, with a capital letter where it does not begin with a layer's name."""
    named = any(finding.why.startswith(name) for name in finding.layers)
    return finding.why if named else f"{finding.why[0].upper()}{finding.why[1:]}"


def _listed(layers: tuple[str, ...]) -> str:
    shown = ", ".join(layers[:4])
    return shown if len(layers) <= 4 else f"{shown} and {len(layers) - 4} more"


def _where(diagnosis: Diagnosis) -> str:
    """Where most of the accuracy is lost, and where first."""
    most, lost = max(diagnosis.losses.items(), key=lambda item: item[1])
    if most == diagnosis.first_loss:
        return f", most ({100 * lost:.1f}) and first with {most}."
    return f", most ({100 * lost:.1f}) with {most}, first with {diagnosis.first_loss}."


def _measured(diagnosis: Diagnosis) -> str:
    return "accuracy" if diagnosis.labelled else "agreement"


def _percent(share: float, decimals: int) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.{decimals}f}"
