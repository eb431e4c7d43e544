"""Tables and lists fit every terminal: no number is cut, no word broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from cli.running import Runner
from networks import images
from respike import SpikingNetwork, diagnose, methods
from respike.cli import console
from respike.cli.tables import diagnosed
from respike.cli.tables.grid import Column, Grid, Kind, Row

NARROW = (40, 80)
TOKENS = st.text("abcxyz019.-", min_size=1, max_size=12)
CELLS = {
    Kind.NUMBER: st.one_of(st.just(""), st.floats(-1e6, 1e6).map(lambda number: f"{number:,.2f}")),
    Kind.WORD: TOKENS,
    Kind.NAME: TOKENS,
    Kind.TEXT: st.lists(TOKENS, max_size=6).map(" ".join),
}


def _drawn(what: RenderableType, width: int) -> str:
    drawing = Console(width=width)
    with drawing.capture() as capture:
        drawing.print(what)
    return capture.get()


def _words(text: str) -> set[str]:
    return {word for word in text.split() if not set(word) <= set("─")}


def _below_the_headings(text: str) -> set[str]:
    """The words of a wide drawing, without the headings: those are written otherwise where rows become lines."""
    return _words(re.split("─{3,}", text)[-1])


def _assert_whole(wide: str, narrow: str, width: int) -> None:
    assert "…" not in narrow
    assert max(map(len, narrow.splitlines())) <= width
    missing = _below_the_headings(wide) - _words(narrow)
    assert not {word for word in missing if len(word) <= width - 4}


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Columns of all kinds, and rows under them."""
    kinds = [Kind.NAME, *draw(st.lists(st.sampled_from(Kind), max_size=8))]
    columns = [Column(draw(TOKENS), kind) for kind in kinds]
    rows = [Row([draw(CELLS[kind]) for kind in kinds]) for _ in range(draw(st.integers(1, 4)))]
    return Grid(columns, rows, gap=draw(st.integers(1, 2)))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(grids(), st.integers(30, 130))
def test_a_grid_keeps_every_cell_whole(what: Grid, width: int) -> None:
    _assert_whole(_drawn(what, 400), _drawn(what, width), width)


def test_rows_become_lines_only_where_columns_have_no_room() -> None:
    columns = [Column("layer", Kind.NAME), Column("synaptic\nops"), Column("energy\nratio")]
    what = Grid(columns, [Row(("conv1", "1.23\N{NO-BREAK SPACE}M", "0.75"))])
    needed = len("layer") + len("synaptic") + len("energy") + 2
    assert "synaptic ops" not in _drawn(what, needed)
    lines = [line.split() for line in _drawn(what, needed - 1).splitlines()]
    assert lines == [["conv1"], ["synaptic", "ops:"], ["1.23", "M"], ["energy", "ratio", "0.75"]]


def test_long_names_go_on_in_the_next_line() -> None:
    name = "backbone.features.stage3.block11.depthwise.activation"
    columns = [Column("layer", Kind.NAME), *(Column(f"number {place}") for place in range(4))]
    text = _drawn(Grid(columns, [Row((name, "1", "2", "3", "4"))]), 60)
    assert "number 0" in text.splitlines()[0]
    pieces = [line.split()[0] for line in text.splitlines()[2:]]
    assert "".join(pieces) == name


@pytest.mark.parametrize(
    "words",
    [
        ("networks",),
        ("methods",),
        ("methods", "canonic_spikes"),
        ("refinements",),
        ("inspect", "mnist-cnn"),
        ("data", "list"),
        ("check", "mnist-cnn", "--method", "max_norm", "--target", "loihi2"),
    ],
)
def test_commands_fit(words: tuple[str, ...], respike: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {}
    for width in (*NARROW, 400):
        monkeypatch.setenv("COLUMNS", str(width))
        texts[width] = respike(*words).out
    for width in NARROW:
        _assert_whole(texts[400], texts[width], width)


@pytest.mark.parametrize("width", NARROW)
def test_diagnoses_fit(width: int) -> None:
    from diagnosis.test_diagnosis_rules import NETWORK

    given = images(NETWORK, 60)
    plan = methods.percentile_norm(NETWORK, given, steps=4, percentile=60.0)
    found = diagnosed(diagnose(SpikingNetwork(NETWORK, plan), given, NETWORK(given).argmax(1)))
    _assert_whole(_drawn(found, 400), _drawn(found, width), width)


@pytest.mark.parametrize("width", NARROW)
def test_fronts_fit(width: int, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed")
    from respike.cli.tables.tuned import front
    from tuning.test_tuning import search

    found = front(search(tmp_path, 4), "small, 60 training images")
    _assert_whole(_drawn(found, 400), _drawn(found, width), width)


def test_where_nobody_watches_a_line_is_written_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    time = 0.0
    lines = console.Lines(lambda: time)
    for done in range(101):
        time = done
        lines("data_norm", 100 * done, 10_000)
    lines("searching", 3, None)
    between = int(console.SECONDS_BETWEEN_LINES)
    wanted = [f"data_norm: {100 * at:,} of 10,000 after {at} s" for at in range(between, 101, between)]
    assert capsys.readouterr().err.splitlines() == wanted


def test_what_is_done_soon_is_done_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress() as progress:
        progress("planning", 0, None)
        progress("planning", 5, 10)
    assert capsys.readouterr().err == ""


def test_commands_that_last_tell_it(respike: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "SECONDS_BETWEEN_LINES", 0.0)
    outcome = respike("evaluate", "mnist-mlp", "--method", "max_norm", "--steps", 2, "--limit", 64)
    assert outcome.code == 0
    assert "64 of 64 after" in outcome.err


def test_messages_break_between_words_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    message = " ".join(["representative"] * 20)
    for terminal in (False, True):
        drawing = Console(width=40, force_terminal=terminal, no_color=True)
        monkeypatch.setattr(console, "ERR", drawing)
        with drawing.capture() as capture:
            console.error(message)
        lines = capture.get().splitlines()
        assert (len(lines) > 1) == terminal
        assert all(
            word in ("error:", "representative") for line in lines for word in re.sub("\x1b.*?m", "", line).split()
        )
