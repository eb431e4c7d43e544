"""`Probe` says what a simulation keeps, `Recording` is what was kept: nothing large is kept by accident."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from respike import files
from respike.bounds import Bounds
from respike.errors import InvalidOption, UnknownName
from respike.neurons import Neuron
from respike.plan import Plan
from respike.summarised import Summarised, listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INPUT = "input"
"""The name under which input spikes are recorded, where the coding spikes."""
OUTPUT = "output"
"""The name under which output spikes are recorded, where the readout counts them."""


@dataclass(frozen=True, eq=False)
class Probe:
    """What to keep of a simulation; the outputs over time are always kept.

    Args:
        spike_counts: keep every neuron's number of spikes, `[batch, *shape]` per population.
        spikes: populations whose spikes are kept at every step, `[steps, batch, *shape]` each.
        potentials: populations whose potentials after the last step are kept.
        fan_out: per population, the number of targets of each neuron (`cost.fan_outs`); with it, spikes and synaptic
            operations are summed up at every step.
    """

    spike_counts: bool = True
    spikes: Collection[str] = ()
    potentials: Collection[str] = ()
    fan_out: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class Recording(Summarised):
    """What a simulation of one batch has kept. Recalled (negative) spikes count as spikes in what is summed per step.

    Args:
        outputs_over_time: the readout after each step, `[steps, batch, *shape]`: accumulated potentials, or what output
            spikes have delivered, in activation units times steps.
        spike_counts: the net number of spikes of each neuron (the sum of their amplitudes), `[batch, *shape]`, by
            population.
        spikes_per_step: the spikes of a population in each step, summed over the batch.
        operations_per_step: the synaptic operations in each step, summed over the batch.
        spikes: what was sent in each step, `[steps, batch, *shape]`, for the populations that the probe names.
        potentials: the potentials after the last step, `[batch, *shape]`, for the populations that the probe names.
    """

    outputs_over_time: Tensor
    spike_counts: Mapping[str, Tensor]
    spikes_per_step: Mapping[str, Tensor]
    operations_per_step: Mapping[str, Tensor]
    spikes: Mapping[str, Tensor]
    potentials: Mapping[str, Tensor]

    def _summary(self) -> tuple[str, dict[str, str]]:
        steps, images = self.outputs_over_time.shape[:2]
        kept = [name for name in ("spikes", "potentials", "operations_per_step") if getattr(self, name)]
        return f"Recording of {images} images", {
            "outputs": f"{list(self.outputs_over_time.shape)}: {steps} steps, images, outputs",
            "spikes": ", ".join(f"{name} {float(count.sum()):,.0f}" for name, count in self.spike_counts.items())
            or "not counted",
            "also kept": listed(f"{name} of {listed(getattr(self, name))}" for name in kept) or "nothing",
        }

    def since(self, after: int) -> Recording:
        """The same with outputs that count from the step after so many; until then they are 0."""
        if not after:
            return self
        over_time = self.outputs_over_time - self.outputs_over_time[after - 1]
        over_time[:after] = 0
        return replace(self, outputs_over_time=over_time)

    def raster(self, population: str, image: int = 0, *, axes: Axes | None = None) -> Axes:
        """Draws the spikes of one population for one image: a row for each neuron, a line for each spike.

        Recalled (negative) spikes have the second colour. Neurons are numbered as in the flattened population. Steps
        are counted from the population's first one: in layer by layer schedules, from the start of its window.

        Args:
            population: whose spikes, one of `spikes`.
            image: the number of the image in the batch.
            axes: where to draw, for example `pyplot.gca()`; a figure of its own unless given, which no window knows of.

        Returns:
            The axes; `.figure.savefig(...)` writes them.

        Raises:
            InvalidOption: the spikes of the population were not kept at every step, or there is no such image.
        """
        from respike.drawing import COLOURS, blank, describe, spikes

        known = {*self.spike_counts, *self.spikes}
        if known and population not in known:
            raise UnknownName("population", population, known)
        if population not in self.spikes:
            keep = f"simulate with Probe(spikes=[{population!r}])"
            raise InvalidOption(f"the steps of {population!r} were not kept: {keep}")
        kept = self.spikes[population]
        Bounds(0, kept.shape[1] - 1, whole=True).check("image", image)
        sent = kept[:, image].flatten(1).cpu()
        axes = blank().subplots() if axes is None else axes
        for chosen, colour in ((sent > 0, COLOURS[0]), (sent < 0, COLOURS[1])):
            steps, rows = chosen.nonzero(as_tuple=True)
            # Of many rows, one is too low to be seen.
            spikes(axes, (1 + steps).tolist(), rows.tolist(), colour, max(0.8, sent.shape[1] / 120))
        describe(axes, "time steps", "neuron", f"{population}, image {image}")
        axes.set_xlim(0.5, len(sent) + 0.5)
        axes.set_ylim(sent.shape[1] - 0.5, -0.5)
        return axes

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Writes what was kept as arrays: `.npz` for NumPy, or `.h5` for HDF5.

        The arrays are `outputs_over_time`, and under `spikes/`, `spike_counts/`, `spikes_per_step/`,
        `operations_per_step/` and `potentials/` one for each population, as in the recording. Spike trains that are
        whole numbers of at most a byte are written as int8.

        Args:
            path: the file; its end says which kind. HDF5 needs the package h5py.
            force: replace a file that is there.

        Raises:
            InvalidOption: another end, or h5py is missing.
            InvalidFile: a file that is there, or cannot be written.
        """
        place = Path(path)
        if place.suffix not in _WRITERS:
            raise InvalidOption(f"a recording's file ends in {' or '.join(_WRITERS)}, not {place.name!r}")
        files.check_new(place, force=force)
        arrays = {"outputs_over_time": self.outputs_over_time}
        for kind in ("spikes", "spike_counts", "spikes_per_step", "operations_per_step", "potentials"):
            arrays |= {f"{kind}/{name}": kept for name, kept in getattr(self, kind).items()}
        numbers = {name: _narrow(name, tensor.detach().cpu()) for name, tensor in arrays.items()}
        files.write(place, _WRITERS[place.suffix](numbers), force=force)

    @property
    def outputs(self) -> Tensor:
        """The readout after the last step, `[batch, *shape]`."""
        return self.outputs_over_time[-1]


def _narrow(name: str, kept: Tensor) -> NDArray[Any]:
    """An array of what was kept; spikes as bytes, where these hold them."""
    if kept.dtype == torch.bfloat16:
        kept = kept.float()
    small = name.startswith("spikes/") and bool(((kept == kept.round()) & (kept.abs() < 128)).all())
    return (kept.to(torch.int8) if small else kept).numpy()


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def _hdf5(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    try:
        import h5py
    except ImportError as error:
        raise InvalidOption("HDF5 needs the package h5py: pip install h5py, or write .npz") from error
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip" if array.size > 1 else None)
    return content.getvalue()


_WRITERS = {".npz": _npz, ".h5": _hdf5}
"""What writes a recording, by the end of the file's name."""


def decoded(plan: Plan, record: Recording, name: str) -> Tensor:
    """What a population has sent, in the units of the network's activations, `[batch, *shape]`.

    `spike_value · Σ amplitudes / (input steps · gain of the coding)`. In a window, amplitudes count what they are worth
    in their step; of such a population the recording must have kept every step.
    """
    site = plan.sites[name]
    if site.neuron.window is None:
        counts = record.spike_counts[name]
        return site.like(counts).spike_value * counts / plan.decoding
    spikes = record.spikes[name]
    sums: Tensor = torch.tensordot(spikes.new_tensor(site.neuron.worth), spikes, dims=([0], [0]))
    return site.like(sums).spike_value * sums


class Recorder:
    """Collects what a probe asks for while an engine runs."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._outputs: list[Tensor] = []
        self._counts: dict[str, Tensor] = {}
        self._spikes: dict[str, list[Tensor]] = {}
        self._per_step: dict[str, list[Tensor]] = {}
        self._potentials: dict[str, Tensor] = {}
        self._columns: dict[str, Tensor] = {}

    def population(
        self,
        name: str,
        spikes: Tensor,
        potential: Tensor | None = None,
        *,
        counts: Tensor | None = None,
        neuron: Neuron | None = None,
    ) -> None:
        """Takes the spikes of some steps, `[steps, batch, *shape]`, and the potential after them.

        Spikes may be int8 where `potential` has the type to keep them in, and `counts`, their sums over the steps.
        `neuron` says how many spikes an amplitude is; without it, amplitudes are 0 or 1.
        """
        if self._probe.spike_counts:
            counts = spikes.sum(0, dtype=_counting(spikes)) if counts is None else counts
            self._counts[name] = self._counts[name] + counts if name in self._counts else counts
        if name in self._probe.spikes:
            kept = spikes.dtype if potential is None else potential.dtype
            self._spikes.setdefault(name, []).append(spikes.to(kept, copy=True))
        if potential is not None and name in self._probe.potentials:
            self._potentials[name] = potential.clone()
        if name in self._probe.fan_out:
            sent = spikes if neuron is None else neuron.spikes_sent(spikes)
            totals = sent.sum(1, dtype=_counting(sent)).flatten(1)  # whole numbers, exact
            self._per_step.setdefault(name, []).append(self._weighted(name, totals.double()))

    def words(self, name: str, words: Tensor, steps: int, potential: Callable[[], Tensor]) -> None:
        """Takes the spikes of few-spikes neurons as whole numbers of `steps` bits, the first step's bit the highest."""
        kept = name in self._probe.spikes
        if self._probe.spike_counts or kept:
            bits = words.int()
            spikes = torch.stack([(bits >> place) & 1 for place in reversed(range(steps))]).to(words.dtype)
            if kept:
                self._spikes[name] = [spikes]
            if self._probe.spike_counts:
                self._counts[name] = spikes.sum(0)
        if name in self._probe.potentials:
            self._potentials[name] = potential()
        if name in self._probe.fan_out:
            self._per_step[name] = [self._weighted(name, _ones(words, steps))]

    def outputs(self, outputs: Tensor) -> None:
        """Takes the readout after each of some steps."""
        self._outputs.append(outputs.clone())

    def _weighted(self, name: str, per_neuron: Tensor) -> Tensor:
        """Spikes and operations of each step, `[steps, 2]`, from the spikes of each neuron, `[steps, neurons]`."""
        if name not in self._columns:
            fan_out = self._probe.fan_out[name].flatten().to(per_neuron)
            self._columns[name] = torch.stack((torch.ones_like(fan_out), fan_out), dim=1)
        return per_neuron @ self._columns[name]

    def finish(self) -> Recording:
        """What was kept."""
        per_step = {name: torch.cat(parts) for name, parts in self._per_step.items()}
        return Recording(
            outputs_over_time=torch.cat(self._outputs),
            spike_counts=self._counts,
            spikes_per_step={name: sums[:, 0] for name, sums in per_step.items()},
            operations_per_step={name: sums[:, 1] for name, sums in per_step.items()},
            spikes={name: torch.cat(parts) for name, parts in self._spikes.items()},
            potentials=self._potentials,
        )


def _counting(spikes: Tensor) -> torch.dtype | None:
    """The type in which spikes are summed up: half-precision types hold whole numbers up to 256 or 2,048 only."""
    return torch.promote_types(spikes.dtype, torch.float32) if spikes.is_floating_point() else None


def _ones(words: Tensor, steps: int) -> Tensor:
    """How many words of the batch have a one in each bit, the highest first, `[steps, neurons]`.

    Eight bits are spread over the bytes of one integer, so that the words of up to 255 images add up side by side.
    """
    bits = words.flatten(1).int()
    totals = torch.zeros(steps, bits.shape[1], dtype=torch.float64, device=words.device)
    for low in range(0, steps, 8):
        spread = _SPREAD.to(words.device)[(bits >> low) & 255]
        for start in range(0, len(spread), 255):
            lanes = spread[start : start + 255].sum(0)
            for place in range(low, min(low + 8, steps)):
                totals[steps - 1 - place] += (lanes >> 8 * (place - low)) & 255
    return totals


_SPREAD = torch.tensor([sum(((word >> bit) & 1) << 8 * bit for bit in range(8)) for word in range(256)])
"""For each byte, its bits as the lowest bits of eight bytes."""
