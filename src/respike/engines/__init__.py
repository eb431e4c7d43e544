"""Engines: functions that run a plan. All that simulate time give the same spikes; `count` has no time."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from respike.engines.batched import batched
from respike.engines.count import count
from respike.engines.event import COMPILED, event
from respike.engines.few_spikes import few_spikes
from respike.engines.pipelined import PipelinedRun, pipelined
from respike.engines.reference import reference
from respike.errors import InvalidOption
from respike.ir import Network
from respike.plan import Plan
from respike.record import Probe, Recording
from respike.schedule import Layerwise


class Engine(Protocol):
    """Runs a plan on one batch of images."""

    def __call__(
        self, network: Network, plan: Plan, images: Tensor, probe: Probe | None = None, *, first_image: int = 0
    ) -> Recording:
        """Runs `plan` on `images` (`[batch, *shape]`), the first of which has the number `first_image`."""
        ...


STEPPED: Mapping[str, Engine] = {"batched": batched, "event": event, "reference": reference}
"""Those that run integrate-and-fire plans, step by step."""
LAYERWISE: Mapping[str, Engine] = {"few_spikes": few_spikes, "batched": batched, "reference": reference}
"""Those that run few-spikes plans."""
ALL: Mapping[str, Engine] = {**STEPPED, **LAYERWISE, "count": count}
"""All; `count` is not a simulation in time but the published ECC tool's idealisation of one."""


def fastest(network: Network, plan: Plan) -> Engine:
    """The fastest engine that runs a plan exactly, where the network's tensors are.

    What is evaluated in every step is dense, and so is most that reads it: `batched` then.
    """
    if isinstance(plan.schedule, Layerwise):
        return few_spikes
    spikes_alone = not (plan.analog or plan.products)
    return event if COMPILED and spikes_alone and network.device.type == "cpu" else batched


def check_engine(engine: object) -> None:
    """Refuses what is no engine, a name of one for example; None is the fastest.

    Args:
        engine: what was given.
    """
    if engine is not None and not callable(engine):
        raise InvalidOption(f"engine must be one of respike.engines ({', '.join(ALL)}), not {engine!r}")


__all__ = [
    "ALL",
    "LAYERWISE",
    "STEPPED",
    "Engine",
    "PipelinedRun",
    "batched",
    "check_engine",
    "count",
    "event",
    "fastest",
    "few_spikes",
    "pipelined",
    "reference",
]
