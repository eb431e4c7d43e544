"""The event engine: its cost grows with the spikes, not with the neurons.

Delays are zero, so a population can run many steps before the next one does. Its spikes are bits: of one word per
neuron, or of one picture per step. The next layer adds, for each, one row of weights to the currents of the neurons
that it reaches, in compiled code (`native/`), where a tile of membranes stays in the first cache through all steps.
Nothing of the size steps · neurons is written but these bits.

The kernels are compiled for several instruction sets, and the fastest that the processor has runs. The environment
variable `RESPIKE_INSTRUCTIONS` chooses another (`default`, `avx2` or `avx512`): results are the same, bit for bit.
"""

from __future__ import annotations

import warnings

from torch import Tensor

from respike.engines.batched import batched
from respike.engines.few_spikes import few_spikes
from respike.errors import EngineWarning
from respike.ir import Network
from respike.plan import Plan
from respike.record import Probe, Recording
from respike.schedule import Layerwise

try:
    from respike.engines.event import instructions
    from respike.engines.event.engine import run
except ImportError as error:
    if error.name not in (f"{__name__}._native", __name__):  # python names the package where it lacks a module
        raise
    COMPILED = False
else:
    COMPILED = True
    instructions.choose()
"""Whether the compiled part of the package is there."""

MEMORY = 160 * 2**20
"""Bytes that the values of one tile of images would take by default, were they all dense; most never are."""


def event(
    network: Network,
    plan: Plan,
    images: Tensor,
    probe: Probe | None = None,
    *,
    first_image: int = 0,
    memory: int = MEMORY,
) -> Recording:
    """Runs a plan on a batch of images, spike by spike, on the CPU.

    As many threads run as `torch.get_num_threads()` says. Where the package was installed without a compiler, or the
    network is not on the CPU in float32 or float64, `batched` runs in its place, with an `EngineWarning`. Few-spikes
    plans have no time to walk through: `few_spikes` runs them in one pass.

    Args:
        network: the network that the plan is for.
        plan: what to run.
        images: `[batch, *shape]`.
        probe: what to keep; spike counts and outputs unless given.
        first_image: the number of the batch's first image in its data set, on which random codings depend.
        memory: bounds the bytes of what a thread computes at one time; it changes the speed, never the result.
    """
    if isinstance(plan.schedule, Layerwise):
        return few_spikes(network, plan, images, probe, first_image=first_image)
    reason = why_not(network)
    if reason:
        warnings.warn(f"{reason}: the batched engine runs instead", EngineWarning, stacklevel=2)
        return batched(network, plan, images, probe, first_image=first_image, memory=memory)
    return run(network, plan, images, probe or Probe(), first_image, memory).since(plan.readout.after)


def why_not(network: Network) -> str:
    """Why the compiled part cannot run a network; empty where it can."""
    if not COMPILED:
        return "the event engine was not compiled (install respike where there is a C++ compiler)"
    if network.device.type != "cpu" or network.dtype.itemsize not in (4, 8):
        return f"the event engine takes networks on the CPU in float32 or float64, not {network.dtype} on " + str(
            network.device
        )
    return ""
