"""The search behind `fit_activation`: thresholds and resets by descent, spike values by least squares.

The inputs that share their first spikes form an interval: given z(1) … z(t-1), step t fires where

    x ≥ b,   b = T(t) + Σ_{j<t} h(j) z(j).

So K steps cut the range into pieces, the leaves of a tree, and the neuron is constant on each. With p the density of
the inputs, the error `J = ∫ p (f - Σ d(t) z(t))²` is a sum over the pieces; it needs the cumulative integrals of p and
p·f only, which are tabulated. The best d is linear least squares, so only T and h are searched for (variable
projection). J is continuous in both, and a breakpoint between two pieces with the values c and c' gives its gradient,

    dJ/db = p(b) ((f(b) - c)² - (f(b) - c')²),   db/dT(t) = 1,   db/dh(j) = z(j) for j < t.

It is exact: no surrogate for the derivative of a spike is needed.

Rows are candidates, `[T(1 … K), h(1 … K)]`; all functions work on many candidates at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

CHAINS = 64
"""Candidates that are improved together; their number is halved after every `ROUNDS` changes."""
SURVIVORS = 4
ROUNDS = 10
DESCENT = 30
LAST_DESCENT = 200
_NARROWEST = 2.0**-13  # share of the range: no narrower piece is cut off, which bounds their number


@dataclass(frozen=True, eq=False)
class Curve:
    """A function and the density of its inputs on `cells` equal cells of [low, high], as cumulative integrals.

    `mass` and `moment` are the integrals of p and p·f up to the cells' edges `[cells + 1]`, `values` is f in the cells
    and `power` the integral of p·f².
    """

    low: float
    high: float
    values: Array
    mass: Array
    moment: Array
    power: float

    @classmethod
    def of(cls, low: float, high: float, values: Array, probabilities: Array) -> Curve:
        """The curve with these values and probabilities in its cells `[cells]`."""
        mass = np.concatenate([[0.0], probabilities.cumsum()])
        moment = np.concatenate([[0.0], (probabilities * values).cumsum()])
        return cls(low, high, values, mass, moment, float(probabilities @ values**2))

    @property
    def width(self) -> float:
        """Of the range."""
        return self.high - self.low

    def at(self, x: Array) -> tuple[Array, Array, Array, Array]:
        """The integrals of p and p·f up to x, the density p there, and f."""
        cells = len(self.values)
        position = (x - self.low) * (cells / self.width)
        cell = np.clip(position.astype(np.int64), 0, cells - 1)
        inside = self.mass[cell + 1] - self.mass[cell]
        part, value = inside * (position - cell), self.values[cell]
        return self.mass[cell] + part, self.moment[cell] + part * value, inside * (cells / self.width), value

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Random inputs of the density."""
        edges = np.linspace(self.low, self.high, len(self.mass))
        return np.asarray(np.interp(rng.random(count) * self.mass[-1], self.mass, edges))


@dataclass(frozen=True, eq=False)
class _Pieces:
    """The pieces of all candidates, sorted by candidate and then by input.

    `owner` is the candidate, `left` the left end, `step` the step whose threshold put it there (0 at the range's end)
    and `spikes` `[pieces, K]` says which steps fire. `first` is the first piece of each candidate.
    """

    owner: Integers
    left: Array
    step: Integers
    spikes: Array
    first: Integers


def error_and_gradient(candidates: Array, curve: Curve) -> tuple[Array, Array]:
    """The error of each candidate with its best spike values, `[rows]`, and its gradient, `[rows, 2 K]`."""
    rows, steps = len(candidates), candidates.shape[1] // 2
    pieces = _pieces(candidates[:, :steps], candidates[:, steps:], curve)
    mass, moment, density, value = curve.at(pieces.left)
    mass, moment = _between(mass, curve.mass[-1], pieces.first), _between(moment, curve.moment[-1], pieces.first)
    level = _levels(pieces, mass, moment)
    error = curve.power + np.add.reduceat(level * (level * mass - 2 * moment), pieces.first)
    slope = np.zeros_like(level)
    slope[1:] = density[1:] * ((level[:-1] - value[1:]) ** 2 - (level[1:] - value[1:]) ** 2)
    slope[pieces.first] = 0.0  # the ends of the range stay where they are
    thresholds = np.bincount(pieces.owner * steps + pieces.step, slope, rows * steps).reshape(rows, steps)
    earlier = np.arange(steps) < pieces.step[:, None]
    resets = np.add.reduceat(slope[:, None] * pieces.spikes * earlier, pieces.first, axis=0)
    return error, np.concatenate([thresholds, resets], axis=1)


def _pieces(thresholds: Array, resets: Array, curve: Curve) -> _Pieces:
    rows, steps = thresholds.shape
    owner, code, step = np.arange(rows), np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    left, right, taken = np.full(rows, curve.low), np.full(rows, curve.high), np.zeros(rows)
    narrow = curve.width * _NARROWEST
    for t in range(steps):
        bound = taken + thresholds[owner, t]
        below = bound > left + narrow
        above = ~below | (right > bound + narrow)
        cut, low, up = below & above, np.flatnonzero(below), np.flatnonzero(above)
        step = np.concatenate([step[low], np.where(cut, t, step)[up]])
        left, right = (
            np.concatenate([left[low], np.where(cut, bound, left)[up]]),
            np.concatenate([np.where(cut, bound, right)[low], right[up]]),
        )
        taken = np.concatenate([taken[low], taken[up] + resets[owner[up], t]])
        code = np.concatenate([code[low], code[up] | (1 << t)])
        owner = np.concatenate([owner[low], owner[up]])
    order = np.lexsort((left, owner))
    owner = owner[order]
    spikes = ((code[order, None] >> np.arange(steps)) & 1).astype(np.float64)
    return _Pieces(owner, left[order], step[order], spikes, np.searchsorted(owner, np.arange(rows)))


def _between(at_left: Array, total: float, first: Integers) -> Array:
    """The integral over each piece, from the integrals up to the left ends."""
    at_right = np.append(at_left[1:], total)
    at_right[first[1:] - 1] = total
    return np.asarray(at_right - at_left)


def _levels(pieces: _Pieces, mass: Array, moment: Array) -> Array:
    """What the best spike values deliver on each piece."""
    steps = pieces.spikes.shape[1]
    weighted = pieces.spikes * mass[:, None]
    spans = zip(pieces.first, [*pieces.first[1:], len(pieces.owner)], strict=True)
    gram = np.stack([pieces.spikes[start:stop].T @ weighted[start:stop] for start, stop in spans])
    right = np.add.reduceat(pieces.spikes * moment[:, None], pieces.first, axis=0)
    # A step that never fires, or fires like another, leaves the system singular.
    ridge = 1e-10 * np.trace(gram, axis1=1, axis2=2) + 1e-200
    values = np.linalg.solve(gram + ridge[:, None, None] * np.eye(steps), right[..., None])[..., 0]
    levels: Array = (pieces.spikes * values[pieces.owner]).sum(axis=1)
    return levels


def descend(candidates: Array, curve: Curve, iterations: int) -> tuple[Array, Array]:
    """BFGS on every candidate at once, each with a step length of its own; returns candidates and errors."""
    at, size = candidates.copy(), candidates.shape[1]
    error, gradient = error_and_gradient(at, curve)

    def steepest(slope: Array) -> Array:
        largest = np.abs(slope).max(axis=1) + 1e-300
        return np.asarray(np.eye(size) * (0.005 * curve.width / largest)[:, None, None])

    inverse = steepest(gradient)
    fresh, length, live = np.ones(len(at), bool), np.ones(len(at)), np.arange(len(at))
    for _ in range(iterations):
        if not len(live):
            break
        direction = -np.einsum("rij,rj->ri", inverse[live], gradient[live])
        move = length[live, None] * direction
        new_error, new_gradient = error_and_gradient(at[live] + move, curve)
        better = new_error < error[live] + 1e-4 * (move * gradient[live]).sum(axis=1)
        taken, change = live[better], new_gradient[better] - gradient[live[better]]
        at[taken] += move[better]
        error[taken], gradient[taken], length[taken] = new_error[better], new_gradient[better], 1.0
        curved = (move[better] * change).sum(axis=1) > 1e-12 * np.linalg.norm(move[better], axis=1) * np.linalg.norm(
            change, axis=1
        )
        _update(inverse, fresh, taken[curved], move[better][curved], change[curved])
        length[live[~better]] *= 0.3
        stuck = live[length[live] < 1e-3]
        live = np.setdiff1d(live, stuck[fresh[stuck]])
        again = stuck[~fresh[stuck]]
        inverse[again], fresh[again], length[again] = steepest(gradient[again]), True, 1.0
    return at, error


def _update(inverse: Array, fresh: npt.NDArray[np.bool_], rows: Integers, move: Array, change: Array) -> None:
    """The BFGS update of some rows' inverse Hessians, in place."""
    curvature = (move * change).sum(axis=1)
    scale = curvature / (change * change).sum(axis=1)
    new = fresh[rows]
    inverse[rows[new]] = np.eye(move.shape[1]) * scale[new, None, None]
    fresh[rows] = False
    image = np.einsum("rij,rj->ri", inverse[rows], change)
    along = (1 + (change * image).sum(axis=1) / curvature) / curvature
    cross = move[:, :, None] * image[:, None, :] / curvature[:, None, None]
    outer = move[:, :, None] * move[:, None, :]
    inverse[rows] += along[:, None, None] * outer - cross - cross.transpose(0, 2, 1)


def search(
    curve: Curve, steps: int, rng: np.random.Generator, restarts: int, advance: Callable[[], None]
) -> tuple[Array, Array]:
    """The best thresholds and resets found.

    `restarts` starts are descended from, the best `CHAINS` of them are changed at random and descended from again,
    kept where better; after every `ROUNDS` changes the worse half goes and its work falls to the better one.
    """
    starts = [*_halvings(curve, steps), *(_start(curve, steps, rng) for _ in range(restarts))]
    parts = []
    for at in range(0, len(starts), CHAINS):
        parts.append(descend(np.stack(starts[at : at + CHAINS]), curve, DESCENT))
        advance()
    found, error = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    kept = CHAINS
    while True:
        best = error.argsort(kind="stable")[:kept]
        found, error = found[best], error[best]
        if kept <= SURVIVORS:
            break
        for _ in range(ROUNDS):
            found, error = _improved(found, error, curve, rng)
            advance()
        kept //= 2
    found, error = descend(found, curve, LAST_DESCENT)
    best_row = found[error.argmin()]
    return best_row[:steps], best_row[steps:]


def calls(restarts: int) -> int:
    """How often a search calls `advance`."""
    return -(-(restarts + 2) // CHAINS) + ROUNDS * (CHAINS // SURVIVORS).bit_length() - ROUNDS


def _improved(found: Array, error: Array, curve: Curve, rng: np.random.Generator) -> tuple[Array, Array]:
    """Every candidate, or the best of its changed and descended copies where that is better."""
    copies = max(1, CHAINS // len(found))
    changed = np.stack([_changed(row, curve, rng) for row in found for _ in range(copies)])
    changed, errors = descend(changed, curve, DESCENT)
    errors = errors.reshape(len(found), copies)
    best = errors.argmin(axis=1) + copies * np.arange(len(found))
    better = errors.min(axis=1) < error
    return np.where(better[:, None], changed[best], found), np.where(better, errors.min(axis=1), error)


def _halvings(curve: Curve, steps: int) -> list[Array]:
    """Binary search over the whole range, and over its positive part."""
    halves = 2.0 ** -np.arange(1, steps + 1)
    lows = (curve.low, curve.low if curve.high <= 0 else max(0.0, curve.low))
    return [np.concatenate([low + (curve.high - low) * halves, (curve.high - low) * halves]) for low in lows]


def _start(curve: Curve, steps: int, rng: np.random.Generator) -> Array:
    """Thresholds and resets that fall geometrically, disturbed; at times out of order."""
    rate = 0.5 + 0.35 * rng.random()
    falling = curve.width * (1 - rate) * rate ** np.arange(steps)
    low = min(0.0, curve.low) * rng.random() + max(0.0, curve.low)
    if rng.random() < 0.5:
        thresholds, resets = falling * (1 + 0.2 * rng.standard_normal((2, steps)))
        thresholds[0] += low
        resets[0] += low
        return np.concatenate([thresholds, resets])
    thresholds, resets = falling * rng.uniform(0.4, 1.0) * (1 + 0.2 * rng.standard_normal((2, steps)))
    order = np.argsort(np.arange(steps) + rng.integers(2) * rng.standard_normal(steps), kind="stable")
    return np.concatenate([thresholds[order] + low, resets[order]])


def _changed(row: Array, curve: Curve, rng: np.random.Generator) -> Array:
    """A copy with a step replaced (the most often), a step moved, a step's numbers or all numbers disturbed."""
    steps = len(row) // 2
    columns, kind = row.reshape(2, steps), rng.random()
    if kind < 0.55:
        return _with_step(np.delete(columns, rng.integers(steps), axis=1), curve, rng).reshape(-1)
    if kind < 0.7:
        return row * (1 + 10 ** rng.uniform(-2.5, -0.7) * rng.standard_normal(len(row)))
    if kind < 0.85:
        by = curve.width * 10 ** rng.uniform(-3, -0.3) * rng.standard_normal()
        which = ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0))[rng.integers(3)]
        return (columns + by * np.outer(which, np.arange(steps) == rng.integers(steps))).reshape(-1)
    leave, enter = rng.integers(steps, size=2)
    return np.insert(np.delete(columns, leave, axis=1), enter, columns[:, leave], axis=1).reshape(-1)


def _with_step(columns: Array, curve: Curve, rng: np.random.Generator) -> Array:
    """With a step more, whose threshold lies among the potentials that reach it."""
    at = rng.integers(columns.shape[1] + 1)
    potential = curve.draw(rng, 64)
    for threshold, reset in columns[:, :at].T:
        potential = potential - reset * (potential >= threshold)
    lowest, span, kind = potential.min(), np.ptp(potential), rng.random()
    threshold = potential[0] if rng.random() < 0.5 else lowest + span * rng.random()
    reset = 0.0
    if kind > 0.5:
        reset = span * rng.random() ** 3 * (1 if rng.random() < 0.8 else -1)
    elif kind > 0.15:
        reset = potential[1] - potential[2]
    return np.insert(columns, at, (threshold, reset), axis=1)
