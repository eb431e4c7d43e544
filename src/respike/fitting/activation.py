"""Fits few-spikes neurons to any activation function: SiLU, sigmoid, GELU, tanh, Mish, softplus, ELU and others."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from respike.errors import InvalidData, InvalidFile, InvalidOption
from respike.fitting.search import Array, Curve, calls, search
from respike.fitting.store import SHIPPED, cached_at, fit_key, read_fit, write_fit
from respike.ir import Function
from respike.ir.functions import apply_function
from respike.neurons import MOST_STEPS, FittedFewSpikes
from respike.progress import Progress, silent

RESTARTS = 256
"""Random starts of a fit by default."""

_CELLS = 1 << 14
_UNIFORM_SHARE = 1e-3


@dataclass(frozen=True)
class Density:
    """How often the inputs of an activation take which values: a histogram.

    Args:
        edges: of the bins, rising, one more than there are weights.
        weights: of the bins, 0 or more; they need not sum to one.
    """

    edges: tuple[float, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        edges, weights = np.asarray(self.edges), np.asarray(self.weights)
        if len(edges) != len(weights) + 1 or not np.isfinite(edges).all() or not (np.diff(edges) > 0).all():
            raise InvalidData("the edges of a density must be rising finite numbers, one more than its weights")
        if not np.isfinite(weights).all() or (weights < 0).any() or not weights.sum() > 0:
            raise InvalidData("the weights of a density must be finite, not negative, and not all zero")

    @classmethod
    def of(cls, inputs: Tensor, bins: int = 512) -> Density:
        """The density of sampled inputs, of any shape; raises InvalidData where there are none or one is not finite."""
        samples = inputs.detach().double().flatten().cpu().numpy()
        if not len(samples) or not np.isfinite(samples).all():
            raise InvalidData(
                "a density needs at least one input, and all inputs must be finite: check the calibration data"
            )
        weights, edges = np.histogram(samples, bins)
        return cls(tuple(edges.tolist()), tuple(weights.astype(float).tolist()))

    @classmethod
    def normal(cls, mean: float = 0.0, deviation: float = 1.0) -> Density:
        """The normal density, to six standard deviations: what a layer after batch normalisation about sees."""
        edges = torch.linspace(-6, 6, 1025, dtype=torch.float64)
        weights = torch.special.ndtr(edges).diff()
        return cls(tuple((mean + deviation * edges).tolist()), tuple(weights.tolist()))

    @property
    def digest(self) -> str:
        """Names this histogram among the cached fits."""
        numbers = " ".join(float(x).hex() for x in (*self.edges, *self.weights))
        return hashlib.sha256(numbers.encode()).hexdigest()

    def probabilities(self, edges: Array) -> Array:
        """The probability of each cell between `edges`, given that the input lies in one of them."""
        cumulative = np.concatenate([[0.0], np.cumsum(self.weights)])
        mass = np.diff(np.interp(edges, self.edges, cumulative))
        if not mass.sum() > 0:
            raise InvalidData(
                f"the density is zero between {edges[0]:g} and {edges[-1]:g}: choose a range that holds its inputs"
            )
        return np.asarray(mass / mass.sum())


def fit_activation(
    function: Function,
    steps: int,
    *,
    low: float,
    high: float,
    density: Density | None = None,
    seed: int = 0,
    restarts: int = RESTARTS,
    progress: Progress = silent,
    cache: Path | None = None,
) -> FittedFewSpikes:
    """The few-spikes neuron of K steps that is nearest to a function: T, h and d that minimise

        J = ∫ p(x) (f(x) - Σ_t d(t) z_t(x))² dx,   z_t(x) = [x - Σ_{j<t} h(j) z_j(x) ≥ T(t)].

    *Paper* (FS, Discussion): other functions than ReLU are possible; its authors fitted them by gradient descent with a
    surrogate for the spike's derivative and published mean squared errors of 3.4e-3 (Swish, K = 16, on [-8, 12]) and
    1.4e-4 (sigmoid, K = 12, on [-10, 10]). *As built*: d by exact least squares, T and h by BFGS with the exact
    gradient, from many starts (`respike.fitting.search`). `docs/methods/fitting.md` has the errors reached.

    A fit is looked up among those in the package and in the cache before it is made, and kept in the cache. The same
    arguments give the same numbers bit for bit on one machine. Outside [low, high] the error is not controlled.

    Args:
        function: any activation function.
        steps: K, 1 to 24.
        low: lower end of the inputs.
        high: upper end.
        density: how often each input occurs; uniform where not given. A thousandth of the weight is spread over the
            whole range in any case, so that inputs that were never seen are not left to chance.
        seed: of the random numbers.
        restarts: random starts; more of them take longer and find a little better fits.
        progress: called after each part of the search.
        cache: folder of the cached fits, that of the user where not given.

    Raises InvalidOption for numbers out of their range, InvalidData for a density that is zero in [low, high].
    """
    _check(function, steps, low, high, seed, restarts)
    edges = np.linspace(low, high, _CELLS + 1)
    probabilities = np.full(_CELLS, 1 / _CELLS) if density is None else density.probabilities(edges)
    seen = "uniform" if density is None else density.digest
    key = fit_key(function, steps, low, high, seen, seed, restarts)
    place = cached_at(key, cache)
    for path in (SHIPPED, place):
        if known := read_fit(path, key, function, float(low), float(high)):
            return known
    inputs = torch.from_numpy((edges[1:] + edges[:-1]) / 2)
    outputs = apply_function(function, inputs)
    weights = (1 - _UNIFORM_SHARE) * probabilities + _UNIFORM_SHARE / _CELLS
    curve = Curve.of(float(low), float(high), outputs.numpy(), weights)
    doing, done, total = f"fit {type(function).__name__}, {steps} steps", itertools.count(1), calls(restarts)
    found = search(curve, steps, np.random.default_rng(seed), restarts, lambda: progress(doing, next(done), total))
    steady = _steadied(_silent(function, *found, float(low), float(high)), inputs)
    fit = _measured(_solved(steady, inputs, outputs, torch.from_numpy(weights)), inputs, outputs, probabilities)
    with contextlib.suppress(OSError, InvalidFile):  # a cache that cannot be written costs time only
        write_fit(place, key, fit)
    return fit


def _check(function: Function, steps: int, low: float, high: float, seed: int, restarts: int) -> None:
    if not isinstance(function, get_args(Function)):
        names = ", ".join(kind.__name__ for kind in get_args(Function))
        raise InvalidOption(f"{function!r} is no activation function: pass one of respike.ir, {names}")
    if not 1 <= steps <= MOST_STEPS:
        raise InvalidOption(f"a few-spikes neuron has 1 to {MOST_STEPS} steps, not {steps}")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InvalidOption(f"a fit needs a finite range with low < high, not [{low:g}, {high:g}]")
    if seed < 0 or restarts < 1:
        raise InvalidOption(f"a fit needs a seed of 0 or more and at least 1 restart, not {seed} and {restarts}")


def _silent(function: Function, thresholds: Array, resets: Array, low: float, high: float) -> FittedFewSpikes:
    """The neuron without spike values; its last reset is zero, since nothing is fired after it."""
    resets = np.append(resets[:-1], 0.0)
    zeros = (0.0,) * len(thresholds)
    return FittedFewSpikes(function, tuple(thresholds.tolist()), tuple(resets.tolist()), zeros, low, high, math.nan)


def _steadied(neuron: FittedFewSpikes, inputs: Tensor) -> FittedFewSpikes:
    """With steps that fire for all inputs firing far below the range too: they carry a constant, as tanh's -1."""
    _, spikes, _ = neuron.fire_window(inputs, torch.ones((), dtype=inputs.dtype))
    always = (spikes == 1).all(dim=1).tolist()
    far = neuron.low - 10 * (neuron.high - neuron.low) - sum(abs(reset) for reset in neuron.resets)
    bounds = zip(neuron.thresholds, always, strict=True)
    return replace(neuron, thresholds=tuple(far if fires else bound for bound, fires in bounds))


def _solved(neuron: FittedFewSpikes, inputs: Tensor, outputs: Tensor, weights: Tensor) -> FittedFewSpikes:
    """With the spike values of least squares, from the spikes that the neuron's definition fires."""
    _, spikes, _ = neuron.fire_window(inputs, torch.ones((), dtype=inputs.dtype))
    root = weights.sqrt()
    # Of all solutions the smallest: a step that never fires gets the value 0.
    solution = torch.linalg.lstsq((spikes * root).T, (outputs * root).unsqueeze(1), rcond=1e-9, driver="gelsd")
    return replace(neuron, values=tuple(solution.solution.squeeze(1).tolist()))


def _measured(neuron: FittedFewSpikes, inputs: Tensor, outputs: Tensor, probabilities: Array) -> FittedFewSpikes:
    """With its error under the density itself."""
    _, _, delivered = neuron.fire_window(inputs, torch.ones((), dtype=inputs.dtype))
    return replace(neuron, error=float((delivered - outputs).square() @ torch.from_numpy(probabilities)))
