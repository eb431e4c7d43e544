"""The figure of accuracy over time, and figures as files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from respike.drawing import ACCURACY, INK, Style, blank, over_time, scale_accuracy
from respike.errors import InvalidOption
from respike.files import write
from respike.measure import Report, names

FORMATS = {".png": "png", ".svg": "svg"}


def accuracy_over_time(reports: Sequence[Report]) -> Figure:
    """Accuracy after each step: a panel for each network, a curve for each method; points are the headlines.

    The axis of accuracy is logarithmic in the error, so that the last tenths of a point can be seen. A dashed line is
    the network's own accuracy.
    """
    networks = list(dict.fromkeys(report.network for report in reports))
    of_each = [[report for report in reports if report.network == network] for network in networks]
    called = [list(zip(names(chosen), chosen, strict=True)) for chosen in of_each]
    methods = list(dict.fromkeys(name for chosen in called for name, _ in chosen))
    figure = blank(6.4 if len(networks) == 1 else 3.5 * len(networks) + 0.6)
    panels = figure.subplots(1, len(networks), squeeze=False, sharey=True)[0]
    for chosen, axes in zip(called, panels, strict=True):
        over_time(axes, chosen, [Style.of(methods.index(name)) for name, _ in chosen])
    panels[0].set_ylabel(ACCURACY, color=INK)
    scale_accuracy(panels[0], [value for report in reports for value in (*report.accuracy, report.network_accuracy)])
    return figure


def figure_format(path: Path) -> str:
    """The format that a figure's file name asks for; `InvalidOption` where it is none that can be written."""
    if path.suffix.lower() not in FORMATS:
        raise InvalidOption(f"a figure's file must end in {' or '.join(FORMATS)}, not {path.name!r}")
    return FORMATS[path.suffix.lower()]


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG or SVG, by the suffix, in one step."""
    write(path, encoded(figure, figure_format(path)))


def encoded(figure: Figure, kind: str) -> bytes:
    """The content of a figure's file; `kind` is `png` or `svg`."""
    content = io.BytesIO()
    # Without the date, the same numbers give the same file.
    figure.savefig(content, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)
    return content.getvalue()
