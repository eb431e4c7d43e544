"""The batched engine: time folded into the batch.

Delays are zero, so a layer can be run for many steps at once before the next one is: every affine map sees
`steps · batch` samples, and only the populations walk through time. What is constant over time (the maps in front of
the first population, under constant input) is computed once per chunk. Chunks are chosen so that the values alive at
one time stay within a memory bound; states are carried from chunk to chunk.

On a GPU a population's walk through time is one kernel (`engines.fused`), its potentials in registers all the way.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from respike.engines import fused as kernels
from respike.engines.in_place import IN_PLACE
from respike.engines.walk import RecordedWalk, at
from respike.errors import InvalidOption
from respike.ir import Affine, Linear, Network
from respike.neurons import State
from respike.plan import Plan, Site, SiteTensors
from respike.record import Probe, Recorder, Recording
from respike.schedule import Phase

MEMORY, MEMORY_OF_GPUS = 64 * 2**20, 2**30
"""Bytes that the values of one chunk may take by default: caches hold some of it, and GPUs want long kernels."""


def batched(
    network: Network,
    plan: Plan,
    images: Tensor,
    probe: Probe | None = None,
    *,
    first_image: int = 0,
    memory: int | None = None,
    fused: bool | None = None,
    products: kernels.Products | None = None,
) -> Recording:
    """Runs a plan on a batch of images, layer by layer in chunks of time.

    Args:
        network: the network that the plan is for.
        plan: what to run.
        images: `[batch, *shape]`.
        probe: what to keep; spike counts and outputs unless given.
        first_image: the number of the batch's first image in its data set, on which random codings depend.
        memory: bounds the bytes of the values alive at one time; it changes the speed, never the result. Unless given,
            64 MiB on a CPU and 1 GiB elsewhere.
        fused: run integrate-and-fire populations in Triton's kernels (float32 and float64), with the same spikes: on
            CUDA devices where Triton is installed, unless said. On a CPU Triton's interpreter runs them, which only
            tests want.
        products: runs linear layers that read unit spikes in narrow types: `fused.SplitProducts()` for float32,
            `fused.IntegerProducts()` for fixed point.
    """
    given = plan.inputs(network, images)
    recorder = Recorder(probe or Probe())
    pieces = {} if products is None else kernels.readers_of_unit_spikes(network, plan, products)
    simulation = _Batched(network, plan, given, recorder, first_image, _is_fused(network, fused), pieces)
    if memory is None:
        memory = MEMORY if given.device.type == "cpu" else MEMORY_OF_GPUS
    simulation.run(longest=max(1, memory // _bytes_per_step(network, len(images))))
    return recorder.finish().since(plan.readout.after)


class _Batched(RecordedWalk):
    """One simulation under way: the states of all populations."""

    def __init__(
        self,
        network: Network,
        plan: Plan,
        images: Tensor,
        recorder: Recorder,
        first_image: int,
        fused: bool,
        pieces: Mapping[str, Tensor],
    ) -> None:
        super().__init__(network, plan, images, recorder, first_image)
        self.fused, self.pieces = fused, pieces
        self.populations: dict[str, _Population] = {}

    def map(self, node: Affine, inputs: list[Tensor], phase: Phase) -> Tensor:
        """The node on every step; some linear layers in narrow types."""
        if isinstance(node, Linear) and node.name in self.pieces:
            product = kernels.product(inputs[0], self.pieces[node.name])
            return product if node.bias is None or not phase.bias_on else product.add_(node.bias)
        return super().map(node, inputs, phase)

    def population(self, name: str, site: Site, current: Tensor, phase: Phase, steps: int) -> Tensor:
        """All steps of a population."""
        if name not in self.populations:
            self.populations[name] = _Population(name, site, self.recorder, self.fused)
        return self.populations[name](current, phase, steps)


class _Population:
    """A site and the state of its neurons, over many steps at once."""

    def __init__(self, name: str, site: Site, recorder: Recorder, fused: bool) -> None:
        self.name = name
        self.site = site
        self.recorder = recorder
        self.fused = fused
        self.decodes = bool((torch.as_tensor(site.value) != 1).any())
        self.numbers: SiteTensors | None = None
        self.state: State | None = None

    def __call__(self, current: Tensor, phase: Phase, steps: int) -> Tensor:
        neuron = self.site.neuron
        numbers = self.numbers = self.numbers or self.site.like(current[0])
        if self.state is None:
            self.state = neuron.start(numbers.initial_potential.expand_as(current[0]).clone())
        kernel = kernels.kernel_of(neuron) if self.fused else None
        if kernel is not None:
            extra = numbers.extra_current if phase.bias_on else torch.zeros_like(numbers.extra_current)
            fired = kernels.fire(kernel, self.state, current, numbers.threshold, extra, steps)
            self.state = fired.state
            self._record(fired.spikes, fired.counts)
            return self._delivered(fired.spikes.to(current.dtype), numbers)
        if phase.bias_on and bool(numbers.extra_current.any()):
            current = current + numbers.extra_current
        if neuron.window is not None:
            return self._window(self.state.charged(current[0]).potential, numbers)
        spikes = current.new_empty(steps, *current.shape[1:])
        in_place = IN_PLACE.get(type(neuron))
        if in_place is not None:
            in_place(neuron, self.state.potential, current, spikes, numbers.threshold)
        else:
            for number in range(steps):
                self.state, spikes[number] = neuron.step(self.state, at(current, number), numbers.threshold)
        self._record(spikes)
        return self._delivered(spikes, numbers)

    def _window(self, charge: Tensor, numbers: SiteTensors) -> Tensor:
        """The K steps of neurons that have collected their input: one value."""
        neuron = self.site.neuron
        potential, amplitudes, delivered = neuron.fire_window(charge, numbers.threshold)
        self.recorder.population(self.name, amplitudes, potential, neuron=neuron)
        return delivered.mul_(numbers.spike_value).unsqueeze(0)

    def _delivered(self, spikes: Tensor, numbers: SiteTensors) -> Tensor:
        return spikes.mul_(numbers.spike_value) if self.decodes else spikes

    def _record(self, spikes: Tensor, counts: Tensor | None = None) -> None:
        assert self.state is not None
        self.recorder.population(self.name, spikes, self.state.potential, counts=counts, neuron=self.site.neuron)


def _is_fused(network: Network, wanted: bool | None) -> bool:
    """What is wanted; unless said, on CUDA devices where Triton is installed."""
    known = network.dtype in (torch.float32, torch.float64)
    if wanted:
        kernels.require()
        if not known:
            raise InvalidOption(f"fused kernels run networks in float32 or float64, not {network.dtype}")
    return wanted if wanted is not None else known and network.device.type == "cuda" and kernels.available()


def _bytes_per_step(network: Network, batch: int) -> int:
    """Bytes that one step takes where most is alive at once: a node's value and what it reads."""
    largest = max(
        network.neurons(node.name) + sum(network.neurons(name) for name in node.inputs) for node in network.nodes
    )
    return max(1, batch * largest * network.dtype.itemsize)
