"""What reports and recordings draw of themselves."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from torch import Tensor, nn

import respike
from report.samples import REPORT
from respike import Probe, Recording, SpikingNetwork, methods
from respike.drawing import drawn
from respike.errors import InvalidOption, UnknownName


def recording(spikes: Tensor) -> Recording:
    """One population's spikes, `[steps, batch, *shape]`."""
    return Recording(torch.zeros(len(spikes), spikes.shape[1], 2), {}, {}, {}, {"relu": spikes}, {})


def drawn_spikes(axes: Any) -> set[tuple[int, int, int]]:
    """Step, neuron and sign of every line."""
    signed = zip((1, -1), axes.collections, strict=True)
    return {
        (round(segment[0][0]), round(segment[:, 1].mean()), sign)
        for sign, lines in signed
        for segment in lines.get_segments()
    }


@given(st.integers(1, 5), st.integers(1, 3), st.data())
def test_a_raster_has_a_line_for_each_spike_and_no_other(steps: int, batch: int, data: st.DataObject) -> None:
    values = st.lists(st.integers(-2, 2), min_size=steps * batch * 6, max_size=steps * batch * 6)
    spikes = torch.tensor(data.draw(values), dtype=torch.float32).reshape(steps, batch, 2, 3)
    image = data.draw(st.integers(0, batch - 1))
    wanted = {
        (step + 1, 3 * row + column, int(spikes[step, image, row, column].sign()))
        for step in range(steps)
        for row in range(2)
        for column in range(3)
        if spikes[step, image, row, column]
    }
    assert drawn_spikes(recording(spikes).raster("relu", image)) == wanted


def test_what_was_not_kept_can_be_kept_as_the_error_says() -> None:
    torch.manual_seed(0)
    images = torch.rand(3, 6)
    network = respike.load(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)).eval(), images)
    spiking = SpikingNetwork(network, methods.max_norm(network, images, steps=5))
    found = respike.simulate(spiking, images)
    (name,) = found.spike_counts
    with pytest.raises(InvalidOption, match="were not kept: simulate with ") as error:
        found.raster(name)
    probe = eval(str(error.value).rpartition("simulate with ")[2], {"Probe": Probe})
    found = respike.simulate(spiking, images, probe)
    assert len(drawn_spikes(found.raster(name, 2))) == int(found.spike_counts[name][2].sum()) > 0
    with pytest.raises(InvalidOption, match="image must be 0 to 2, got 3"):
        found.raster(name, 3)
    with pytest.raises(UnknownName, match="unknown population"):
        found.raster("nothing")


@pytest.mark.parametrize(("against", "across"), [("time", [1, 2, 3, 4]), ("energy", list(REPORT.energy_over_time))])
def test_a_report_draws_its_accuracy(against: str, across: list[float]) -> None:
    axes = REPORT.plot(against)
    curves = [line for line in axes.lines if list(line.get_xdata()) == across]  # type: ignore[arg-type]
    assert [list(line.get_ydata()) for line in curves] == [[drawn(value) for value in REPORT.accuracy]]  # type: ignore[arg-type]
    head = REPORT.headline
    place = [head.step if against == "time" else head.energy_ratio]
    marks = [list(line.get_ydata()) for line in axes.lines if list(line.get_xdata()) == place]  # type: ignore[arg-type]
    assert [drawn(head.accuracy)] in marks


def test_they_draw_where_they_are_told_to() -> None:
    figure = Figure()
    axes = figure.subplots()
    assert REPORT.plot(axes=axes) is axes
    assert recording(torch.ones(2, 1, 3)).raster("relu", axes=axes) is axes


def test_one_step_and_no_method_are_drawn() -> None:
    """Few-spikes networks have one accuracy, plans made by hand no name."""
    few = replace(REPORT, method="", steps=1, latency=16, accuracy=[0.98], energy_over_time=[0.75], margin=[0.9])
    few = replace(few, steps_to_network_accuracy=16)
    for against in ("time", "energy"):
        assert few.plot(against).lines
    assert "by hand" in [text.get_text() for text in few.plot("energy").texts]


def test_an_unknown_axis_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'energy'"):
        REPORT.plot("energie")


def test_the_global_state_of_matplotlib_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)  # others may have brought it
    REPORT.plot()
    recording(torch.ones(2, 1, 3)).raster("relu")
    assert "matplotlib.pyplot" not in sys.modules
