"""Engines: functions that run a plan. Each gives the same spikes."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from respike.engines.batched import batched
from respike.engines.event import event
from respike.engines.reference import reference
from respike.ir import Network
from respike.plan import Plan
from respike.record import Probe, Recording


class Engine(Protocol):
    """Runs a plan on one batch of images."""

    def __call__(
        self, network: Network, plan: Plan, images: Tensor, probe: Probe | None = None, *, first_image: int = 0
    ) -> Recording:
        """Runs `plan` on `images` (`[batch, *shape]`), the first of which has the number `first_image`."""
        ...


ALL: Mapping[str, Engine] = {"batched": batched, "event": event, "reference": reference}

__all__ = ["ALL", "Engine", "batched", "event", "reference"]
