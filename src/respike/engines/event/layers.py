"""Populations that are run one after the other, all their steps at once, by whoever chooses their numbers on the way.

The walk of a plan knows all numbers before it begins. Here a population's currents are asked for, then it is run on
them with some numbers, perhaps with others again, and what it sent last is what the next one gets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from respike.coding import Stream
from respike.engines.event.calls import add_counts, lent
from respike.engines.event.maps import through
from respike.engines.event.memo import Once
from respike.engines.event.packing import dense
from respike.engines.event.population import Population
from respike.engines.event.record import EventRecorder
from respike.engines.event.values import LONGEST, Events, Layout, Part, Value
from respike.engines.walk import Pool, folded
from respike.ir import Activation, AdaptiveMaxPool, Analog, Input, MaxPool, Network, Node, walk
from respike.plan import AccumulatedMax, Site
from respike.record import Probe
from respike.schedule import Phase


class Layers:
    """Some images on their way through a network, and what its populations have sent so far.

    Args:
        network: the network.
        images: a batch, checked, `[batch, *shape]`.
        stream: begins what the coding makes of the images.
        steps: T.
    """

    def __init__(self, network: Network, images: Tensor, stream: Callable[[], Stream], steps: int) -> None:
        self._shapes = network.shapes
        self._images = images
        self._stream = stream
        self._chunks = [min(LONGEST, steps - start) for start in range(0, steps, LONGEST)]
        self._once = Once()
        self._sent: dict[str, list[Events]] = {}
        self._runs = 0
        self._charged: tuple[Tensor, Tensor, Tensor] | None = None  # a current, an extra current, their sum

    def current(self, nodes: tuple[Node, ...]) -> Tensor:
        """The current that comes out of nodes, `[steps, batch, *shape]`, or `[1, …]` where it is constant.

        Args:
            nodes: in order; populations, and the network's input, are inputs among them.
        """
        stream, pools, found = self._stream(), dict[str, Pool](), list[Tensor]()
        for number, steps in enumerate(self._chunks):

            def value(node: Node, inputs: list[Value], number: int = number, steps: int = steps) -> Value:
                shape = self._shapes[node.name]
                match node:
                    case Input() if node.name in self._sent:
                        events = self._sent[node.name][number]
                        return Value(shape, (Part(events, None, events.key),))
                    case Input():
                        return Value(shape, (), stream.take(steps))
                    case MaxPool() | AdaptiveMaxPool():
                        pool = pools.setdefault(node.name, Pool(AccumulatedMax()))
                        return Value(shape, (), pool(node, self._dense(inputs[0], steps), steps))
                    case _ if isinstance(node, Analog | Activation):
                        return Value(shape, (), folded(node, [self._dense(each, steps) for each in inputs], bias=True))
                    case _:
                        return through(node, inputs, shape, self._once, bias=True)

            *_, (_, last) = walk(nodes, value)
            found.append(self._dense(last, steps))
            if len(found[-1]) < steps:  # constant
                return found[-1]
        return found[0] if len(found) == 1 else torch.cat(found)

    def run(self, name: str, current: Tensor, site: Site) -> Tensor:
        """Runs a population on its current and keeps what it sends; gives what that delivers in all, `[batch, *shape]`.

        Args:
            name: of the population.
            current: as `current` gives it.
            site: its numbers.
        """
        current, site = self._with_extra(current, site)
        population = Population(name, site, EventRecorder(Probe(spike_counts=False), current.dtype), Once())
        shape, batch, start = tuple(current.shape[2:]), len(self._images), 0
        layout, self._sent[name] = Layout(shape), []
        total = current.new_zeros(batch, self._images.new_empty(shape).numel())
        self._runs += 1
        for steps in self._chunks:
            given = Value(shape, (), current if len(current) == 1 else current[start : start + steps])
            events = population(given, Phase(steps, input_on=True, bias_on=True), steps, batch, current.dtype)
            add_counts(lent(events.flat(channels_last=False)), lent(total))
            # The key names what is worked out for these numbers, and not for those of an earlier run.
            self._sent[name].append(replace(events, key=(name, str(self._runs))))
            start += steps
        delivered = layout.shaped(total)
        return delivered * site.like(delivered).spike_value

    def forget(self, names: set[str]) -> None:
        """Lets go of spikes that nobody reads any more."""
        self._charged = None
        for name in names & self._sent.keys():
            del self._sent[name]

    def _with_extra(self, current: Tensor, site: Site) -> tuple[Tensor, Site]:
        """The site's own currents in the current: sites that are tried one after the other often have the same."""
        extra = site.like(current[0]).extra_current
        transient = site.transient_in(0, sum(self._chunks), current[0].ndim)
        if transient is not None:
            extra = extra + transient.to(extra)
        if not bool(extra.any()):
            return current, site
        known = self._charged
        if known is None or known[0] is not current or not torch.equal(known[1], extra):
            known = self._charged = (current, extra, current + extra)
        return known[2], replace(site, extra_current=0.0, transient=None)

    def _dense(self, value: Value, steps: int) -> Tensor:
        return dense(value, steps, len(self._images), self._images.dtype, self._once)
