"""The verb `tune`: searches methods and their options for the conversions that no other beats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from respike import methods
from respike.bounds import Bounds
from respike.calibrate import check_apart, check_spikes
from respike.errors import InvalidOption
from respike.ir import Network
from respike.measure import USELESS, Report, measure
from respike.measure.fingerprint import fingerprint
from respike.methods import Method
from respike.progress import Progress, silent
from respike.spiking import SpikingNetwork
from respike.tuning.objectives import ENERGY, MARGIN, Objective
from respike.tuning.spaces import Space, plain, spaces
from respike.tuning.study import Study, Trial
from respike.typed import NETWORK, check_kind
from respike.version import __version__

_LOSS = "allowed loss"


def _figures(report: Report) -> dict[str, Any]:
    """What is kept of a report: what it costs at the step from which on the accuracy stays, and at the end."""
    kept = {name: getattr(report, name) for name in ("network_accuracy", "steps_to_network_accuracy", "images")}
    head = asdict(report.headline)
    end = {f"{name}_at_the_end": value for name, value in asdict(report.end).items()}
    return kept | head | end


@dataclass(frozen=True)
class Tuned:
    """What a search found. The front and the trials are in the order in which they were tried.

    Args:
        objectives: what was to be made better.
        front: the trials that no other beats.
        trials: all finished trials.
        failed: why others failed.
        complete: False where the search was interrupted.
        allowed_loss: what a trial on the front may lose of the network's accuracy.
    """

    objectives: tuple[Objective, ...]
    front: tuple[Trial, ...]
    trials: tuple[Trial, ...]
    failed: tuple[str, ...]
    complete: bool
    allowed_loss: float

    def to_json(self) -> str:
        """All trials, and the places in that list of those on the front."""
        front = {trial.number for trial in self.front}
        tree = {
            "objectives": [objective.name for objective in self.objectives],
            "front": [place for place, trial in enumerate(self.trials) if trial.number in front],
            "trials": [{**vars(trial), "options": plain(trial.options)} for trial in self.trials],
            "failed": self.failed,
            "complete": self.complete,
        }
        return json.dumps(tree, indent=1) + "\n"


def tune(
    network: Network,
    calibration: Tensor,
    held_out: tuple[Tensor, Tensor],
    *,
    objectives: Sequence[Objective] = (MARGIN, ENERGY),
    among: Sequence[Method[Any]] | None = None,
    trials: int = 100,
    longest: int = 256,
    allowed_loss: float = USELESS,
    storage: str | Path,
    name: str = "",
    seed: int = 0,
    progress: Progress = silent,
) -> Tuned:
    """Searches methods and options, and returns the Pareto front on `held_out` images of the training set.

    The network was trained on these images, and many conversions are right on all that it is right on. So the first
    objective is the margin of decisions, which tells them apart, with a floor under the accuracy (`allowed_loss`).

    The first trials are the methods as their papers have them; the rest are chosen by the tree-structured Parzen
    estimator for several objectives (Ozaki et al. 2022, in Optuna). A study that is in the database already goes on
    where it ended: `trials` counts those too. What is tried depends on the seed and on the trials before alone, so a
    search that was killed and goes on gives what an undisturbed one gives.

    Args:
        network: the network to convert.
        calibration: images from the training set, for the methods.
        held_out: images and labels from the training set that are not in `calibration`, for the scores.
        objectives: what is to be made better.
        among: the methods to choose from; all that suit the network unless given.
        trials: how many in all.
        longest: the most time steps of a trial.
        allowed_loss: trials that lose more accuracy than this are on no front, and the search turns away from them.
        storage: an SQLite file, or the URL of a database that many machines share.
        name: of the study; the network's unless given.
        seed: of the search.
        progress: called with the number of finished trials.

    Raises:
        InvalidData: held-out images that the methods see.
        InvalidNetwork: a network in which nothing would spike.
        InvalidOption: a study of that name that is of another network, version, data or search.
        InvalidFile: a database that cannot be opened, or went away in the middle.
    """
    check_kind("network", network, Network, NETWORK)
    if trials < 1 or longest < 2:
        raise InvalidOption("a search needs at least one trial, of two steps or more")
    Bounds(0, 1).check("allowed_loss", allowed_loss)
    images, labels = held_out
    check_spikes(network)
    check_apart(calibration, images)
    among = [method for method in methods.ALL if method.suits(network)] if among is None else among
    among_spaces = spaces(longest, among)
    identity = {
        "network": f"{network.origin} {fingerprint(network)}",
        "respike version": __version__,
        "calibration": fingerprint(calibration),
        "held-out images": fingerprint((images, labels)),
        "objectives": ",".join(objective.name for objective in objectives),
        "methods": ",".join(among_spaces),
        "refinements": _refinements(among),
        "longest": str(longest),
        _LOSS: f"{allowed_loss:g}",
        "seed": str(seed),
    }
    directions = [objective.direction for objective in objectives]
    study = Study.open(storage, name or network.origin or "respike", identity, directions, among_spaces, allowed_loss)

    def evaluated(space: Space, options: dict[str, Any]) -> tuple[tuple[float, ...], dict[str, Any]]:
        plan = space.method.plan(network, calibration, **options)
        report = measure(SpikingNetwork(network, plan), (images, labels))
        if not report.complete:
            raise KeyboardInterrupt
        return tuple(objective.of(report) for objective in objectives), _figures(report)

    complete = True
    try:
        while (done := study.done) < trials:
            progress(f"tuning {name or network.origin}", done, trials)
            study.run(evaluated, seed)
    except KeyboardInterrupt:
        complete = False
    return Tuned(
        tuple(objectives), tuple(study.front), tuple(study.trials), tuple(study.failed), complete, allowed_loss
    )


def _refinements(among: Sequence[Method[Any]]) -> str:
    """How plans are refined, as one text."""
    return "; ".join(sorted({" + ".join(map(str, method.refinements)) for method in among}))


def from_study(
    network: Network,
    calibration: Tensor,
    storage: str | Path,
    name: str,
    number: int | None = None,
    *,
    among: Sequence[Method[Any]] = methods.ALL,
) -> SpikingNetwork:
    """The conversion that a study found: the trial of that number, or else the front's with the largest margin.

    Args:
        network: the network that the study is of.
        calibration: images from the training set, for the methods.
        storage: where the study is kept.
        name: its name.
        number: of the trial.
        among: the methods that the search was given, refined in the same way.

    Raises:
        InvalidOption: the study is of another network, has no such trial, or has methods that are not known.
    """
    by_name = {method.name: method for method in (*methods.ALL, *among)}

    def found_in(identity: Mapping[str, str]) -> dict[str, Space]:
        names = identity["methods"].split(",")
        if unknown := [name for name in names if name not in by_name]:
            raise InvalidOption(f"the study {name!r} has tried {', '.join(unknown)}: give that method of your own, too")
        chosen = [by_name[name] for name in names]
        if (before := identity.get("refinements", "")) != _refinements(chosen):
            raise InvalidOption(
                f"the study {name!r} has refined plans by {before or 'nothing'}: refine them so here, too"
            )
        return spaces(int(identity["longest"]), chosen)

    study = Study.read(storage, name, found_in, lambda identity: float(identity.get(_LOSS, 1.0)))
    wanted = f"{network.origin} {fingerprint(network)}"
    if study.identity["network"] != wanted:
        raise InvalidOption(f"the study {name!r} is of another network ({study.identity['network'].split()[0]})")
    chosen = study.front if number is None else [trial for trial in study.trials if trial.number == number]
    if not chosen:
        numbers = ", ".join(str(trial.number) for trial in study.front)
        raise InvalidOption(f"the study {name!r} has no finished trial {number} (its front: {numbers or 'none'})")
    best = max(chosen, key=lambda trial: (trial.report.get("margin") or 0.0, trial.report["accuracy"]))
    plan = by_name[best.method].plan(network, calibration, **best.options)
    return SpikingNetwork(network, plan)
