"""`SpikingNetwork`: a network and the plan that makes it spike."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from respike import archive
from respike.engines import fastest
from respike.errors import InvalidFile, InvalidPlan, RespikeWarning
from respike.ir import Network
from respike.passes.edges import place
from respike.plan import Plan
from respike.record import Probe
from respike.summarised import Summarised, called, listed
from respike.training import SpikingModule, Surrogate, Triangle
from respike.typed import NETWORK, PLAN, check_kind


@dataclass(frozen=True, eq=False, repr=False)
class SpikingNetwork(Summarised):
    """A converted network. The constructor checks that the plan fits (`InvalidPlan` names the layer where not).

    `network` is the given one, with the populations that the plan has on edges, and its own weights. Where the plan has
    moved weights, `plan.on(network)` is the network that spikes.

    Only the network's first output spikes; a `RespikeWarning` says so where there are more.
    """

    network: Network
    plan: Plan

    def __post_init__(self) -> None:
        check_kind("network", self.network, Network, NETWORK)
        check_kind("plan", self.plan, Plan, PLAN)
        object.__setattr__(self, "network", place(self.network, self.plan.sites))
        self.plan.check(self.network)
        first, *others = self.network.outputs
        if others:
            message = (
                f"of the network's outputs only {first!r} is simulated, not {', '.join(map(repr, others))}: "
                "respike.passes.join_outputs(network) makes one of all"
            )
            warnings.warn(message, RespikeWarning, stacklevel=3)

    def _summary(self) -> tuple[str, dict[str, str]]:
        conversion = called(self.plan.method, self.plan.options.items()) if self.plan.method else "a plan made by hand"
        return f"SpikingNetwork {self.network.origin}".rstrip(), {
            "conversion": conversion,
            "schedule": repr(self.plan.schedule),
            "populations": f"{len(self.plan.sites)} ({listed(self.plan.sites)})",
        }

    def __call__(self, images: Tensor) -> Tensor:
        """Outputs in the units of the network's own, for a batch of images `[batch, *shape]`.

        `readout / (input steps · gain of the coding)`: the mean current that the last layer has received per step.
        """
        with torch.no_grad():
            recording = fastest(self.network, self.plan)(self.network, self.plan, images, Probe(spike_counts=False))
            return recording.outputs / self.decoding

    @property
    def decoding(self) -> float:
        """By what a readout is divided to be in the units of the network's outputs."""
        return self.plan.output_decoding

    def to_module(self, surrogate: Surrogate | None = None) -> SpikingModule:
        """The spiking network as a `torch.nn.Module` to train; this one stays as it is.

        `surrogate` gives the derivative of integrate-and-fire spikes, `Triangle()` unless given; few-spikes neurons
        have the straight-through one.
        """
        return SpikingModule(*self.plan.applied(self.network), surrogate or Triangle())

    @classmethod
    def from_module(cls, module: SpikingModule) -> SpikingNetwork:
        """The spiking network with the weights and thresholds of a module as they are now.

        Raises `InvalidPlan` where training has left a threshold that is not positive.
        """
        return cls(module.network, module.plan)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes one file (safetensors with a JSON header, no pickle) that `load` reads back to the same spikes."""
        archive.write(path, self.network, self.plan)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SpikingNetwork:
        """Reads what `save` wrote; `InvalidFile` where it is not that. The file may change or go afterwards."""
        network, plan = archive.read(path)
        try:
            return cls(network, plan)
        except InvalidPlan as error:
            raise InvalidFile(f"{os.fspath(path)} holds a plan that does not fit its network: {error}") from error
