"""NeuroBench: a converted network in the form that its harness measures, and the same counts by ours.

    model = neurobench_model(spiking)
    Benchmark(model, dataloader, [], [], [[], [SynapticOperations, ActivationSparsity]]).run()

An effective operation is a nonzero input times a nonzero weight, without biases and padding; a layer whose inputs are
all in {0, ±1} has accumulates (ACs), any other multiply-accumulates (MACs) (Yik et al. 2025).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from respike.cost import fan_outs
from respike.engines import fastest
from respike.errors import RespikeError
from respike.export.portable import CannotExport, Converted, Pooling, portable
from respike.export.unit_module import UnitIntegrateFire, UnitModule
from respike.ir import Add, AvgPool, Network
from respike.record import INPUT, Probe


@dataclass(frozen=True)
class EffectiveOperations:
    """Operations per image, as NeuroBench's `Effective_ACs` and `Effective_MACs`."""

    acs: float
    macs: float


def neurobench_model(converted: Converted) -> Any:
    """A `neurobench.models.TorchModel` of the unit-spike lowering, its neurons registered.

    It takes images `[batch, *shape]` and gives outputs in the units of the network's own. Maps of the image are
    computed once per image. Raises `CannotExport` for what is not portable.
    """
    try:
        from neurobench.models import TorchModel
    except ImportError as error:
        raise RespikeError("this needs NeuroBench: pip install neurobench") from error
    model = TorchModel(UnitModule(converted))
    model.add_activation_module(UnitIntegrateFire)
    return model


def effective_operations(converted: Converted, images: Tensor) -> EffectiveOperations:
    """What NeuroBench counts, counted by respike: spikes times fan-out, and nonzero pixels times theirs.

    Raises `CannotExport` where the two count differently: weights of zero and parallel branches (respike counts
    synapses, whatever their weight, once for a pair of neurons), and average pools that stay (values not in {0, 1}).
    """
    lowered = portable(converted, Pooling.FUSED)
    _check(lowered.network)
    fan_out = fan_outs(lowered.network)
    given = images / lowered.input_unit
    given = (given if lowered.bits is None else given.round()).to(lowered.network.dtype)
    recording = fastest(lowered.network, lowered.plan)(
        lowered.network, lowered.plan, given, Probe(spike_counts=False, fan_out=fan_out)
    )
    counted = sum(float(steps.sum()) for name, steps in recording.operations_per_step.items() if name != INPUT)
    analog = float(((given != 0) * fan_out[INPUT]).sum())
    return EffectiveOperations(acs=counted / len(images), macs=analog / len(images))


def _check(network: Network) -> None:
    for node in network.nodes:
        weight = getattr(node, "weight", None)
        if weight is not None and not bool((weight != 0).all()):
            raise CannotExport(f"layer {node.name!r} has weights of zero, whose synapses respike counts")
        if isinstance(node, AvgPool):
            raise CannotExport(f"layer {node.name!r} is a pool that could not become part of the map behind it")
        if isinstance(node, Add):
            raise CannotExport(f"layer {node.name!r} adds branches, whose common synapses respike counts once")
