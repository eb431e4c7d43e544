"""The page's figures for papers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from report.page_samples import HOSTILE, TAG, page_data
from respike.errors import InvalidFile
from respike.report.page_data import PageData
from respike.report.page_figures import PANELS, page_figures, rates, save_figures, spikes_per_layer


def _plain() -> PageData:
    """The sample under names that a file can have, one method of it."""
    method = page_data().methods[0]
    return replace(page_data(), classes=tuple("abcd"), methods=(method,), network="net")


def test_every_figure_is_there_once() -> None:
    names = [name for name, _ in page_figures(_plain())]
    shared = ["accuracy-over-time", "accuracy-against-energy", "activations", "spikes-per-layer"]
    assert names == shared + [f"{kind}-steady" for kind in ("rates", "membranes", "raster", "confusion")]


def test_figures_are_written_as_png_and_svg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = [("spikes", spikes_per_layer(_plain()))]
    monkeypatch.setattr("respike.report.page_figures.page_figures", lambda _: some)
    folder = tmp_path / "new"
    assert save_figures(_plain(), folder) == [folder / "spikes.png", folder / "spikes.svg"]
    assert (folder / "spikes.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "spikes.svg").read_bytes().startswith(b"<?xml")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="cannot make the folder"):
        save_figures(_plain(), tmp_path / "a" / "b")


def test_a_scatter_shows_the_sampled_points_and_the_correlation() -> None:
    figure = rates(page_data(), 0)
    run = page_data().methods[0].layers[1]
    assert run is not None
    axes = figure.axes[1]
    assert axes.collections[0].get_offsets().shape == (len(run.activations), 2)  # type: ignore[union-attr]
    assert axes.get_title(loc="right") == f"r = {run.correlation:.4f}"
    assert [axes.get_title(loc="left") for axes in figure.axes] == [HOSTILE, TAG]


def test_spikes_stand_beside_what_activations_would_send() -> None:
    lines = spikes_per_layer(page_data()).axes[0].lines
    drawn = [list(line.get_ydata()) for line in lines]  # type: ignore[arg-type]
    wanted: list[list[float | None]] = []
    for method in page_data().methods:
        runs = [run for run in method.layers if run is not None]
        wanted.append([run.spikes for run in runs])
        if runs[0].expected is not None:
            wanted.append([run.expected for run in runs])
    assert drawn == wanted


def test_a_deep_network_gives_as_many_panels_as_fit() -> None:
    data = _plain()
    layers = tuple(replace(data.layers[0], name=str(number)) for number in range(30))
    method = replace(data.methods[0], layers=(data.methods[0].layers[0],) * 30)
    titles = [axes.get_title(loc="left") for axes in rates(replace(data, layers=layers, methods=(method,)), 0).axes]
    assert len(titles) == PANELS
    assert (titles[0], titles[-1]) == ("0", "29")
