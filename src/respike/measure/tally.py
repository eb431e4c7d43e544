"""`Tally`: what batches of images contribute to a report, as numbers that add up exactly in any order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from safetensors.torch import load
from torch import Tensor

from respike.plan import Plan
from respike.record import Recording
from respike.tensor_file import pack

Exiting: TypeAlias = Callable[[Tensor], Tensor]
"""Outputs over time `[steps, batch, classes]` to the step at which each image exits `[batch]`, from 1."""

_SQUARES = "squares"
MARGIN_UNITS = 2**20
"""Margins are added up in whole numbers of this fraction, so that their sum does not depend on the order."""


@dataclass(frozen=True, eq=False)
class Tally:
    """Sums over some batches.

    `counts` are whole numbers (spikes and operations too: they are held in float64, exact up to 2^53), so sums of them
    do not depend on the order. `squares` (`[batches, 2]`, float64) are not summed but kept batch by batch: the squared
    error of the outputs, and the squared outputs; a report sums them without rounding.
    """

    counts: Mapping[str, Tensor] = field(default_factory=dict)
    squares: Tensor = field(default_factory=lambda: torch.zeros(0, 2, dtype=torch.float64))

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        names = dict.fromkeys([*self.counts, *other.counts])
        counts = {name: self.counts.get(name, 0) + other.counts.get(name, torch.tensor(0)) for name in names}
        return Tally(counts, torch.cat([self.squares, other.squares]))

    @property
    def images(self) -> int:
        """How many images were seen."""
        return self.number("images")

    def number(self, name: str) -> int:
        """A count that is one number."""
        return int(self.counts[name]) if name in self.counts else 0

    def per_population(self, kind: str) -> dict[str, Tensor]:
        """The sums of each step, by population; `kind` is `spikes` or `operations`."""
        start = f"{kind} "
        return {name.removeprefix(start): sums for name, sums in self.counts.items() if name.startswith(start)}

    @property
    def output_error(self) -> float:
        """The root of all squared errors over all squared outputs; 0 where all outputs are 0."""
        error, power = (math.fsum(column) for column in self.squares.T.tolist())
        return math.sqrt(error / power) if power else 0.0

    def to_bytes(self, header: Mapping[str, str] | None = None) -> bytes:
        """As a safetensors file."""
        return pack({**self.counts, _SQUARES: self.squares}, header or {})

    @classmethod
    def from_bytes(cls, content: bytes) -> Tally:
        """What `to_bytes` wrote."""
        return cls.of_tensors(load(content))

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> Tally:
        """The tally of the tensors that `to_bytes` writes."""
        return cls({name: value for name, value in tensors.items() if name != _SQUARES}, tensors[_SQUARES])


def tally(
    outputs: Tensor,
    record: Recording,
    given: Tensor | None,
    plan: Plan,
    exiting: Exiting | None,
    rounded: Tensor | None = None,
) -> Tally:
    """What one batch contributes: the network's `outputs` beside the recording of its spiking twin.

    Args:
        outputs: of the network, `[images, classes]`.
        record: of the spiking network.
        given: labels `[images]`; without them what the network decides is right.
        plan: the plan, which says by what readouts are divided.
        exiting: the rule of early exit, if one was asked for.
        rounded: the outputs of the network with rounded activations, if there is one.
    """
    outputs, over_time = outputs.cpu(), record.outputs_over_time.cpu()
    labels = outputs.argmax(-1) if given is None else given
    decided = over_time.argmax(-1)
    error = (over_time[-1] / plan.output_decoding - outputs).double().square().sum()
    counts = {
        "images": torch.tensor(len(labels)),
        "labelled": torch.tensor(0 if given is None else len(labels)),
        "network right": (outputs.argmax(-1) == labels).sum(-1),
        "network right5": _among(outputs, labels, 5),
        "right": (decided == labels).sum(-1),
        "right5": _among(over_time, labels, 5),
        "agreeing": (decided[-1] == outputs.argmax(-1)).sum(),
        "margin": (margins(outputs, decode(over_time, plan)) * MARGIN_UNITS).round().sum(-1).to(torch.int64),
    }
    counts |= spent(record)
    if rounded is not None:
        counts["rounded right"] = (rounded.cpu().argmax(-1) == labels).sum(-1)
    if exiting is not None:
        counts |= _exits(over_time, labels, exiting(over_time))
    return Tally(counts, torch.stack((error, outputs.double().square().sum())).unsqueeze(0))


def margins(outputs: Tensor, decoded: Tensor) -> Tensor:
    """How much of the network's lead the spiking network has, from -1 to 1, `[steps, images]`.

    The lead of the class `c` that the network decides on is `y_c - max_{j ≠ c} y_j`. A share of 1 is as clear as in the
    network, or clearer; below 0 another class leads.

    Args:
        outputs: of the network, `[images, classes]`.
        decoded: of the spiking network in the same units, `[steps, images, classes]`.
    """
    decided = outputs.argmax(-1, keepdim=True)
    if outputs.shape[-1] < 2:
        return torch.ones(decoded.shape[:2], dtype=torch.float64)

    def lead(values: Tensor) -> Tensor:
        places = decided.expand(*values.shape[:-1], 1)
        others = values.scatter(-1, places, -math.inf)
        return values.gather(-1, places).squeeze(-1) - others.amax(-1)

    own, spiking = lead(outputs.double()), lead(decoded.double())
    return (spiking / own.clamp(min=1e-12)).clamp(-1.0, 1.0)


def spent(record: Recording) -> dict[str, Tensor]:
    """The counts of spikes and operations in a recording."""
    return {f"spikes {name}": sums.cpu() for name, sums in record.spikes_per_step.items()} | {
        f"operations {name}": sums.cpu() for name, sums in record.operations_per_step.items()
    }


def decode(over_time: Tensor, plan: Plan) -> Tensor:
    """Outputs `[steps, images, *output]` in the units of the network's, had the run ended after each step."""
    if len(over_time) == 1:
        return over_time / plan.output_decoding
    steps = torch.arange(1, len(over_time) + 1).clamp(max=plan.schedule.input_steps) - plan.readout.after
    return over_time / (steps.clamp(min=1) * plan.coding.gain).reshape(-1, *[1] * (over_time.ndim - 1))


def _exits(over_time: Tensor, labels: Tensor, at: Tensor) -> dict[str, Tensor]:
    decided = over_time.argmax(-1)
    early = decided[at - 1, torch.arange(len(at))]
    return {
        "exits": torch.bincount(at - 1, minlength=len(over_time)),
        "exit right": (early == labels).sum(),
        "exit agreeing": (early == decided[-1]).sum(),
    }


def _among(outputs: Tensor, labels: Tensor, k: int) -> Tensor:
    """How many of the batch have their label among the k largest outputs; `[steps]` where outputs have steps.

    Of equal ones the first are the largest, as `argmax` takes them.
    """
    labels = labels.unsqueeze(-1)
    own = outputs.gather(-1, labels.expand(*outputs.shape[:-1], 1))
    behind = (outputs < own) | ((outputs == own) & (torch.arange(outputs.shape[-1]) >= labels))
    return (outputs.shape[-1] - behind.sum(-1) < k).sum(-1)
