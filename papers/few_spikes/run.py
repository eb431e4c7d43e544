"""FS conversion (Stöckl, Maass): Tables 1 and 2, Figure 2, the pipeline, and what holds of their claims.

python papers/few_spikes/run.py [--limit N] [--network NAME] [--out DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from papers.claims import Claim, Rule, claim, explained, reached
from papers.intervals import Estimate, accuracy
from papers.workbench import Run, Subject, Workbench

from papers import figures, public, workbench
from respike import Plan, SpikingNetwork, engines, load, methods, zoo
from respike.neurons import FewSpikes
from respike.zoo.residual import cifar_resnet, imagenet_resnet50

HOME = Path(__file__).parent
STEPS, ALPHA = 10, 25.0
"""The paper's K and alpha."""
SPIKES_WITHIN = 10.0
"""Per cent by which the spikes per neuron may differ from the paper's: those of other weights."""
PIPELINED = 16
"""Images that are really in flight one behind the other."""
RATE_CODED = {"Inception-v3 (Rueckauer 2017)": (550, 25.0), "ResNet-34 (Sengupta 2019)": (2500, 125.0)}
"""Steps of an image by rate coding, and the gain in throughput that the paper estimates."""
RATE_CODED_RESNET20 = 87.46
"""Per cent: ResNet-20 by rate coding in 2,000 steps (Sengupta 2019), as the paper quotes it."""
RATE_CODED_RESNET11_SPIKES, FEWER_SPIKES = 8e6, 40.0
"""Spikes of an image for a rate-coded ResNet-11 (Lee 2019), and how many times fewer ResNet-14 needs, by the paper."""
_ACTIVATIONS = (
    "How many spikes are sent is a matter of how large the activations are beside alpha. Tested: two trainings of "
    "ResNet-8 sent 1.16 and 1.60 spikes a neuron, two of ResNet-20 (ours and public-resnet20) 1.24 and 1.47, and with "
    "alpha at the network's own largest activation the numbers change again (`{}-own-range`)."
)
REASONS = {
    **{f"{name}-spikes": _ACTIVATIONS.format(name) for name in (f"cifar10-resnet{depth}" for depth in (8, 14, 20))},
    **{
        f"{name}-k{steps}-spikes": "A binary code sends a spike for every bit that is set. Tested: the same units in "
        f"canonic signed digits, which set the fewest, send fewer (`{name}-k{steps}-canonic`)."
        for name in ("cifar10-resnet20", public.RESNET20)
        for steps in (6, 5, 4)
    },
}
"""Why what does not hold on all test images does not, as far as it was tested."""


@dataclass(frozen=True)
class Published:
    """A row of Table 2: accuracies in per cent, neurons, and spikes of an image."""

    depth: int
    network: float
    spiking: float
    neurons: int
    spikes: int

    @property
    def loss(self) -> float:
        """Points lost."""
        return self.network - self.spiking

    @property
    def spikes_per_neuron(self) -> float:
        """Spikes of an image, per neuron."""
        return self.spikes / self.neurons


PAPER = {
    "cifar10-resnet8": Published(8, 87.22, 87.05, 73_728, 103_753),
    "cifar10-resnet14": Published(14, 90.49, 90.39, 131_072, 190_107),
    "cifar10-resnet20": Published(20, 91.58, 91.45, 188_416, 261_779),
    "cifar10-resnet50": Published(50, 92.99, 92.42, 475_136, 647_245),
}
PAPER[public.RESNET20] = PAPER["cifar10-resnet20"]
GOALS = {6: (0.10, 1.1), 5: (0.2, 1.0), 4: (0.5, 0.75)}
"""Our own goals for ResNet-20, calibrated, by K, set before: points lost and spikes per neuron, at most."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What we find of a network: as published, also with alpha at its largest activation; ResNet-20 calibrated, by K.

    canonic: the calibrated units in canonic signed digits.
    """

    name: str
    published: Run
    own_range: Run
    calibrated: dict[int, Run]
    canonic: dict[int, Run]

    @property
    def paper(self) -> Published:
        """The paper's row."""
        return PAPER[self.name]


def as_published(subject: Subject, alpha: float = ALPHA) -> Plan:
    """The paper's conversion: K = 10, one global alpha = 25, rounded down."""
    return methods.few_spikes(
        subject.network, subject.calibration, steps=STEPS, alpha=alpha, half_unit=False, correct_bias=False
    )


def largest_activation(subject: Subject) -> float:
    """That of all neurons and calibration images."""
    names = [node.name for node in subject.network.activations]
    return max(
        float(value.max())
        for batch in torch.split(subject.calibration, 500)
        for value in subject.network.values((batch,), names).values()
    )


def measured(bench: Workbench, subject: Subject) -> Measured:
    """Measures a network and its conversions."""
    published = bench.measure("published", subject, as_published(subject), bench.limit)
    own = bench.measure("own-range", subject, as_published(subject, largest_activation(subject)), bench.limit)
    by_steps = (
        {
            steps: bench.measure(
                f"{kind}{steps}", subject, make(subject.network, subject.calibration, steps=steps), bench.limit
            )
            for steps in (GOALS if PAPER[subject.name].depth == 20 else ())
        }
        for kind, make in (("k", methods.few_spikes), ("canonic", methods.canonic_spikes))
    )
    return Measured(subject.name, published, own, *by_steps)


def program(bench: Workbench) -> list[Claim]:
    """All tables, figures and claims."""
    subjects = [public.subject(bench) if name == public.RESNET20 else bench.subject(name) for name in bench.networks]
    found = [measured(bench, subject) for subject in subjects]
    draw_relu(bench)
    draw_steps(bench, [one for one in found if one.calibrated])
    claims = [
        *rounding(),
        *sizes(),
        *(claim for one in found for claim in table2(one)),
        *(claim for one in found for claim in ours(one)),
        *(claim for one in found for claim in comparisons(one)),
        *(claim for subject in subjects[:1] for claim in pipeline(bench, subject)),
    ]
    return explained(claims, REASONS)


def rounding() -> list[Claim]:
    """An FS neuron deviates from a ReLU by at most one unit below alpha, and is exact on its grid."""
    unit = torch.tensor(ALPHA * 2.0**-STEPS, dtype=torch.float64)
    inputs = torch.linspace(-ALPHA, float(ALPHA - unit), 1_000_001, dtype=torch.float64)
    grid = unit * torch.arange(2.0**STEPS, dtype=torch.float64)
    worst = float((_relu(inputs, unit) - inputs.clamp(min=0)).abs().max() / unit)
    wrong = int((_relu(grid, unit) != grid).sum())
    return [
        claim(
            "rounding", "Section 1.1", "units of alpha · 2^-K that an FS neuron is away from ReLU below alpha, at most",
            "1 unit", Estimate.exactly(worst), Rule.AT_MOST, 1.0, steps=STEPS,
            reason="1,000,001 inputs from -25 to 25.",
        ),
        claim(
            "exact-on-the-grid", "Section 1.1", "multiples of alpha · 2^-K, of 1,024, that an FS neuron does not give "
            "back exactly", "exact", Estimate.exactly(wrong), Rule.EQUAL, 0.0, steps=STEPS,
        ),
    ]  # fmt: skip


def sizes() -> list[Claim]:
    """The numbers of neurons of both tables, from the architectures."""
    claims = [
        claim(
            f"resnet{row.depth}-neurons", "Table 2", f"resnet{row.depth}: neurons", f"{row.neurons:,}",
            Estimate.exactly(neurons(cifar_resnet(row.depth), 3, 32, 32)), Rule.EQUAL, row.neurons,
        )
        for name, row in PAPER.items()
        if name != public.RESNET20
    ]  # fmt: skip
    millions = round(neurons(imagenet_resnet50(), 3, 224, 224) / 1e6, 1)
    return [
        *claims,
        claim(
            "imagenet-resnet50-neurons", "Table 1", "imagenet-resnet50: millions of neurons", "9.6",
            Estimate.exactly(millions), Rule.EQUAL, 9.6,
        ),
    ]  # fmt: skip


def neurons(module: torch.nn.Module, *shape: int) -> int:
    """The number of neurons, max-pools being where they are written."""
    network = load(module.eval(), torch.rand(2, *shape), passes=())
    return sum(network.neurons(node.name) for node in network.activations)


def table2(one: Measured) -> list[Claim]:
    """A row of Table 2: the network, what it loses, and its spikes."""
    paper, report, loss = one.paper, one.published.report, one.published.loss()
    spikes = report.spikes_per_neuron
    apart = abs(100 * (spikes / paper.spikes_per_neuron - 1))

    def row(
        kind: str, what: str, theirs: str, found: Estimate, rule: Rule, bound: float, unit: str = "", ours: str = ""
    ) -> Claim:
        return claim(
            f"{one.name}-{kind}", "Table 2", f"{one.name}: {what}", theirs, found, rule, bound, images=report.images,
            steps=report.latency, unit=unit, ours=ours,
        )  # fmt: skip

    return [
        row(
            "network", "accuracy of the network", f"{paper.network:.2f} %",
            accuracy(report.network_accuracy, report.images), Rule.AT_LEAST, reached(paper.network), " %",
        ),
        row(
            "loss", f"points lost with K = {STEPS}, alpha = {ALPHA:.0f}", f"{paper.loss:.2f}", loss, Rule.AT_MOST,
            round(paper.loss + loss.high - loss.value, 2),
        ),
        row(
            "spikes", "per cent by which the spikes per neuron differ", f"{paper.spikes_per_neuron:.2f} spikes",
            Estimate.exactly(apart), Rule.AT_MOST, SPIKES_WITHIN, " %", f"{spikes:.2f} spikes",
        ),
        claim(
            f"{one.name}-own-range", "ours", f"{one.name}: spikes per neuron with alpha at the largest activation of "
            "the calibration images", "(not in the paper)",
            Estimate.exactly(one.own_range.report.spikes_per_neuron), images=report.images, steps=report.latency,
        ),
        row(
            "latency", f"steps for an image ({paper.depth} layers, the output's counted)", f"{STEPS * paper.depth}",
            Estimate.exactly(report.latency + STEPS), Rule.EQUAL, STEPS * paper.depth,
        ),
    ]  # fmt: skip


def ours(one: Measured) -> list[Claim]:
    """What respike's calibration makes of it: fewer steps, fewer spikes, as little lost."""
    claims = []
    for steps, run in one.calibrated.items():
        most, spikes = GOALS[steps]
        claims += [
            claim(
                f"{one.name}-k{steps}", "our goal", f"{one.name}: points lost, calibrated per channel, K = {steps}",
                f"at most {most:.2f} (our goal)", run.loss(), Rule.AT_MOST, most, images=run.report.images,
                steps=run.report.latency,
            ),
            claim(
                f"{one.name}-k{steps}-spikes", "our goal", f"{one.name}: spikes per neuron, calibrated per channel, "
                f"K = {steps}", f"at most {spikes:.2f} (our goal)", Estimate.exactly(run.report.spikes_per_neuron),
                Rule.AT_MOST, spikes, images=run.report.images, steps=run.report.latency,
            ),
            claim(
                f"{one.name}-k{steps}-canonic", "ours", f"{one.name}: spikes per neuron, the same in canonic signed "
                f"digits, K = {steps}", "(not in the paper)",
                Estimate.exactly(one.canonic[steps].report.spikes_per_neuron), images=run.report.images,
                steps=run.report.latency,
            ),
        ]  # fmt: skip
    return claims


def comparisons(one: Measured) -> list[Claim]:
    """What the text compares with rate coding."""
    report = one.published.report
    total = report.spikes_per_neuron * report.neurons
    if one.paper.depth == 14:
        return [
            claim(
                f"{one.name}-fewer-spikes", "Section 2.3", f"{one.name}: times fewer spikes of an image than the "
                "8 million of a rate-coded ResNet-11 (Lee 2019)", "40 times",
                Estimate.exactly(RATE_CODED_RESNET11_SPIKES / total), Rule.AT_LEAST, FEWER_SPIKES,
                images=report.images, ours=f"{total:,.0f} spikes", unit=" times",
            )
        ]  # fmt: skip
    if one.paper.depth == 20:
        return [
            claim(
                f"{one.name}-rate-coding", "Section 2.3", f"{one.name}: accuracy after {report.latency + STEPS} steps, "
                "beside a rate-coded ResNet-20 after 2,000", f"{RATE_CODED_RESNET20} % (Sengupta 2019)",
                accuracy(report.accuracy[-1], report.images), Rule.AT_LEAST, RATE_CODED_RESNET20,
                images=report.images, steps=report.latency, unit=" %",
            )
        ]  # fmt: skip
    return []


def pipeline(bench: Workbench, subject: Subject) -> list[Claim]:
    """A new image every 2 K steps, really simulated, with the outputs of the images one by one."""

    def run() -> tuple[int, int]:
        spiking = SpikingNetwork(subject.network, as_published(subject))
        images = subject.test.take(PIPELINED).images
        with bench.task("images in flight", None):
            together = engines.pipelined(spiking.network, spiking.plan, images)
            alone = [engines.pipelined(spiking.network, spiking.plan, image.unsqueeze(0)) for image in images]
        others = int((together.outputs != torch.cat([one.outputs for one in alone])).sum())
        gaps = {later - now for now, later in zip(together.finished_at, together.finished_at[1:], strict=False)}
        return others, max(gaps)

    others, gap = bench.keep("pipeline", subject, {"images": PIPELINED}, run)
    return [
        claim(
            "pipeline", "Section 1.1", "steps from one image to the next", f"{2 * STEPS}", Estimate.exactly(gap),
            Rule.EQUAL, 2 * STEPS, images=PIPELINED, steps=gap,
        ),
        claim(
            "pipeline-outputs", "Section 1.1", "outputs that differ by a bit from those of the images one by one",
            "none", Estimate.exactly(others), Rule.EQUAL, 0.0, images=PIPELINED, steps=gap,
        ),
        *(
            claim(
                f"throughput-{steps}", "Section 1.1", f"times the throughput of {name}, {steps:,} steps an image",
                f"about {gain:.0f} times", Estimate.exactly(steps / gap), Rule.AT_LEAST, gain, images=PIPELINED,
                steps=gap, unit=" times",
            )
            for name, (steps, gain) in RATE_CODED.items()
        ),
    ]  # fmt: skip


def draw_relu(bench: Workbench) -> None:
    """Figure 2: an FS neuron beside a ReLU, for alpha = 10 and few steps as well."""
    figure, axes = figures.panels([f"K = {steps}, alpha = 10" for steps in (3, 5, STEPS)], "input", "output")
    inputs = torch.linspace(-5, 12, 2000)
    for axis, steps in zip(axes, (3, 5, STEPS), strict=True):
        axis.plot(inputs, inputs.clamp(min=0), color=figures.ORANGE, label="ReLU", linewidth=1.2)
        delivered = _relu(inputs, torch.tensor(10 * 2.0**-steps), steps)
        axis.plot(inputs, delivered, color=figures.BLUE, label="FS neuron", linewidth=1.2)
        axis.legend(fontsize=8)
    figures.save(figure, bench.figures / "figure2.png")


def draw_steps(bench: Workbench, found: Sequence[Measured]) -> None:
    """What is lost, and how many spikes it takes, over K; the paper's conversion beside ours."""
    titles = ["points lost", "spikes per neuron"]
    figure, axes = figures.panels(titles, "steps K of a layer", "")
    for one, colour in zip(found, (figures.BLUE, figures.ORANGE, figures.GREEN, figures.PINK), strict=False):
        steps = sorted(one.calibrated)
        runs = [one.calibrated[k] for k in steps]
        axes[0].plot(steps, [run.loss().value for run in runs], "o-", color=colour, label=f"{one.name}, calibrated")
        axes[0].plot(
            [STEPS], [one.published.loss().value], "s", color=colour, mfc="none", label=f"{one.name}, the paper's"
        )
        axes[1].plot(steps, [run.report.spikes_per_neuron for run in runs], "o-", color=colour)
        axes[1].plot([STEPS], [one.published.report.spikes_per_neuron], "s", color=colour, mfc="none")
    axes[0].legend(fontsize=8)
    figures.save(figure, bench.figures / "steps.png")


def _relu(inputs: torch.Tensor, unit: torch.Tensor, steps: int = STEPS) -> torch.Tensor:
    return FewSpikes(steps).fire_window(inputs, unit)[2] * unit


def trained() -> list[str]:
    """The networks of Table 2 whose weights are here, and the public one where it is at hand."""
    return [name for name in PAPER if zoo.trained(name) or name in public.names()]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return workbench.main(HOME, "FS conversion (Stöckl, Maass)", trained(), None, program, arguments)


if __name__ == "__main__":
    sys.exit(main())
