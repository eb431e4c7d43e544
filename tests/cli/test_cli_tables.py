"""The summary table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from report.samples import REPORT
from respike import Report
from respike.cli.tables import human, summary


def _text(*reports: Report) -> str:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(summary(reports))
    return capture.get()


def test_the_numbers_of_a_report_stand_in_its_row() -> None:
    text = _text(REPORT)
    row = next(line for line in text.splitlines() if line.startswith(" fit"))
    assert row.split() == ["fit", "98.00", "3", "2.00", "6.00", "0.50", "4", "97.50", "0.75"]
    assert "net, not spiking, rounded to as many levels: fit 97.00 %" in text
    network = next(line for line in text.splitlines() if line.startswith("net "))
    assert network.split() == ["net", "98.00", "1.00", "k", "1.00"]


def test_the_images_and_the_tolerance_are_said() -> None:
    text = _text(REPORT)
    assert "net, 1,000 images of mnist" in text
    assert "within 3 decisions" in text


def test_what_was_never_reached_says_so() -> None:
    text = _text(replace(REPORT, steps_to_network_accuracy=None))
    row = next(line for line in text.splitlines() if line.startswith(" fit"))
    assert row.split() == ["fit", "97.50", "never", "2.50", "1.23", "M", "0.75", "4", "97.50", "0.75"]


def test_an_interrupted_run_is_marked() -> None:
    text = _text(REPORT, replace(REPORT, method="data_norm", images=128, complete=False))
    assert "data_norm *" in text
    assert "1,000 images of mnist, 128 images of mnist" in text


def test_several_networks_fit_80_columns() -> None:
    networks = ("mnist-mlp", "mnist-cnn", "mnist-cnn-diehl")
    methods = ("fit", "threshold_balancing")
    text = _text(*(replace(REPORT, network=network, method=method) for network in networks for method in methods))
    assert "…" not in text
    assert all(text.count(network + " ") == 1 for network in networks)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("width", [20, 40, 79])
def test_a_narrow_terminal_cuts_no_number(width: int) -> None:
    reports = [replace(REPORT, method="threshold_balancing", accuracy=[0.1, 0.2, 0.98765, 0.4321])]
    console = Console(width=max(width, 31))
    with console.capture() as capture:
        console.print(summary(reports))
    text = capture.get()
    assert "…" not in text
    for number in ("98.77", "43.21", "2.00", "0.50", "0.75"):
        assert number in text


@pytest.mark.parametrize("width", [40, 60, 80])
def test_further_lines_of_what_stands_below_a_table_are_indented(width: int) -> None:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(summary([replace(REPORT, steps_to_network_accuracy=None)]))
    _, _, below = capture.get().partition("net, not spiking")
    starts = [line.split(":")[0] for line in below.splitlines()[1:] if not line.startswith("  ")]
    assert starts == ["from step", "never", "all steps, then", "synaptic ops", "energy ratio"]
    assert max(map(len, below.splitlines())) <= width


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "0.00"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (999.4, "999"),
        (999.6, "1.00 k"),
        (4882000, "4.88 M"),
        (2e9, "2.00 G"),
    ],
)
def test_human_numbers(number: float, written: str) -> None:
    assert human(number).replace("\N{NO-BREAK SPACE}", " ") == written


@given(st.floats(min_value=1, max_value=9e14))
def test_human_numbers_keep_three_figures(number: float) -> None:
    digits, _, unit = human(number).partition("\N{NO-BREAK SPACE}")
    size = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[unit]
    assert float(digits) * size == pytest.approx(number, rel=0.0051)
    assert len(digits) <= 4
