"""ECC (Wu, Yi, Huang): Figures 3a, 3c, 3d, 3e, 4 and 5 and Table 2 on a VGG-16 of half width, and what holds.

python papers/ecc/run.py [--limit N] [--long-limit N] [--network NAME] [--out DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from papers.claims import Claim, Rule, claim, explained
from papers.ecc import plans
from papers.ecc.drawing import draw_bits, draw_comparison, draw_ingredients, draw_spikes
from papers.ecc.histograms import Counts, spike_counts
from papers.ecc.outcomes import Outcome, count, network_right, outcome
from papers.intervals import Estimate, mean, paired, ratio
from papers.workbench import Subject, Workbench
from torch import Tensor

from papers import public, workbench
from respike import Plan, engines, lower
from respike.data import Dataset

HOME = Path(__file__).parent
NETWORK = "cifar10-vgg16-half"
PLAIN = "cifar10-vgg16-half-plain"
"""The same without batch norm and biases: the paper's rows of RMP-SNN are from such a network."""
HUNDRED = "cifar100-vgg16-half"
"""The network for CIFAR-100: measured where its data and weights are at hand."""
LONG = 2000
"""Test images of the repaired conversion in time; the other runs in time take a quarter of them."""
CHOOSING = 500
"""Training images on which the start of the late readout is chosen."""
STARTS = (0, 16, 32, 48, 64, 80, 96)
"""Steps after which a late readout may start."""
STEPS = 128
"""The steps at which ECC is near lossless in the paper, and at which its ingredients are told apart (the paper does not
name the steps of its Figure 3a)."""
NEAR_ZERO = 0.2
"""Points: what counts as the paper's near-zero loss."""
GOAL = 0.3
"""Points: our own goal for the repair in time."""
SLIGHTLY, MORE = 1.25, 1.4
"""What we take "only slightly more" and "significantly more" operations to be at most, and at least."""
DROP = 0.5
"""Points: what we take a drop of accuracy to be at least, where the paper reports "1 %"."""
NEGLIGIBLE = 0.3
"""Points: what we take a "negligible" loss to be at most."""
BITS = (10, 9, 8, 7)
DECIDED = (8, STEPS)
"""The bits and steps that are run on all images, for the fewest bits that the paper calls negligible."""
FEW = 2000
"""Images of the runs whose effect is large, and of those that only figures show."""

METHODS: dict[str, Callable[[Subject, int], Plan]] = {
    "2017-SNN": plans.largest,
    "ECC-SNN": plans.ecc,
    "RMP-SNN(0.8)": lambda subject, steps: plans.rmp(subject, steps, 0.8),
    "RMP-SNN(0.9)": lambda subject, steps: plans.rmp(subject, steps, 0.9),
    "RMP(0.8), not compounding": lambda subject, steps: plans.rmp_once(subject, steps, 0.8),
    "RMP(0.9), not compounding": lambda subject, steps: plans.rmp_once(subject, steps, 0.9),
    "99.9th percentile": plans.percentile,
    "no normalisation": plans.unnormalised,
}
ON_ALL = {"ECC-SNN": (128, 256), "2017-SNN": (64, 128, 256, 384, 512, 1024)}
"""The steps at which a method is run in count mode on all images."""
ON_FEW = {
    "ECC-SNN": (32, 64),
    "RMP-SNN(0.8)": (64, 128),
    "RMP-SNN(0.9)": (64, 128, 256),
    "99.9th percentile": (128,),
    "no normalisation": (128,),
}
"""The same on the first `FEW` images."""
ON_PLAIN = {
    "ECC-SNN": (128,),
    "RMP-SNN(0.8)": (128,),
    "RMP-SNN(0.9)": (128, 256),
    "RMP(0.8), not compounding": (128,),
    "RMP(0.9), not compounding": (256,),
}
"""The steps at which a method is run in count mode on all images of `PLAIN`."""

_OUTLIERS = (
    "What decides is how far the largest activation lies above the usual ones: in count mode, thresholds n times as "
    "large are steps n times as few. Tested: at 64 steps, which is 512 for outliers 8 times as large and 128 for "
    "outliers twice as large, 2017-SNN does lose what the paper reports (`2017-SNN-64`, `2017-SNN-64-drop`)."
)
REASONS = {
    "2017-SNN-512": "Tested: public-resnet20, which is as accurate as the paper's network, is within 0.2 points at 128 "
    f"and at 512 steps, too (below), so it is not the short training. {_OUTLIERS}",
    "2017-SNN-drop": "Tested: public-resnet20, another architecture with other weights, does not lose it either: it is "
    f"within 0.2 points at 128 steps (below). {_OUTLIERS}",
    "time-ECC": "Tested: with signed neurons, which recall spikes that came too early, and the residual given before "
    "the first step, the same network loses nothing (below): it is spikes that are early or late.",
}
"""Why what does not hold does not, as far as it was tested."""


@dataclass(frozen=True, eq=False)
class Runs:
    """A network and its conversions in count mode.

    network: where the network itself is right, on all images. runs: by method and steps, on all images or the first
    `FEW`.
    """

    network: Tensor
    runs: dict[tuple[str, int], Outcome]

    @property
    def images(self) -> int:
        """How many."""
        return len(self.network)

    def loss(self, name: str, steps: int) -> Estimate:
        """Points that a method loses."""
        return together(paired, self.network, self.runs[name, steps].right[0])

    def between(self, first: tuple[str, int], second: tuple[str, int]) -> Estimate:
        """Points by which the first run is more accurate than the second."""
        return together(paired, self.runs[first].right[0], self.runs[second].right[0])

    def operations(self, first: tuple[str, int], second: tuple[str, int]) -> Estimate:
        """MOps of the first run over those of the second."""
        return together(ratio, self.runs[first].mops, self.runs[second].mops)

    def count(self, *names: tuple[str, int]) -> int:
        """On how many images all of these runs were made."""
        return min(self.runs[name].right.shape[1] for name in names)


@dataclass(frozen=True, eq=False)
class Counted(Runs):
    """Everything in count mode on the network with batch norm.

    Those below are on the first images. bits: by the bits of a weight and steps. keras, consistent, inconsistent: the
    network with Keras' epsilon itself, converted with it, and without any.
    """

    bits: dict[tuple[int, int], Outcome]
    keras: Tensor
    consistent: Outcome
    inconsistent: Outcome

    def precisions(self) -> dict[tuple[int, int], Outcome]:
        """By bits of a weight and steps; 0 bits for floating point."""
        floating = {(0, steps): run for (name, steps), run in self.runs.items() if name == "ECC-SNN"}
        return {**floating, **self.bits}


@dataclass(frozen=True, eq=False)
class Timed:
    """Runs in time, on the first images. start: the late readout's, chosen on training images."""

    network: Tensor
    start: int
    runs: dict[str, Outcome]

    def loss(self, name: str, late: bool = False) -> Estimate:
        """Points that a run loses, read from the first step or late."""
        row = STARTS.index(self.start) if late else 0
        right = self.runs[name].right[row]
        return paired(self.network[: len(right)], right)

    def images(self, name: str) -> int:
        """On how many images a run was made."""
        return self.runs[name].right.shape[1]


def program(bench: Workbench) -> list[Claim]:
    """All figures, tables and claims."""
    claims: list[Claim] = []
    for name in bench.networks:
        subject = bench.subject(name)
        counted = in_counts(bench, subject)
        plain = without_norm(bench)
        timed = in_time(bench, subject)
        counts = spike_counts(bench, subject)
        draw_comparison(bench, counted.runs, counted.network, FEW)
        draw_ingredients(bench, ingredients(counted))
        draw_bits(bench, counted.precisions(), FEW)
        draw_spikes(bench, counts)
        claims += [
            *table2(counted, plain),
            *operations(counted, plain),
            *text_of_figure3(counted),
            over_epochs(bench, subject),
            *ablation(counted),
            *precision(counted),
            *figure5(counts),
            *repair(timed),
        ]
    if public.RESNET20 in public.names():
        claims += other_network(bench, public.subject(bench))
    return explained([*claims, *cifar100(bench)], REASONS)


def together(statistic: Callable[[Tensor, Tensor], Estimate], first: Tensor, second: Tensor) -> Estimate:
    """A paired statistic on the images that both have."""
    images = min(len(first), len(second))
    return statistic(first[:images], second[:images])


def in_counts(bench: Workbench, subject: Subject) -> Counted:
    """Runs everything that has no time."""
    images = subject.test.take(bench.limit)

    def run(name: str, owner: Subject, plan: Plan, where: Dataset = images) -> Outcome:
        return outcome(bench, owner, name, plan, where, count)

    def method(name: str, steps: int, where: Dataset = images) -> Outcome:
        return run(f"count {name} {steps}", subject, METHODS[name](subject, steps), where)

    def fixed(bits: int, steps: int) -> Outcome:
        rounded = lower.fixed_point(subject.network, plans.ecc(subject, steps), bits=bits)
        owner = replace(subject, network=rounded.network)
        where = images if (bits, steps) == DECIDED else few
        return run(f"count {bits} bits {steps}", owner, rounded.plan, where)

    few = images.take(FEW)
    runs = {(name, steps): method(name, steps) for name, every in ON_ALL.items() for steps in every}
    runs |= {(name, steps): method(name, steps, few) for name, every in ON_FEW.items() for steps in every}
    bits = {(number, steps): fixed(number, steps) for number in BITS for steps in (64, STEPS)}
    keras, careless = (
        replace(subject, network=plans.with_epsilon(subject, epsilon), name=f"{subject.name}-{epsilon}")
        for epsilon in (plans.KERAS_EPSILON, 0.0)
    )
    return Counted(
        network_right(bench, subject, images),
        runs,
        bits,
        network_right(bench, keras, few),
        run("count consistent", keras, plans.ecc(keras, STEPS), few),
        run("count inconsistent", careless, plans.ecc(careless, STEPS), few),
    )


def without_norm(bench: Workbench) -> Runs:
    """The network without batch norm, on which the paper compares RMP."""
    subject = bench.subject(PLAIN)
    images = subject.test.take(bench.limit)
    return Runs(
        network_right(bench, subject, images),
        {
            (name, steps): outcome(
                bench, subject, f"count {name} {steps}", METHODS[name](subject, steps), images, count
            )
            for name, every in ON_PLAIN.items()
            for steps in every
        },
    )


def in_time(bench: Workbench, subject: Subject) -> Timed:
    """Runs what is compared in time, and chooses the start of the late readout on training images."""
    images = subject.test.take(bench.long_limit)
    fewer = images.take(-(-bench.long_limit // 4))

    def run(name: str, plan: Plan, where: Dataset = fewer) -> Outcome:
        starts = tuple(start for start in STARTS if start < plan.schedule.steps)
        return outcome(bench, subject, f"time {name}", plan, where, engines.event, starts)

    repaired = plans.repaired(subject, STEPS)
    training = bench.images(subject.test.name, "calibration")
    choosing = run("choosing the start", repaired, training.take(min(CHOOSING, bench.long_limit)))
    best = choosing.right.sum(1)
    return Timed(
        network_right(bench, subject, images),
        STARTS[int(best.argmax())],
        {
            "2017-SNN": run("2017-SNN", plans.largest(subject, STEPS)),
            "99.9th percentile": run("percentile", plans.percentile(subject, STEPS)),
            "ECC-SNN": run("ECC-SNN", plans.ecc(subject, STEPS)),
            "ECC-SNN, 256 steps": run("ECC-SNN 256", plans.ecc(subject, 2 * STEPS)),
            "upfront": run("upfront", plans.repaired(subject, STEPS, signed=False)),
            "signed": run("signed", plans.repaired(subject, STEPS, upfront=False)),
            "repaired": run("repaired", repaired, images),
        },
    )


def ingredients(counted: Counted) -> dict[str, Estimate]:
    """Figure 3a: points lost with one ingredient more from bar to bar, at `STEPS` steps."""
    return {
        "none": counted.loss("no normalisation", STEPS),
        "+ CN": counted.loss("2017-SNN", STEPS),
        "+ CN + TRE": counted.loss("ECC-SNN", STEPS),
        "Keras' epsilon, without CMB": paired(counted.keras, counted.inconsistent.right[0]),
        "Keras' epsilon, with CMB": paired(counted.keras, counted.consistent.right[0]),
    }


def table2(counted: Counted, plain: Runs) -> list[Claim]:
    """The steps that each method needs, as the losses at the paper's steps."""

    def at(name: str, steps: int, rule: Rule, what: str) -> Claim:
        runs, where = (plain, ", without batch norm") if name.startswith("RMP") else (counted, "")
        return claim(
            f"{name}-{steps}", "Table 2", f"count mode{where}: {name} loses {what} at {steps} steps", "near-zero first "
            + {"2017-SNN": "at 1024", "RMP-SNN(0.8)": "at 128", "RMP-SNN(0.9)": "at 256", "ECC-SNN": "at 128"}[name],
            runs.loss(name, steps), rule, NEAR_ZERO, images=runs.count((name, steps)), steps=steps, unit=" points",
        )  # fmt: skip

    near, more = f"at most {NEAR_ZERO} points", f"at least {NEAR_ZERO} points"
    return [
        at("ECC-SNN", 128, Rule.AT_MOST, near),
        at("2017-SNN", 128, Rule.AT_LEAST, more),
        at("2017-SNN", 512, Rule.AT_LEAST, more),
        at("2017-SNN", 1024, Rule.AT_MOST, near),
        at("RMP-SNN(0.8)", 128, Rule.AT_MOST, near),
        at("RMP-SNN(0.9)", 256, Rule.AT_MOST, near),
        *outliers(counted),
        *(
            claim(
                f"{name}-{kind}", "ours", f"count mode{where}: {name} at {steps} steps{how}", "(not in the paper)",
                runs.loss(run, steps), images=runs.count((run, steps)), steps=steps, unit=" points lost",
            )
            for factor, steps in ((0.8, 128), (0.9, 256))
            for name in (f"RMP-SNN({factor})",)
            for kind, runs, run, where, how in (
                ("with-norm", counted, name, ", with batch norm", ""),
                (
                    "once", plain, f"RMP({factor}), not compounding", ", without batch norm",
                    ", spikes worth their threshold, so that the factor does not compound",
                ),
            )
        ),
    ]  # fmt: skip


def outliers(counted: Counted) -> list[Claim]:
    """What 2017-SNN loses with fewer steps, which is what it would lose with outliers so many times as large."""
    name = "2017-SNN"
    return [
        claim(
            f"{name}-64{kind}", "ours", f"count mode: what {name} loses {text}", "(not in the paper)", found,
            images=counted.images, steps=64, unit=" points",
        )
        for kind, text, found in (
            ("", "at 64 steps", counted.loss(name, 64)),
            ("-drop", "from 128 to 64 steps", counted.between((name, 128), (name, 64))),
        )
    ]  # fmt: skip


def other_network(bench: Workbench, subject: Subject) -> list[Claim]:
    """Table 2's first two rows on a network that is as accurate as the paper's."""
    images = subject.test.take(bench.limit)
    network = network_right(bench, subject, images)

    def at(name: str, steps: int, rule: Rule, bound: float, paper: str) -> Claim:
        plan = METHODS[name](subject, steps)
        run = outcome(bench, subject, f"count {name} {steps}", plan, images, count)
        return claim(
            f"{subject.name}-{name}-{steps}", "Table 2", f"count mode, {subject.name}: {name} loses {rule} {bound} "
            f"points at {steps} steps", paper, paired(network, run.right[0]), rule, bound, images=len(images),
            steps=steps, unit=" points",
        )  # fmt: skip

    return [
        at("ECC-SNN", 128, Rule.AT_MOST, NEAR_ZERO, "near-zero first at 128"),
        at("2017-SNN", 128, Rule.AT_LEAST, NEAR_ZERO, "near-zero first at 1024"),
        at("2017-SNN", 512, Rule.AT_LEAST, NEAR_ZERO, "near-zero first at 1024"),
        at("2017-SNN", 1024, Rule.AT_MOST, NEAR_ZERO, "near-zero first at 1024"),
    ]


def operations(counted: Counted, plain: Runs) -> list[Claim]:
    """Table 2's energy, in the paper's MOps."""

    def compare(runs: Runs, id: str, text: str, paper: str, first: str, second: str, rule: Rule, bound: float) -> Claim:
        names = (first, STEPS), (second, STEPS)
        found = runs.operations(*names)
        return claim(
            id, "Table 2", f"count mode{', without batch norm' if runs is plain else ''}: {text}", paper, found, rule,
            bound, images=runs.count(*names), steps=STEPS, unit=" times the MOps",
        )  # fmt: skip

    return [
        compare(
            counted, "ECC-SNN-operations", "ECC needs only slightly more operations than 2017-SNN",
            "only slightly more", "ECC-SNN", "2017-SNN", Rule.AT_MOST, SLIGHTLY,
        ),
        *(
            compare(
                plain, f"{name}-operations", f"{name} needs significantly more operations than ECC",
                "significantly more", name, "ECC-SNN", Rule.AT_LEAST, MORE,
            )
            for name in ("RMP-SNN(0.8)", "RMP-SNN(0.9)")
        ),
    ]  # fmt: skip


def text_of_figure3(counted: Counted) -> list[Claim]:
    """What the text reads off Figures 3b and 3d."""
    short, long = ("2017-SNN", 128), ("2017-SNN", 256)
    same, three_times = ("ECC-SNN", 128), ("2017-SNN", 384)
    images = counted.images
    return [
        claim(
            "2017-SNN-drop", "Figure 3b", "count mode: 2017-SNN loses accuracy from 256 to 128 steps", "about 1 point",
            counted.between(long, short), Rule.AT_LEAST, DROP, images=images, steps=128, unit=" points",
        ),
        claim(
            "ECC-SNN-drop", "Figure 3b", "count mode: ECC does not, from 256 to 128 steps", "no significant drop",
            counted.between(("ECC-SNN", 256), same), Rule.AT_MOST, NEGLIGIBLE, images=images, steps=128,
            unit=" points",
        ),
        claim(
            "same-steps", "Figure 3e", "count mode: ECC is more accurate than 2017-SNN at 64 steps", "more accurate",
            counted.between(("ECC-SNN", 64), ("2017-SNN", 64)), Rule.AT_LEAST, 0.0,
            images=counted.count(("ECC-SNN", 64), ("2017-SNN", 64)), steps=64, unit=" points",
        ),
        claim(
            "three-times-faster", "Figure 3d", "count mode: 2017-SNN with 3 times the steps is not more accurate than "
            "ECC", "similar accuracy", counted.between(three_times, same), Rule.AT_MOST, NEAR_ZERO, images=images,
            steps=384, unit=" points",
        ),
        claim(
            "half-the-operations", "Figure 3d", "count mode: and needs 2 times the operations", "2 times",
            counted.operations(three_times, same), Rule.AT_LEAST, 2.0, images=images, steps=384,
            unit=" times the MOps",
        ),
    ]  # fmt: skip


def over_epochs(bench: Workbench, subject: Subject) -> Claim:
    """Figure 3b: the last epochs of the training, where its weights were kept (`respike train --keep-epochs`)."""
    text = "count mode: over the last epochs, the accuracy of 2017-SNN at 128 steps varies more than that of ECC"
    images = subject.test.take(FEW)
    networks = {
        path.stem: bench.epoch(subject, path)
        for path in sorted((bench.out / "epochs").glob(f"{subject.name}.*.safetensors"))
    }
    if len(networks) < 2:
        return claim(
            "epochs", "Figure 3b", text, "ten epochs", Estimate.unknown(), Rule.AT_LEAST, 0.0, ours="not measured",
            reason=f"respike train {subject.name} --keep-epochs 10 keeps the weights that it needs.",
        )  # fmt: skip

    def accuracies(name: str) -> Tensor:
        runs = [
            outcome(bench, one, f"count {name} {STEPS} {epoch}", METHODS[name](one, STEPS), images, count)
            for epoch, one in networks.items()
        ]
        return 100 * torch.stack([run.right[0].double().mean() for run in runs])

    spreads = [accuracies(name).std() for name in ("2017-SNN", "ECC-SNN")]
    return claim(
        "epochs", "Figure 3b", text, "ten epochs", Estimate.exactly(round(float(spreads[0] - spreads[1]), 3)),
        Rule.AT_LEAST, 0.0, images=len(images), steps=STEPS,
        unit=f" points of standard deviation more, over {len(networks)} epochs",
    )  # fmt: skip


def ablation(counted: Counted) -> list[Claim]:
    """Figure 3a: each ingredient lowers the loss."""
    images = len(counted.keras)
    careful = paired(counted.keras, counted.inconsistent.right[0])
    kept = paired(counted.consistent.right[0], counted.inconsistent.right[0])

    def gains(id: str, text: str, found: Estimate, images: int) -> Claim:
        return claim(
            id, "Figure 3a", f"count mode: {text}", "loses less", found, Rule.AT_LEAST, 0.0, images=images, steps=STEPS,
            unit=" points more",
        )  # fmt: skip

    def against(id: str, text: str, first: str, second: str) -> Claim:
        runs = (first, STEPS), (second, STEPS)
        return gains(id, text, counted.between(*runs), counted.count(*runs))

    return [
        against(
            "ablation-CN", "with CN the accuracy is higher than without any normalisation", "2017-SNN",
            "no normalisation",
        ),
        against(
            "ablation-CN-percentile", "with CN the accuracy is higher than with percentile scales (another reading of "
            "what stands in its place)", "2017-SNN", "99.9th percentile",
        ),
        against("ablation-TRE", "with TRE the accuracy is higher than with CN alone", "ECC-SNN", "2017-SNN"),
        gains("ablation-CMB", "with CMB the accuracy is higher, for a network with Keras' epsilon", kept, images),
        claim(
            "ablation-CMB-loss", "ours", "count mode: without CMB (no epsilon), that network", "(not in the paper)",
            careful, images=images, steps=STEPS, unit=" points lost",
        ),
        claim(
            "ablation-CMB-accuracy", "ours", "accuracy of that network: trained with an epsilon of 1e-5, run with 1e-3",
            "(not in the paper)", Estimate.exactly(round(100 * float(counted.keras.double().mean()), 2)),
            images=images, unit=" %",
        ),
    ]  # fmt: skip


def precision(counted: Counted) -> list[Claim]:
    """Figure 4: what fewer bits lose beside floating point."""

    def at(bits: int, rule: Rule, paper: str) -> Claim:
        rounded = counted.bits[bits, STEPS].right[0]
        found = together(paired, counted.runs["ECC-SNN", STEPS].right[0], rounded)
        return claim(
            f"bits-{bits}", "Figure 4", f"count mode: what weights of {bits} bits lose against floating point is "
            + ("negligible" if rule is Rule.AT_MOST else "not negligible"), paper, found, rule, NEGLIGIBLE,
            images=len(rounded), steps=STEPS, unit=" points",
        )  # fmt: skip

    return [
        *(at(bits, Rule.AT_MOST, "negligible") for bits in (10, 9, 8)),
        at(7, Rule.AT_LEAST, "a drop"),
    ]


def figure5(counts: Counts) -> list[Claim]:
    """Figure 5: how far the spike counts of some layers lie from those that the activations expect."""
    claims = []
    for number, layer in enumerate(counts.layers):
        distances = {name: counts.distance(name, layer) for name in counts.distances}
        deep = number >= len(counts.layers) // 2
        comparisons = [("eta", "ECC with eta = 1/2 is nearer to the expectation than with 2/3", "ECC-SNN, 2/3")]
        if deep:
            comparisons.append(("2017", "ECC with eta = 1/2 is nearer to the expectation than 2017-SNN", "2017-SNN"))
        claims += [
            claim(
                f"figure5-{layer}-{kind}", "Figure 5", f"count mode, {layer}: {text}", "nearer",
                mean(distances[other] - distances["ECC-SNN"]), Rule.AT_LEAST, 0.0, images=counts.images,
                steps=counts.steps, unit=" points of the expected spikes nearer",
            )
            for kind, text, other in comparisons
        ]  # fmt: skip
    return claims


def repair(timed: Timed) -> list[Claim]:
    """The same network in time, and what repairs ECC there."""

    def lost(id: str, text: str, run: str, late: bool = False, steps: int = STEPS) -> Claim:
        return claim(
            id, "ours", f"in time: {text}", "(not in the paper)", timed.loss(run, late), images=timed.images(run),
            steps=steps,
            unit=" points lost",
        )  # fmt: skip

    return [
        claim(
            "time-ECC", "Table 2", f"in time: ECC loses at most {NEAR_ZERO} points at {STEPS} steps",
            "near-zero at 128", timed.loss("ECC-SNN"), Rule.AT_MOST, NEAR_ZERO,
            images=timed.images("ECC-SNN"), steps=STEPS, unit=" points",
        ),
        lost("time-ECC-256", "ECC", "ECC-SNN, 256 steps", steps=2 * STEPS),
        lost("time-2017-SNN", "2017-SNN", "2017-SNN"),
        lost("time-percentile", "99.9th percentile", "99.9th percentile"),
        lost("time-upfront", "ECC, the residual given before the first step", "upfront"),
        lost("time-late", f"ECC, read from step {timed.start + 1} on", "ECC-SNN", late=True),
        lost("time-signed", "ECC with signed neurons", "signed"),
        lost("time-upfront-signed", "ECC with both, read from the first step on", "repaired"),
        claim(
            "time-repaired", "our goal", f"in time: ECC with both, read from step {timed.start + 1} on, loses at most "
            f"{GOAL} points at {STEPS} steps", f"at most {GOAL} (our goal)", timed.loss("repaired", late=True),
            Rule.AT_MOST, GOAL, images=timed.images("repaired"), steps=STEPS, unit=" points",
            reason=f"The start was chosen on {CHOOSING} training images.",
        ),
    ]  # fmt: skip


def cifar100(bench: Workbench) -> list[Claim]:
    """Figure 3d for CIFAR-100, where its files and a trained network are at hand."""
    text = f"count mode, {HUNDRED}: ECC loses at most {NEAR_ZERO} points at {STEPS} steps"

    def ecc(found: Estimate, images: int = 0, **said: str) -> Claim:
        return claim(
            "cifar100", "Figure 3d", text, "near-zero at 128", found, Rule.AT_MOST, NEAR_ZERO, images=images,
            steps=STEPS, unit=" points", **said,
        )  # fmt: skip

    if not bench.has(HUNDRED):
        reason = (
            "No data were at hand: no package registry carries CIFAR-100. Where its files are, "
            f"`respike train {HUNDRED} --directory weights` trains the network, and this program measures it. Tested: "
            "it does, on a small file in the same format."
        )
        return [ecc(Estimate.unknown(), ours="not measured", reason=reason)]
    subject = bench.subject(HUNDRED)
    images = subject.test.take(bench.limit)
    network = network_right(bench, subject, images)
    runs = {
        name: outcome(bench, subject, f"count {name} {steps}", METHODS[name](subject, steps), images, count)
        for name, steps in (("ECC-SNN", STEPS), ("2017-SNN", 3 * STEPS))
    }
    return [
        ecc(paired(network, runs["ECC-SNN"].right[0]), len(images)),
        claim(
            "cifar100-three-times-faster", "Figure 3d", f"count mode, {HUNDRED}: 2017-SNN with 3 times the steps is "
            "not more accurate than ECC", "similar accuracy",
            paired(runs["2017-SNN"].right[0], runs["ECC-SNN"].right[0]), Rule.AT_MOST, NEAR_ZERO, images=len(images),
            steps=3 * STEPS, unit=" points",
        ),
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return workbench.main(HOME, "ECC (Wu, Yi, Huang)", (NETWORK,), LONG, program, arguments)


if __name__ == "__main__":
    sys.exit(main())
