"""Diehl et al. 2015, by its replication (Dong, He): Tables 1 and 2, Figures 3 and 4, and what holds of their claims.

python papers/diehl2015/run.py [--limit N] [--long-limit N] [--network NAME] [--out DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from matplotlib.axes import Axes

sys.path.insert(0, str(Path(__file__).parents[2]))

from papers.claims import Claim, explained
from papers.workbench import Subject, Workbench

from papers import figures, workbench
from respike import Plan, Report, methods, zoo
from respike.neurons import ToValue

HOME = Path(__file__).parent
LONG = 10_000
"""The replication's simulation length."""
SHORT = 100
"""Steps that suffice for the fast conversions."""

WITHIN = 0.002
"""What counts as having reached the network's accuracy: 0.2 points."""
MANY = 4
"""What counts as many times the steps."""
HIGH = 0.01
"""What we take the replication's "high accuracy" to be: 1 point."""
TRAINING_SLACK = 0.5
"""Points that a network may fall short, for it was trained otherwise."""
HARD = ToValue(0.0)
_EPOCHS = (
    "Trained for fewer epochs than the replication's 100, it fits the training images less closely; on test images "
    "it is more accurate than the replication's."
)
REASONS = {
    "fashion-mlp-train": _EPOCHS,
    "fashion-cnn-diehl-train": _EPOCHS,
    "fashion-cnn-diehl-direct-below-data": "The other way round, by 22 images. Saturation costs our network nothing: "
    "its direct copy is above the network's own 89.86 %.",
    "fashion-best": "The direct copy of the same network is right on 22 images more.",
}
"""Why what does not hold does not."""


@dataclass(frozen=True)
class Published:
    """The replication's Tables 1 and 2 for one network, as shares; accuracies of a conversion by its name.

    threshold: of the tuned direct copy. fast: the steps in which data-based normalisation has high accuracy by
    the text, and None where the text calls it less effective.
    """

    dataset: str
    train: float
    test: float
    threshold: float
    conversions: dict[str, float]
    fast: int | None


PAPER = {
    "mnist-mlp": Published(
        "MNIST", 0.9981, 0.9791, 4.0, {"direct": 0.9864, "tuned": 0.9868, "model": 0.9865, "data": 0.9866}, 30
    ),
    "mnist-cnn-diehl": Published(
        "MNIST", 0.9979, 0.9893, 20.0, {"direct": 0.9887, "tuned": 0.9911, "model": 0.9910, "data": 0.9910}, 30
    ),
    "fashion-mlp": Published(
        "Fashion-MNIST", 0.9344, 0.8810, 4.0, {"direct": 0.8975, "tuned": 0.9000, "model": 0.8969, "data": 0.8985}, None
    ),
    "fashion-cnn-diehl": Published(
        "Fashion-MNIST", 0.9269, 0.8950, 20.0, {"direct": 0.8933, "tuned": 0.9018, "model": 0.9015, "data": 0.9020}, 100
    ),
}
COLOURS = {"direct": figures.ORANGE, "tuned": figures.PINK, "model": figures.GREEN, "data": figures.BLUE}


@dataclass(frozen=True, eq=False)
class Measured:
    """All that was measured of one network.

    train: accuracy on the training images, and their number. short: the fast conversions for `SHORT` steps. long: all
    conversions for `LONG` steps.
    """

    name: str
    train: tuple[float, int]
    short: dict[str, Report]
    long: dict[str, Report]

    @property
    def paper(self) -> Published:
        """What the replication reports of it."""
        return PAPER[self.name]


def plan(subject: Subject, conversion: str, steps: int) -> Plan:
    """The plan of a conversion; all reset to zero."""
    match conversion:
        case "direct":
            return methods.direct_copy(subject.network, steps=steps, reset=HARD)
        case "tuned":
            threshold = PAPER[subject.name].threshold
            return methods.direct_copy(subject.network, steps=steps, threshold=threshold, reset=HARD)
        case "model":
            return methods.model_norm(subject.network, steps=steps, reset=HARD)
        case _:
            return methods.data_norm(subject.network, subject.calibration, steps=steps, reset=HARD)


def label(name: str, conversion: str) -> str:
    """A conversion's name in a table."""
    return {
        "direct": "direct copy, threshold 1",
        "tuned": f"direct copy, threshold {PAPER[name].threshold:.0f}",
        "model": "model-based normalisation",
        "data": "data-based normalisation",
    }[conversion]


def legend(name: str, conversion: str) -> str:
    """A conversion's name in a figure."""
    return label(name, conversion).removeprefix("direct copy, ").removesuffix(" normalisation")


def measured(bench: Workbench, subject: Subject) -> Measured:
    """Measures a network and its conversions."""
    short = {
        name: bench.measure(f"{name}-{SHORT}", subject, plan(subject, name, SHORT), bench.limit, WITHIN)
        for name in ("direct", "data")
    }
    long = {
        name: bench.measure(f"{name}-{LONG}", subject, plan(subject, name, LONG), bench.long_limit, WITHIN)
        for name in COLOURS
    }
    return Measured(subject.name, trained(bench, subject), short, long)


def trained(bench: Workbench, subject: Subject) -> tuple[float, int]:
    """The network's accuracy on the training images, in evaluation mode, and their number."""

    def evaluate() -> tuple[float, int]:
        images = bench.images(subject.test.name, "train").take(6 * bench.limit)
        with bench.task(f"{subject.name} on training images", None):
            return zoo.evaluate(zoo.load(subject.name), images).accuracy, len(images)

    accuracy, count = bench.keep("train", subject, {"images": 6 * bench.limit}, evaluate)
    return accuracy, count


def program(bench: Workbench) -> list[Claim]:
    """All tables, figures and claims."""
    found = [measured(bench, bench.subject(name)) for name in bench.networks]
    for number, dataset in ((3, "MNIST"), (4, "Fashion-MNIST")):
        if shown := [one for one in found if one.paper.dataset == dataset]:
            draw(bench, f"figure{number}.png", shown)
    claims = [
        *(claim for one in found for claim in table1(one)),
        *(claim for one in found for claim in table2(one)),
        *(direct_copy_loses(one) for one in found),
        *(claim for one in found for claim in latency(one)),
        *best_on_fashion(found),
    ]
    return explained(claims, REASONS)


def draw(bench: Workbench, name: str, found: list[Measured]) -> None:
    """Classification error over time: the fast conversions at first, and all of them to the end."""
    titles = [f"{one.name}: {one.short['data'].images:,} images" for one in found]
    titles += [f"{one.name}: {one.long['data'].images:,} images" for one in found]
    figure, axes = figures.panels(titles, "time step", "classification error (%)", rows=2)
    for axis, one in zip(axes, found, strict=False):
        report = one.short["data"]
        draw_errors(axis, one, one.short, range(1, SHORT + 1))
        figures.near(axis, 100 * (1 - report.network_accuracy), 0.5, 5)
    for axis, one in zip(axes[len(found) :], found, strict=True):
        draw_errors(axis, one, one.long, figures.spaced(LONG))
        axis.set_xscale("log")
    figures.save(figure, bench.figures / name)


def draw_errors(axis: Axes, one: Measured, reports: dict[str, Report], steps: Iterable[int]) -> None:
    """The curves of some conversions, and the network's error."""
    for conversion, report in reports.items():
        figures.curve(axis, report, legend(one.name, conversion), COLOURS[conversion], error=True, steps=steps)
    figures.network(axis, reports["data"], error=True, legend="upper right")


def table1(one: Measured) -> list[Claim]:
    """Accuracies of the trained networks."""
    accuracy, count = one.train
    test = one.short["data"]
    return [
        Claim(
            id=f"{one.name}-{split}",
            source="Table 1",
            claim=f"{one.name}: accuracy of the network on {split} images",
            paper=percent(paper),
            ours=percent(ours),
            images=images,
            steps=0,
            tolerance=TRAINING_SLACK,
            holds=percent(ours) >= percent(paper) - TRAINING_SLACK,
        )
        for split, paper, ours, images in (
            ("train", one.paper.train, accuracy, count),
            ("test", one.paper.test, test.network_accuracy, test.images),
        )
    ]


def table2(one: Measured) -> list[Claim]:
    """Converged accuracies. The tolerance is two standard errors of the images, and what training may differ."""
    claims = []
    for conversion, report in one.long.items():
        paper = one.paper.conversions[conversion]
        tolerance = percent(2 * sqrt(paper * (1 - paper) / report.images)) + TRAINING_SLACK
        claims.append(
            Claim(
                id=f"{one.name}-{conversion}",
                source="Table 2",
                claim=f"{one.name}: converged accuracy, {label(one.name, conversion)}",
                paper=percent(paper),
                ours=f"{100 * report.accuracy[-1]:.2f} % (the network {100 * report.network_accuracy:.2f} %)",
                images=report.images,
                steps=report.steps,
                tolerance=round(tolerance, 2),
                holds=percent(report.accuracy[-1]) >= percent(paper) - tolerance,
            )
        )
    return claims


def direct_copy_loses(one: Measured) -> Claim:
    """Table 2's order of the direct copy and data-based normalisation."""
    direct, data = one.long["direct"], one.long["data"]
    return Claim(
        id=f"{one.name}-direct-below-data",
        source="Table 2",
        claim=f"{one.name}: the direct copy with threshold 1 is less accurate than data-based normalisation",
        paper=" against ".join(f"{100 * one.paper.conversions[name]:.2f} %" for name in ("direct", "data")),
        ours=f"{100 * direct.accuracy[-1]:.2f} % against {100 * data.accuracy[-1]:.2f} %",
        images=direct.images,
        steps=direct.steps,
        tolerance=0,
        holds=direct.accuracy[-1] < data.accuracy[-1],
    )


def latency(one: Measured) -> list[Claim]:
    """How fast the normalisations converge."""
    claims = [data_is_fast(one, "near", "Our goal", SHORT, WITHIN)]
    if one.paper.fast is not None:
        claims.append(data_is_fast(one, "fast", figure_of(one), one.paper.fast, HIGH))
    data, model = one.short["data"], one.long["model"]
    fast, slow = first_within(data, WITHIN) or SHORT, first_within(model, WITHIN)
    more = "" if slow else "more than "
    times = (slow or LONG) / fast
    return [
        *claims,
        Claim(
            id=f"{one.name}-model-is-slow",
            source=figure_of(one),
            claim=f"{one.name}: model-based normalisation needs many times the steps of data-based normalisation",
            paper="very long time",
            ours=f"{more}{slow or LONG} steps against {fast}: {more}{times:.0f} times",
            images=model.images,
            steps=model.steps,
            tolerance=0,
            holds=times >= MANY,
        ),
    ]


def data_is_fast(one: Measured, kind: str, source: str, steps: int, within: float) -> Claim:
    """That data-based normalisation stays near the network's accuracy from a step on."""
    report = one.short["data"]
    first = first_within(report, within)
    near = f"within {100 * within:g} point{'s' if within < 0.01 else ''} of the network"
    return Claim(
        id=f"{one.name}-data-is-{kind}",
        source=source,
        claim=f"{one.name}: data-based normalisation is {near} in fewer than {steps} steps, and stays there",
        paper=f"fewer than {steps} steps",
        ours=f"{first} steps" if first else f"not within {SHORT} steps",
        images=report.images,
        steps=report.steps,
        tolerance=0,
        holds=first is not None and first < steps,
    )


def best_on_fashion(found: list[Measured]) -> list[Claim]:
    """Section 5: the CNN with data-based normalisation is the most accurate of all on Fashion-MNIST."""
    shown = [one for one in found if one.paper.dataset == "Fashion-MNIST"]
    reached = {(one.name, name): report.accuracy[-1] for one in shown for name, report in one.long.items()}
    if not reached:
        return []
    best = max(reached, key=lambda key: reached[key])
    return [
        Claim(
            id="fashion-best",
            source="Section 5",
            claim="data-based normalisation of the CNN is the most accurate of all on Fashion-MNIST",
            paper=percent(PAPER["fashion-cnn-diehl"].conversions["data"]),
            ours=", ".join(
                f"{100 * share:.2f} % ({name}, {label(name, how)})" for (name, how), share in reached.items()
            ),
            images=shown[0].long["data"].images,
            steps=LONG,
            tolerance=0,
            holds=best == ("fashion-cnn-diehl", "data"),
        )
    ]


def first_within(report: Report, within: float) -> int | None:
    """The first step from which on accuracy stays within a share of the network's."""
    below = [step for step, share in enumerate(report.accuracy, 1) if share < report.network_accuracy - within - 1e-6]
    first = below[-1] + 1 if below else 1
    return first if first <= report.steps else None


def figure_of(one: Measured) -> str:
    """The replication's figure of a network."""
    return "Figure 3" if one.paper.dataset == "MNIST" else "Figure 4"


def percent(share: float) -> float:
    """A share in per cent, to two places."""
    return round(100 * share, 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    return workbench.main(HOME, "Diehl 2015", tuple(PAPER), 10_000, program, arguments)


if __name__ == "__main__":
    sys.exit(main())
