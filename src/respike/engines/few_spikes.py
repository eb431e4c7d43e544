"""The one-pass engine of few-spikes networks: no time loop.

K steps of a few-spikes ReLU are a K-bit quantiser, `n = clip(floor(v / unit), 0, 2^K - 1)`: it delivers `n` units, and
fires in step t where bit K - t of `n` is one. So one pass gives the outputs, spikes and operations of the K steps,
exactly. The compiled part takes the K steps in registers, for neurons of all kinds: one pass over the population, which
counts on its way. Without it, fitted neurons take their K steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from respike.engines.walk import TensorWalk
from respike.errors import InvalidPlan
from respike.ir import Network, Pooling, apply_max
from respike.neurons import AtOrAbove, FewSpikes, Neuron
from respike.plan import Plan, Site
from respike.record import Probe, Recorder, Recording
from respike.schedule import Layerwise, Phase

if TYPE_CHECKING:
    from respike.engines.event.memo import Memo
    from respike.engines.event.record import EventRecorder


def few_spikes(
    network: Network, plan: Plan, images: Tensor, probe: Probe | None = None, *, first_image: int = 0
) -> Recording:
    """Runs a plan of few-spikes neurons on a batch of images in one pass.

    Args:
        network: the network that the plan is for.
        plan: what to run.
        images: `[batch, *shape]`.
        probe: what to keep; spike counts and outputs unless given.
        first_image: the number of the batch's first image in its data set, on which random codings depend.

    Raises:
        InvalidPlan: a plan of other neurons.
    """
    if not isinstance(plan.schedule, Layerwise):
        raise InvalidPlan(f"the engine few_spikes runs few-spikes plans only, not {plan.method or 'this one'}")
    (entry,) = network.inputs
    given = network.check_inputs((images,))[entry.name]
    recorder = _recorder(given, probe or Probe())
    _OnePass(network, plan, given, recorder).run(longest=1)
    return recorder.finish()


def delivered(site: Site, current: Tensor) -> Tensor:
    """What a population with a window delivers for its whole input, in the units of activations.

    Args:
        site: its numbers.
        current: its input, `[batch, *shape]`.
    """
    recorder = _recorder(current, Probe(spike_counts=False))
    if isinstance(recorder, Recorder):
        return _in_torch("", site, current, recorder)
    from respike.engines.event import few
    from respike.engines.event.memo import Once

    return few.population("", site, current, recorder, Once())


class _OnePass(TensorWalk):
    """The one step of a layerwise plan."""

    def __init__(self, network: Network, plan: Plan, images: Tensor, recorder: Recorder | EventRecorder) -> None:
        super().__init__(network, plan, images)
        self.recorder = recorder

    def population(self, name: str, site: Site, current: Tensor, phase: Phase, steps: int) -> Tensor:
        """The value that a window decodes to."""
        if site.neuron.window is None:
            raise InvalidPlan(
                f"layer {name!r} has {site.neuron.describe()}: the engine few_spikes runs neurons with a window"
            )
        if isinstance(self.recorder, Recorder):
            return _in_torch(name, site, current[0], self.recorder).unsqueeze(0)
        from respike.engines.event import few

        return few.population(name, site, current[0], self.recorder, self.memo).unsqueeze(0)

    @cached_property
    def memo(self) -> Memo:
        """What the compiled part has worked out for the plan."""
        from respike.engines.event.memo import memo_of

        return memo_of(self.network, self.plan)

    def pool(self, node: Pooling, current: Tensor, steps: int) -> Tensor:
        """The maximum: there is one step."""
        return apply_max(node, current[0]).unsqueeze(0)

    def read_out(self, delivered: Tensor, phase: Phase, steps: int) -> None:
        """There is one output."""
        self.recorder.outputs(delivered)


def _recorder(images: Tensor, probe: Probe) -> Recorder | EventRecorder:
    """Where the compiled part is there and can work, a recorder of words."""
    try:
        from respike.engines.event.record import EventRecorder
    except ImportError:
        return Recorder(probe)
    compiled = images.device.type == "cpu" and images.dtype in (torch.float32, torch.float64)
    return EventRecorder(probe, images.dtype) if compiled else Recorder(probe)


def _in_torch(name: str, site: Site, current: Tensor, recorder: Recorder) -> Tensor:
    """What the population delivers for its input, without the compiled part."""
    neuron, numbers = site.neuron, site.like(current)
    potential = current + (numbers.initial_potential + numbers.extra_current)
    words_of = WORDS.get(type(neuron))
    words = None if words_of is None else words_of(neuron, potential, numbers.threshold)
    if words is not None:
        recorder.words(name, words, len(neuron.worth), lambda: potential - words * numbers.threshold)
        return words * numbers.spike_value
    left, amplitudes, delivered = neuron.fire_window(potential, numbers.threshold)
    recorder.population(name, amplitudes, left, neuron=neuron)
    return delivered * numbers.spike_value


def _floor(neuron: FewSpikes, potential: Tensor, unit: Tensor) -> Tensor | None:
    """`clip(floor(potential / unit), 0, 2^K - 1)` as the K steps give it.

    A quotient that rounding made whole may stand for a smaller one: these few elements take the K steps.
    """
    if not isinstance(neuron.fires, AtOrAbove):
        return None
    quotient = potential / unit
    words = quotient.floor()
    unsure = (quotient == words) & (words >= 1) & (words <= neuron.largest)
    words = words.clamp_(0.0, neuron.largest)
    if bool(unsure.any()):
        _, _, steps = neuron.fire_window(potential[unsure], unit.expand_as(potential)[unsure])
        words[unsure] = steps
    return words


WORDS: Mapping[type[Neuron], Callable[[Any, Tensor, Tensor], Tensor | None]] = {FewSpikes: _floor}
"""By the neuron's class, what gives a window's spikes as binary numbers in one operation, where it can: those numbers
are what the window delivers. A neuron that has no entry takes its steps."""
