"""The figure of accuracy over time, and how files are written."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from report.samples import REPORT
from respike.drawing import Style
from respike.errors import InvalidOption
from respike.report import accuracy_over_time, save

LONG = replace(
    REPORT,
    method="model_norm",
    steps=1000,
    latency=1000,
    accuracy=[0.1] * 999 + [0.98],
    energy_over_time=[0.1] * 1000,
    margin=[0.5] * 1000,
    steps_to_network_accuracy=1000,
)


def test_a_panel_for_each_network_and_a_curve_for_each_method() -> None:
    figure = accuracy_over_time([REPORT, LONG, replace(REPORT, network="other")])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["net", "other"]
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]  # type: ignore[union-attr]
    assert labels == ["network  98.00 %", "fit  98.00 % at 3", "model_norm  98.00 % at 1000"]
    assert figure.axes[0].get_xlabel() == "time steps"


def test_an_output_that_comes_at_the_end_is_drawn_there() -> None:
    """Few-spikes networks have one step, and their output after K steps for each layer."""
    few = replace(
        REPORT,
        steps=1,
        latency=16,
        accuracy=[0.98],
        margin=[0.9],
        energy_over_time=[0.75],
        steps_to_network_accuracy=16,
    )
    axes = accuracy_over_time([few]).axes[0]
    assert [list(line.get_xdata()) for line in axes.lines[1:]] == [[16], [16]]  # type: ignore[arg-type]
    assert axes.get_xlim() == (1, 16)


def test_many_methods_look_different() -> None:
    styles = [Style.of(number) for number in range(49)]
    assert len({(style.colour, style.dash) for style in styles}) == 49
    assert len({(style.colour, style.marker) for style in styles}) == 49


def test_steps_are_logarithmic_only_where_they_span_much() -> None:
    assert accuracy_over_time([REPORT]).axes[0].get_xscale() == "linear"
    assert accuracy_over_time([REPORT, LONG]).axes[0].get_xscale() == "log"


def test_a_method_has_one_colour_in_all_panels() -> None:
    other = replace(REPORT, network="other", method="model_norm")
    figure = accuracy_over_time([REPORT, LONG, other])
    assert figure.axes[0].lines[3].get_color() == figure.axes[1].lines[1].get_color()


@pytest.mark.parametrize("accuracy", [[0.0] * 4, [1.0] * 4])
def test_the_extremes_can_be_drawn(accuracy: list[float], tmp_path: Path) -> None:
    save(accuracy_over_time([replace(REPORT, accuracy=accuracy, network_accuracy=accuracy[0])]), tmp_path / "a.png")


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_the_suffix_is_the_format(name: str, start: bytes, tmp_path: Path) -> None:
    save(accuracy_over_time([REPORT]), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"must end in \.png or \.svg"):
        save(accuracy_over_time([REPORT]), tmp_path / "a.jpeg")
    assert not list(tmp_path.iterdir())


def test_the_global_state_of_matplotlib_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)  # others may have brought it
    accuracy_over_time([REPORT])
    assert "matplotlib.pyplot" not in sys.modules
