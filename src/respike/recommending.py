"""The verb `recommend`: the cheapest conversion that loses no more than is allowed, found in minutes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import Tensor

from respike import methods, refine
from respike.bounds import Bounds
from respike.calibrate import check_apart, check_spikes
from respike.errors import Argument, InvalidOption, InvalidPlan, RespikeError, UnknownName
from respike.export import to_nir
from respike.export.targets import Target
from respike.ir import Network
from respike.measure import Report, measure
from respike.methods import Method
from respike.progress import Progress, shown, silent
from respike.refine import Step
from respike.spiking import SpikingNetwork
from respike.typed import NETWORK, check_kind

PREFERENCES: Mapping[str, Callable[[Report], float]] = {
    "energy": lambda report: report.energy_ratio,
    "latency": lambda report: float(report.latency),
    "spikes": lambda report: report.spikes_per_neuron,
}
"""What can be cheap: the figure of a report that is to be small, by its name."""

_SKETCH = 32
"""Calibration images, and held-out images, from which it is told what a conversion will cost, before it is made."""
_DEARER = 1.1
"""A conversion whose sketch costs so many times the best one's is not made."""


@dataclass(frozen=True, eq=False)
class Family:
    """Conversions by one method that cost more and lose less as they take more steps.

    Args:
        method: the method.
        steps: the numbers of steps to choose from, in rising order.
        options: its other options.
        binary: whether its neurons are plain integrate-and-fire neurons, which send single spikes of one weight.
    """

    method: Method[Any]
    steps: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    binary: bool = False

    def __str__(self) -> str:
        """Its name, and what is particular of it: `calibrated, signed`."""
        return ", ".join([self.method.name, *(name for name, value in self.options.items() if value)])


FAMILIES = (
    Family(methods.few_spikes, (2, 3, 4, 5, 6, 7, 8, 10)),
    Family(methods.canonic_spikes, (2, 3, 4, 5, 6, 7, 8, 10)),
    Family(methods.calibrated, (4, 6, 8, 10, 12, 16, 24, 32), {"signed": True}),
    Family(methods.calibrated, (4, 8, 12, 16, 24, 32, 48, 64), binary=True),
)
"""What is tried, the usually cheapest first."""

_FROM_REST = methods.percentile_norm.refined(
    Step(refine.least_squares), Step(refine.residual_elimination), Step(refine.fit_values)
)
PORTABLE = (Family(_FROM_REST, (8, 12, 16, 24, 32, 48, 64, 96, 128), binary=True),)
"""What is tried for another simulator, whose neurons start from 0."""


@dataclass(frozen=True)
class Candidate:
    """A conversion that was tried, measured on held-out images.

    Args:
        method: the name of the method.
        options: what it was called with.
        refinements: what is done to its plans, as text: names, and options behind colons.
        loss: accuracy lost against the network, in points.
        error: the standard error of the loss, in points, from the number of images that are decided differently.
        accepted: whether `loss + error` is at most what may be lost.
        report: all that was measured.
    """

    method: str
    options: Mapping[str, Any]
    refinements: str
    loss: float
    error: float
    accepted: bool
    report: Report


@dataclass(frozen=True, eq=False)
class Recommendation:
    """The cheapest conversion that loses no more than is allowed.

    Args:
        chosen: the conversion.
        spiking: the network, so converted.
        others: what was tried beside it: accepted ones first, the cheapest first.
        left_out: why families of conversions were not tried to the end, by their names.
        lose: the points that may be lost.
        prefer: what is to be cheap.
    """

    chosen: Candidate
    spiking: SpikingNetwork
    others: tuple[Candidate, ...]
    left_out: Mapping[str, str]
    lose: float
    prefer: str

    def to_json(self) -> str:
        """Everything but the network."""

        def plain(value: object) -> object:
            return {name: part for name, part in vars(value).items() if not isinstance(part, SpikingNetwork)}

        return json.dumps(plain(self), indent=1, default=lambda value: vars(value) or str(value)) + "\n"


class LosesMore(InvalidOption):
    """Nothing that was tried loses as little as is allowed; the message says what may be lost instead.

    Args:
        parts: of the message.
        tried: the conversions, the one that loses least first.
        left_out: why families of conversions were not tried to the end, by their names.
    """

    def __init__(self, *parts: str | Argument, tried: tuple[Candidate, ...], left_out: Mapping[str, str]) -> None:
        super().__init__(*parts)
        self.tried = tried
        self.left_out = left_out


def recommend(
    network: Network,
    calibration: Tensor,
    held_out: tuple[Tensor, Tensor],
    *,
    lose: float = 0.2,
    prefer: str = "energy",
    binary: bool = False,
    target: Target | None = None,
    progress: Progress | bool = silent,
) -> Recommendation:
    """Finds the cheapest conversion that loses at most `lose` points of accuracy, in minutes.

    The methods that are known to be good are tried: few spikes, canonic spikes, and the `calibrated` ones, signed and
    binary. More steps lose less and cost more, so the number of steps is found by bisection; what a sketch on a few
    images shows to be dearer than the best so far is not made at all. A conversion is accepted where its loss on
    `held_out` images, plus one standard error, is at most `lose`. For a longer search see `tuning.tune`.

    Args:
        network: the network to convert.
        calibration: images from the training set, for the methods.
        held_out: images and labels from the training set that are not in `calibration`, for the losses. 2,000 images
            tell losses of 0.2 points apart.
        lose: the points of accuracy that may be lost.
        prefer: what is to be cheap: "energy", "latency" or "spikes".
        binary: only integrate-and-fire neurons that send single spikes of one weight.
        target: only what this simulator runs (`export.targets`).
        progress: told of each conversion that is tried, and of the images that it was measured on; True draws a bar.

    Returns:
        The conversion, with the others that were tried.

    Raises:
        LosesMore: nothing loses so little; the message says what would, and it holds what was tried.
        InvalidData: held-out images that the methods see.
        InvalidNetwork: a network in which nothing would spike.
        InvalidPlan: the network has layers that none of the methods converts.
    """
    check_kind("network", network, Network, NETWORK)
    Bounds(0, 100).check("lose", lose)
    if prefer not in PREFERENCES:
        raise UnknownName("preference", prefer, PREFERENCES)
    check_spikes(network)
    check_apart(calibration, held_out[0])
    families = PORTABLE if target is not None else [one for one in FAMILIES if one.binary or not binary]
    with shown(progress) as told:
        search = _Search(network, calibration, held_out, lose, PREFERENCES[prefer], target, told)
        for family in families:
            search.bisect(family)
    search.check_found()
    (chosen, spiking), *_ = accepted = sorted(search.accepted, key=lambda pair: search.cost(pair[0].report))
    rejected = sorted(search.rejected, key=lambda one: one.loss)
    others = (*(one for one, _ in accepted[1:]), *rejected)
    return Recommendation(chosen, spiking, others, search.left_out, lose, prefer)


_Found: TypeAlias = tuple[Candidate, SpikingNetwork]


@dataclass(eq=False)
class _Search:
    """What was tried so far."""

    network: Network
    calibration: Tensor
    held_out: tuple[Tensor, Tensor]
    lose: float
    cost: Callable[[Report], float]
    target: Target | None
    progress: Progress
    accepted: list[_Found] = field(default_factory=list)
    rejected: list[Candidate] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    refused: list[RespikeError] = field(default_factory=list)

    def bisect(self, family: Family) -> None:
        """Finds the fewest steps with which a family loses no more than is allowed."""
        first, end = 0, len(family.steps)
        try:
            if self._too_dear(family, family.steps[0]):
                return
            while first < end:
                middle = (first + end) // 2
                fewer = self._too_dear(family, family.steps[middle]) or self._tried(family, family.steps[middle])
                first, end = (first, middle) if fewer else (middle + 1, end)
        except InvalidPlan as reason:
            self.refused.append(reason)
            self.left_out[str(family)] = str(reason)

    def check_found(self) -> None:
        """Raises where nothing was accepted: what each family was refused for, or what may be lost instead."""
        if self.accepted:
            return
        if not self.rejected:
            raise self.refused[0]
        best, *_ = tried = tuple(sorted(self.rejected, key=lambda one: one.loss + one.error))
        enough = math.ceil(100 * (best.loss + best.error)) / 100
        raise LosesMore(
            f"no conversion that was tried loses at most {self.lose:g} points; {best.method} of "
            f"{best.report.latency} steps loses {best.loss:.2f} ± {best.error:.2f}: allow ",
            Argument("lose", enough),
            tried=tried,
            left_out=self.left_out,
        )

    def _too_dear(self, family: Family, steps: int) -> bool:
        """Whether a sketch of the conversion costs more than the best one; there is none yet at first."""
        best = min((self.cost(one.report) for one, _ in self.accepted), default=math.inf)
        if best == math.inf:
            return False
        spiking = self._converted(family, steps, self.calibration[:_SKETCH])
        images, labels = self.held_out
        cost = self.cost(measure(spiking, (images[:_SKETCH], labels[:_SKETCH])))
        if dear := cost > best * _DEARER:
            self.left_out[str(family)] = (
                f"not tried with {steps} steps or more, which cost {cost:.3g}: the best so far costs {best:.3g}"
            )
        return dear

    def _tried(self, family: Family, steps: int) -> bool:
        """Whether a conversion loses no more than is allowed."""
        spiking = self._converted(family, steps, self.calibration)
        named = f"{family} of {steps} steps"
        report = measure(spiking, self.held_out, progress=lambda _, done, total: self.progress(named, done, total))
        if not report.complete:
            raise KeyboardInterrupt
        loss = report.network_accuracy - report.accuracy[-1]
        error = math.sqrt(max(0.0, 1 - report.agreement - loss**2) / report.images)
        accepted = 100 * (loss + error) <= self.lose + 1e-9
        refined = ",".join(step.refinement.name for step in family.method.refinements)
        options = {"steps": steps, **family.options}
        found = Candidate(family.method.name, options, refined, 100 * loss, 100 * error, accepted, report)
        if accepted:
            self.accepted.append((found, spiking))
        else:
            self.rejected.append(found)
        return accepted

    def _converted(self, family: Family, steps: int, calibration: Tensor) -> SpikingNetwork:
        self.progress(f"{family} of {steps} steps", 0, None)
        plan = family.method.plan(self.network, calibration, steps=steps, **family.options)
        spiking = SpikingNetwork(self.network, plan)
        if self.target is not None:
            to_nir(spiking, pooling=self.target.pooling, allow_metadata=True)
        return spiking
