"""Fitted few-spikes neurons: the search, its optimality, the published bounds, the cache."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from respike.errors import InvalidData, InvalidOption
from respike.fitting import Density, fit_activation
from respike.fitting.activation import RESTARTS
from respike.fitting.defaults import RANGES, STEPS, FitRange
from respike.fitting.search import Array, Curve, descend, error_and_gradient
from respike.ir import Function, ReLU, Sigmoid, SiLU, Tanh
from respike.ir.functions import apply_function
from respike.neurons import FittedFewSpikes

ONE = torch.ones((), dtype=torch.float64)


def shipped(at: FitRange, steps: int) -> FittedFewSpikes:
    return fit_activation(at.function, steps, low=at.low, high=at.high, cache=Path("never-written"))


def error_on(neuron: FittedFewSpikes, inputs: Tensor, weights: Tensor | None = None) -> float:
    _, _, delivered = neuron.fire_window(inputs, torch.ones((), dtype=inputs.dtype))
    square = (delivered - apply_function(neuron.function, inputs)).square()
    return float(square.mean() if weights is None else square @ weights / weights.sum())


def by_definition(row: Array, inputs: Array, outputs: Array) -> float:
    """Error of the best spike values, from the equations of the neuron, point by point."""
    steps = len(row) // 2
    potential, spikes = inputs.copy(), []
    for threshold, reset in row.reshape(2, steps).T:
        spikes.append((potential >= threshold).astype(float))
        potential = potential - reset * spikes[-1]
    design = np.stack(spikes, 1)
    values = np.linalg.lstsq(design, outputs, rcond=None)[0]
    return float(((design @ values - outputs) ** 2).mean())


def silu_curve(cells: int = 4000) -> tuple[Curve, Array, Array]:
    edges = np.linspace(-4.0, 6.0, cells + 1)
    inputs = (edges[1:] + edges[:-1]) / 2
    outputs = inputs / (1 + np.exp(-inputs))
    return Curve.of(-4.0, 6.0, outputs, np.full(cells, 1 / cells)), inputs, outputs


@given(st.integers(1, 7), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_error_of_a_candidate_is_that_of_the_definition(steps: int, seed: int) -> None:
    curve, inputs, outputs = silu_curve()
    rows = np.random.default_rng(seed).normal(0, 2, (3, 2 * steps))
    errors, _ = error_and_gradient(rows, curve)
    assert errors == pytest.approx([by_definition(row, inputs, outputs) for row in rows], rel=0.01, abs=0.01)


def test_gradient_is_the_slope_of_the_error() -> None:
    curve, _, _ = silu_curve(200_000)
    rows = np.random.default_rng(3).normal(0, 2, (5, 8))
    _, gradient = error_and_gradient(rows, curve)
    for i in range(8):
        # Longer than the narrowest piece (10 / 8192), so that its jumps average out.
        move = 4e-3 * np.eye(8)[i]
        slope = (error_and_gradient(rows + move, curve)[0] - error_and_gradient(rows - move, curve)[0]) / 8e-3
        assert gradient[:, i] == pytest.approx(slope, abs=0.03 * np.abs(gradient).max())


def test_descent_never_raises_the_error() -> None:
    curve, _, _ = silu_curve()
    rows = np.random.default_rng(0).normal(0, 2, (20, 12))
    before, _ = error_and_gradient(rows, curve)
    found, after = descend(rows, curve, 20)
    assert (after <= before).all()
    assert np.median(after / before) < 0.5
    assert error_and_gradient(found, curve)[0] == pytest.approx(after)


def test_the_published_fits_are_beaten() -> None:
    swish, sigmoid = shipped(RANGES[0], 16), shipped(RANGES[1], 12)
    assert (swish.function, sigmoid.function) == (SiLU(), Sigmoid())
    for dtype in (torch.float32, torch.float64):
        assert error_on(swish, torch.linspace(-8, 12, 20_001, dtype=dtype)) < 3.4e-3 / 4
        assert error_on(sigmoid, torch.linspace(-10, 10, 20_001, dtype=dtype)) < 1.4e-4 / 4


@pytest.mark.parametrize("at", RANGES, ids=lambda at: type(at.function).__name__)
def test_shipped_errors_are_honest_and_fall_with_the_steps(at: FitRange) -> None:
    fits = [shipped(at, steps) for steps in STEPS]
    grid = torch.linspace(at.low, at.high, 20_001, dtype=torch.float64)
    assert [fit.steps for fit in fits] == list(STEPS)
    assert [error_on(fit, grid) for fit in fits] == pytest.approx([fit.error for fit in fits], rel=0.03)
    assert all(more.error < fewer.error for fewer, more in itertools.pairwise(fits))


@pytest.mark.parametrize("at", RANGES, ids=lambda at: type(at.function).__name__)
def test_no_spike_value_can_be_bettered(at: FitRange) -> None:
    fit = shipped(at, 8)
    edges = torch.linspace(at.low, at.high, (1 << 14) + 1, dtype=torch.float64)
    middles = (edges[1:] + edges[:-1]) / 2
    _, spikes, delivered = fit.fire_window(middles, ONE)
    residual = delivered - apply_function(at.function, middles)
    assert float((spikes @ residual).abs().max()) / len(middles) < 1e-9


@pytest.mark.parametrize("at", RANGES, ids=lambda at: type(at.function).__name__)
def test_outside_the_range_the_ends_go_on(at: FitRange) -> None:
    fit, width = shipped(at, 8), at.high - at.low
    places = torch.tensor([at.low, at.low - width, at.low - 5 * width, at.high, at.high + width], dtype=torch.float64)
    outputs = fit.fire_window(places, ONE)[2]
    assert outputs[1:3] == pytest.approx(outputs[0].expand(2), abs=1e-12)
    assert outputs[4] == pytest.approx(float(outputs[3]), abs=1e-12)


@pytest.fixture
def short_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("respike.fitting.search.CHAINS", 8)
    monkeypatch.setattr("respike.fitting.search.ROUNDS", 3)


def small(function: Function, cache: Path, **options: Any) -> FittedFewSpikes:
    return fit_activation(function, **{"steps": 2, "low": -4.0, "high": 4.0, "restarts": 1, "cache": cache, **options})


@pytest.mark.usefixtures("short_search")
def test_a_seed_repeats_bit_for_bit(tmp_path: Path) -> None:
    first, again = (small(Sigmoid(), tmp_path / name, seed=5) for name in "ab")
    assert first == again
    assert small(Sigmoid(), tmp_path / "c", seed=6) != first


@pytest.mark.usefixtures("short_search")
def test_a_relu_comes_out_as_a_binary_quantiser(tmp_path: Path) -> None:
    fit = small(ReLU(), tmp_path, steps=4)
    unit = 4 / 15.5  # the lowest and the highest of the 16 levels round to one side only
    assert fit.error == pytest.approx(unit**2 / 12 * 15.5 * unit / 8, rel=1e-3)
    assert fit.values == pytest.approx([8 * unit, 4 * unit, 2 * unit, unit], rel=1e-2)
    assert fit.resets[:-1] == pytest.approx(fit.values[:-1], rel=1e-2)


@pytest.mark.usefixtures("short_search")
def test_a_density_is_fitted_to(tmp_path: Path) -> None:
    density = Density.normal(1.0, 0.5)
    fit = small(SiLU(), tmp_path, density=density)
    even = small(SiLU(), tmp_path)
    middles = torch.tensor(density.edges, dtype=torch.float64)[:-1] + (density.edges[1] - density.edges[0]) / 2
    weights = torch.tensor(density.weights, dtype=torch.float64)
    seen = error_on(fit, middles, weights)
    assert seen == pytest.approx(fit.error, rel=0.02)
    assert seen < error_on(even, middles, weights) / 2


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=50))
@settings(max_examples=50)
def test_density_of_samples_counts_them(samples: list[float]) -> None:
    density = Density.of(torch.tensor(samples, dtype=torch.float64), bins=7)
    assert sum(density.weights) == len(samples)
    assert density.probabilities(np.asarray(density.edges)) == pytest.approx(np.array(density.weights) / len(samples))
    whole = density.probabilities(np.linspace(-4, 4, 33))
    assert (whole >= 0).all()
    assert whole.sum() == pytest.approx(1)


@pytest.mark.usefixtures("short_search")
def test_a_fit_is_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = small(Sigmoid(), tmp_path)
    (file,) = tmp_path.iterdir()
    monkeypatch.setattr("respike.fitting.activation.search", lambda *_: pytest.fail("searched again"))
    assert small(Sigmoid(), tmp_path) == fit
    with pytest.raises(pytest.fail.Exception, match="searched again"):
        small(Sigmoid(), tmp_path, seed=1)
    with pytest.raises(pytest.fail.Exception, match="searched again"):
        small(Sigmoid(), tmp_path, density=Density.normal())
    assert list(tmp_path.iterdir()) == [file]


def emptied(text: str) -> str:
    return ""


def cut_off(text: str) -> str:
    return text[: len(text) // 2]


def of_another_kind(text: str) -> str:
    return "[1, 2]"


def with_a_nan(text: str) -> str:
    ((key, record),) = json.loads(text).items()
    return json.dumps({key: {**record, "values": ["nan"]}})


def too_short(text: str) -> str:
    ((key, record),) = json.loads(text).items()
    return json.dumps({key: {**record, "values": []}})


def with_plain_numbers(text: str) -> str:
    ((key, record),) = json.loads(text).items()
    return json.dumps({key: {**record, "values": [1]}})


@pytest.fixture
def cached(tmp_path_factory: pytest.TempPathFactory, short_search: None) -> tuple[FittedFewSpikes, str]:
    folder = tmp_path_factory.mktemp("fits")
    fit = small(Tanh(), folder, steps=1)
    (file,) = folder.iterdir()
    return fit, file.read_text()


@pytest.mark.parametrize("damage", [str, emptied, cut_off, of_another_kind, with_a_nan, too_short, with_plain_numbers])
def test_a_broken_cache_file_is_replaced(
    damage: Callable[[str], str],
    cached: tuple[FittedFewSpikes, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fit, text = cached
    searches = []

    def found(*_: object) -> tuple[Array, Array]:
        searches.append(1)
        return np.array(fit.thresholds), np.array(fit.resets)

    monkeypatch.setattr("respike.fitting.activation.search", found)
    small(Tanh(), tmp_path, steps=1)
    (file,) = tmp_path.iterdir()
    file.write_text(damage(text))
    assert small(Tanh(), tmp_path, steps=1) == fit
    assert len(searches) == (1 if damage is str else 2)
    assert file.read_text() == text


@pytest.mark.usefixtures("short_search")
def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, cached: tuple[FittedFewSpikes, str]) -> None:
    (tmp_path / "file").write_text("")
    assert small(Tanh(), tmp_path / "file", steps=1) == cached[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "1 to 24 steps"),
        ({"steps": 25}, "1 to 24 steps"),
        ({"low": 4.0}, "low < high"),
        ({"high": math.inf}, "finite range"),
        ({"low": math.nan}, "finite range"),
        ({"seed": -1}, "seed"),
        ({"restarts": 0}, "restart"),
        ({"function": SiLU}, "no activation function.*SiLU"),
        ({"function": "silu"}, "no activation function"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=words):
        small(**{"function": SiLU(), "cache": tmp_path, **options})
    assert RESTARTS >= 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "density",
    [
        lambda: Density.of(torch.empty(0)),
        lambda: Density.of(torch.tensor([1.0, math.nan])),
        lambda: Density((0.0, 1.0), ()),
        lambda: Density((0.0, 1.0), (0.0,)),
        lambda: Density((0.0, 1.0), (math.nan,)),
        lambda: Density((0.0, 1.0, 2.0), (2.0, -1.0)),
        lambda: Density((1.0, 0.0), (1.0,)),
        lambda: Density((0.0, math.inf), (1.0,)),
    ],
)
def test_wrong_densities_are_refused(density: Callable[[], Density]) -> None:
    with pytest.raises(InvalidData, match="density"):
        density()


def test_a_density_outside_the_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="choose a range"):
        small(SiLU(), tmp_path, density=Density((10.0, 11.0), (1.0,)))
