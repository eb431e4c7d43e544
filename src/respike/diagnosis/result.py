"""What a diagnosis says, as frozen values. A number that is not defined is NaN, in JSON null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise

from respike.methods.remedy import Remedy
from respike.summarised import Summarised, called, counted

READOUT = "readout"
"""Stands for the way from the last population to the outputs, where a layer is named."""


@dataclass(frozen=True)
class Comparison:
    """Decoded spiking activations `s` against reference activations `a`, over all images and neurons.

    All but the correlation are NaN where every `a` is zero.

    Args:
        correlation: Pearson's; NaN where one of them never changes.
        error: `sqrt(Σ (s - a)² / Σ a²)`, the relative root mean square error.
        bias: `Σ (s - a) / Σ |a|`, the mean signed error in mean activations.
        gain: `Σ s a / Σ a²`, the factor g for which `g a` is nearest to s.
    """

    correlation: float
    error: float
    bias: float
    gain: float


@dataclass(frozen=True)
class Score:
    """How the outputs of a network do: the network's own, a hybrid's, or the spiking network's.

    Args:
        accuracy: the share of images whose decision is their label; NaN where there are no labels.
        agreement: the share of images on which the decision is the network's.
        output_error: relative root mean square error against the network's outputs.
    """

    accuracy: float
    agreement: float
    output_error: float

    @property
    def decision(self) -> float:
        """The accuracy, or the agreement where there are no labels."""
        return self.agreement if math.isnan(self.accuracy) else self.accuracy


@dataclass(frozen=True)
class Layer:
    """A population of spiking neurons, compared with the activation it stands for.

    A *unit* is the smallest value above zero that a neuron can send: one spike, decoded. Its *maximum* is the largest.

    Args:
        name: of the activation, or of the recurrent layer.
        neurons: how many there are.
        network: compared with the network's activations: what this layer and those before it do together.
        own: compared with what the activation makes of the same decoded inputs: what this layer does alone. In the
            first layer, whose input is the image, the two are one. In a recurrent layer it covers all time steps
            together.
        mean_activation: mean magnitude of the network's activations.
        coarseness: a unit over the mean positive activation; above 1, most activations are smaller than one spike.
        range_used: the largest activation over the maximum; above 1, the neuron cannot send it.
        saturated: share of the positive activations that are above the maximum, with a neuron that sends the maximum.
            For fitted few-spikes neurons, the share beyond the range of the fit.
        silent: share of neurons that never spike, though their activation exceeds half a unit.
        bulk: 99.9 % of the positive activations are at most this share of the maximum.
        dead: share of neurons whose activation is zero on all images: the network does not use them.
        spike_rate: spikes per neuron and step (negative spikes count negatively).
        replaced: how the network does with all layers up to this one spiking, the others as they were.
    """

    name: str
    neurons: int
    network: Comparison
    own: Comparison
    mean_activation: float
    coarseness: float
    range_used: float
    saturated: float
    silent: float
    bulk: float
    dead: float
    spike_rate: float
    replaced: Score


@dataclass(frozen=True)
class Attempt:
    """A remedy that was tried: the network converted again as it says.

    Args:
        remedy: what was tried.
        decision: the accuracy (agreement, without labels) on the same images.
    """

    remedy: Remedy
    decision: float


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and what to change.

    Args:
        rule: its name (docs/guides/diagnose.md has all of them).
        layers: the layers it is true of, front to back; empty where it is about the whole network.
        observed: the figure behind it, of the worst layer.
        threshold: what the figure is measured against.
        why: what was seen.
        remedies: what to change, the best first.
        trial: by what change of the plan the advice can be tried; empty where it takes a new conversion.
        tried: the accuracy (agreement, without labels) on the same images with that change; NaN where it was not tried.
        attempts: the remedies that were tried by converting the network again, the best first.
    """

    rule: str
    layers: tuple[str, ...]
    observed: float
    threshold: float
    why: str
    remedies: tuple[Remedy, ...]
    trial: str = ""
    tried: float = math.nan
    attempts: tuple[Attempt, ...] = ()

    @property
    def best(self) -> float:
        """The best accuracy (agreement, without labels) that was reached by any trial; NaN where there was none."""
        reached = [self.tried, *(attempt.decision for attempt in self.attempts)]
        return max((value for value in reached if not math.isnan(value)), default=math.nan)

    @property
    def advice(self) -> str:
        """What to change, as one writes it in Python."""
        return "; or ".join(map(str, self.remedies))


@dataclass(frozen=True, repr=False)
class Diagnosis(Summarised):
    """Where a conversion loses accuracy. Shares and accuracies are fractions.

    Args:
        network: where the network came from.
        method: the method that made the plan; empty for a plan made by hand.
        options: the options of the method.
        dataset: the name of the data set.
        images: how many were compared.
        labelled: whether there were labels; without them, agreement with the network takes the place of accuracy.
        steps: time steps of the plan.
        tolerance: a loss up to this is none, and neither is that of a single image.
        before: the network's own score.
        layers: the populations, front to back.
        after: the spiking network's score.
        over_time: accuracy (agreement, without labels) after each step.
        findings: what to change, the best that was tried first; empty where nothing is wrong.
        engine: who simulated.
        seconds: how long the diagnosis took.
        respike_version: the version that made it.
    """

    network: str
    method: str
    options: Mapping[str, object]
    dataset: str
    images: int
    labelled: bool
    steps: int
    tolerance: float
    before: Score
    layers: tuple[Layer, ...]
    after: Score
    over_time: tuple[float, ...]
    findings: tuple[Finding, ...]
    engine: str
    seconds: float
    respike_version: str

    def _summary(self) -> tuple[str, dict[str, str]]:
        measured = "accuracy" if self.labelled else "agreement"
        findings = {f"advice {number}": f"{one.why}: {one.advice}" for number, one in enumerate(self.findings, 1)}
        return f"Diagnosis: {called(self.method or 'a plan', self.options.items())} on {self.network}", {
            "compared": counted(self.images, "image") + (f" of {self.dataset}" if self.dataset else ""),
            measured: f"{100 * self.after.decision:.2f} %, the network {100 * self.before.decision:.2f} %",
            "most is lost with": self.most_loss or "no layer",
            "first loss": self.first_loss or "none",
        } | findings

    @property
    def allowed(self) -> float:
        """The loss that counts as none: the tolerance, and that of a single image."""
        return max(self.tolerance, 1 / self.images) + 1e-9

    @property
    def loss(self) -> float:
        """By how much the accuracy (agreement, without labels) is below the network's."""
        return self.before.decision - self.after.decision

    @property
    def losses(self) -> Mapping[str, float]:
        """What each layer loses of it when it is replaced too, front to back; the last entry is the readout."""
        stages = [self.before, *(layer.replaced for layer in self.layers), self.after]
        lost = [earlier.decision - later.decision for earlier, later in pairwise(stages)]
        return dict(zip([*(layer.name for layer in self.layers), READOUT], lost, strict=True))

    @property
    def first_loss(self) -> str | None:
        """The first layer with which the loss exceeds what is allowed; None where there is no such layer."""
        total = 0.0
        for name, lost in self.losses.items():
            total += lost
            if total > self.allowed:
                return name
        return None

    @property
    def most_loss(self) -> str | None:
        """The layer that loses most; None where nothing exceeds what is allowed."""
        name, lost = max(self.losses.items(), key=lambda item: item[1])
        return name if self.first_loss is not None and lost > 0 else None

    @property
    def healthy(self) -> bool:
        """Whether the loss is none: there is nothing to find."""
        return self.loss <= self.allowed

    def to_json(self) -> str:
        """The diagnosis as JSON, with what its properties say."""
        names = ("loss", "losses", "first_loss", "most_loss", "healthy")
        derived = {name: getattr(self, name) for name in names}
        findings = [asdict(finding) | {"advice": finding.advice} for finding in self.findings]
        content = asdict(self) | {"options": dict(self.options), "findings": findings} | derived
        return json.dumps(_plain(content), indent=1, default=str, allow_nan=False)


def _plain(value: object) -> object:
    """NaN and infinity, which JSON does not have, as null."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: _plain(part) for key, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case _:
            return value
