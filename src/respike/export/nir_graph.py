"""NIR: the conversion as a graph of the Neuromorphic Intermediate Representation, in the dialect that all readers take.

Thresholds are 1 (or whole numbers, of a fixed-point conversion) and spikes 1: `Affine`, `Conv1d`, `Conv2d` with their
biases, `SumPool2d` or `AvgPool2d`, `Flatten`, `IF` with `r = 1`; a sum of branches is several edges into one node.

NIR's IF (Pedersen et al. 2024; since nir 1.0.6) is `v ← v_reset` where `v > v_threshold`. A plan with
`IntegrateFire(ToValue(x), Above())` is exactly that. What NIR has no word for is refused with the reason, or written
as metadata (`Metadata`) that the user's loader must heed (`respike.export.targets`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from respike.errors import Argument, RespikeError
from respike.export.nir_nodes import Wiring, nir_name
from respike.export.portable import CannotExport, Converted, Pooling, Portable, check_converted, portable
from respike.files import check_new, write
from respike.plan import Membrane, Quantity, Site, SpikeCount
from respike.record import OUTPUT
from respike.schedule import InputThenDrain
from respike.typed import of_json
from respike.version import __version__

KEY = "respike"
"""The entry of the graph's metadata that holds ours, as JSON."""


def write_nir(
    path: str | Path,
    converted: Converted,
    *,
    pooling: Pooling = Pooling.SUM,
    allow_metadata: bool = False,
    force: bool = False,
) -> None:
    """Writes a NIR file (HDF5), whole or not at all.

    Where neurons reset by subtraction, IF nodes are written without `v_reset`: readers up to nir 1.0.5 then do as
    meant, whose IF resets by subtraction; newer ones take it for a reset to 0, which is why this needs leave.

    Args:
        path: the file to write.
        converted: the converted network, in floats or in integers.
        pooling: how average pools are written; `targets` says what each simulator takes.
        allow_metadata: write what NIR cannot say as metadata.
        force: replace a file that is there.

    Raises:
        CannotExport: what NIR cannot say, all at once; a layer that is not portable.
        InvalidFile: a file that is there, or cannot be written.
    """
    check_converted(converted)
    target = Path(path)
    check_new(target, force=force)
    nir = _nir()
    import h5py

    graph = to_nir(converted, pooling=pooling, allow_metadata=allow_metadata)
    # To memory first: on a disk that is full, HDF5 ends the process.
    content = io.BytesIO()
    nir.write(content, graph)
    neurons = json.loads(graph.metadata[KEY])["neurons"]
    with h5py.File(content, "r+") as file:
        for name in (name for name, numbers in neurons.items() if numbers["reset"] == "subtract"):
            file["node"]["nodes"][name].pop("v_reset", None)
    write(target, content.getvalue(), force=force)


def to_nir(converted: Converted, *, pooling: Pooling = Pooling.SUM, allow_metadata: bool = False) -> Any:
    """The conversion as a `nir.NIRGraph`; see `write_nir`. Its IF nodes have a `v_reset`, as nir wants it.

    Args:
        converted: the conversion, in floats or in fixed point.
        pooling: how average pools are written.
        allow_metadata: write what NIR has no word for as metadata.

    Raises:
        CannotExport: something that NIR cannot say, without `allow_metadata`.
    """
    check_converted(converted)
    _nir()
    lowered = portable(converted, pooling)
    _check_neurons(lowered)
    if late := lowered.plan.readout.after:
        raise CannotExport(
            f"outputs are read from step {late + 1} on, which NIR cannot say: refine the plan by read_late with after=0"
        )
    if not allow_metadata and (reasons := unsayable(lowered)):
        raise CannotExport(
            f"NIR cannot say that {'; that '.join(reasons)}. With ",
            Argument("allow_metadata", True),
            " it is written as metadata, which the simulator must be told of (respike.export.targets)",
        )
    return Wiring(lowered).graph({KEY: json.dumps(_metadata(lowered))})


def unsayable(lowered: Portable) -> list[str]:
    """What NIR has no word for, as clauses."""
    sites = _sites(lowered)
    subtracting = [name for name, site in sites.items() if _rules(site)["reset"] == "subtract"]
    at = [name for name, site in sites.items() if _rules(site)["fires_at"] == ">="]
    charged = [name for name, site in sites.items() if bool(torch.as_tensor(site.initial_potential).any())]
    reasons = []
    if subtracting:
        reasons.append(f"{_listed(subtracting)} reset by subtraction (its IF, since nir 1.0.6, resets to v_reset)")
    if at:
        reasons.append(f"{_listed(at)} fire at v ≥ threshold (its IF fires at v > threshold)")
    if charged:
        reasons.append(f"{_listed(charged)} start from potentials other than 0")
    if isinstance(schedule := lowered.plan.schedule, InputThenDrain) and schedule.drain_steps:
        reasons.append(f"input and biases stop after {schedule.input_steps} of {schedule.steps} steps")
    return reasons


@dataclass(frozen=True)
class Metadata:
    """What `write_nir` puts beside the graph, read back.

    Args:
        steps: time steps of the plan.
        input_steps: steps with input; in the others the network drains.
        bias_while_draining: whether biases flow then.
        coding: how the image becomes input, in words.
        readout: "membrane" (sum up what the output node gets) or "spikes" (sum up its spikes).
        decoding: by what that sum is divided to be in the units of the original network's outputs.
        input_unit: the graph takes `image / input_unit`.
        names: the populations' names in the original network, by the names of the IF nodes.
        neurons: per IF node `reset` ("subtract" or "value"), `fires` (">=" or ">") and `initial_potential`, one number
            or one per channel.
        units: what a potential of 1 is in activation units, per IF node; one number or one per channel.
        written_by: the version of respike that wrote it.
    """

    steps: int
    input_steps: int
    bias_while_draining: bool
    coding: str
    readout: str
    decoding: float
    input_unit: float
    names: Mapping[str, str]
    neurons: Mapping[str, Mapping[str, Any]]
    units: Mapping[str, Any]
    written_by: str = field(default=f"respike {__version__}")

    @classmethod
    def of(cls, graph: Any) -> Metadata:
        """The metadata of a graph that `nir.read` gave; `CannotExport` where it has none, `InvalidFile` if damaged."""
        text = graph.metadata.get(KEY) if graph.metadata else None
        if text is None:
            raise CannotExport("the graph has no metadata of respike: write it with respike.export.write_nir")
        told = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        return of_json(cls, told, "the graph's metadata", "what respike writes")


def _metadata(lowered: Portable) -> dict[str, Any]:
    plan = lowered.plan
    sites = _sites(lowered)
    draining = isinstance(plan.schedule, InputThenDrain) and plan.schedule.bias_while_draining
    return vars(
        Metadata(
            steps=plan.schedule.steps,
            input_steps=plan.schedule.input_steps,
            bias_while_draining=draining,
            coding=repr(plan.coding),
            readout="membrane" if isinstance(plan.readout, Membrane) else "spikes",
            decoding=lowered.decoding / _spike_value(lowered),
            input_unit=lowered.input_unit,
            names={nir_name(name): name for name in sites},
            neurons={nir_name(name): _numbers(site) for name, site in sites.items()},
            units={nir_name(name): _plain(lowered.units[name]) for name in sites if name in lowered.units},
        )
    )


def _spike_value(lowered: Portable) -> float:
    readout = lowered.plan.readout
    if isinstance(readout, Membrane):
        return 1.0
    values = torch.as_tensor(readout.site.value)
    if values.ndim and bool((values != values[0]).any()):
        raise CannotExport("counted output spikes are worth different values; use readout=Membrane()")
    return float(values.flatten()[0])


def _numbers(site: Site) -> dict[str, Any]:
    rules = _rules(site)
    return {
        "reset": rules["reset"],
        "fires": rules["fires_at"],
        "initial_potential": _plain(site.initial_potential),
    }


def _sites(lowered: Portable) -> dict[str, Site]:
    readout = lowered.plan.readout
    return {**lowered.plan.sites, **({OUTPUT: readout.site} if isinstance(readout, SpikeCount) else {})}


def _check_neurons(lowered: Portable) -> None:
    for name, site in _sites(lowered).items():
        if _rules(site)["kind"] != "integrate_and_fire":
            raise CannotExport(f"layer {name!r} has {site.neuron.describe()}, which NIR has not")


def _rules(site: Site) -> Mapping[str, Any]:
    """When the neurons fire, and what resets them."""
    return site.neuron.manifest()


def _plain(quantity: Quantity) -> Any:
    return np.asarray(torch.as_tensor(quantity, dtype=torch.float64).cpu()).tolist()


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{names[0]} and {len(names) - 1} other layers"


def _nir() -> Any:
    try:
        import nir
    except ImportError as error:
        raise RespikeError('NIR files need the package nir: pip install "respike[nir]"') from error
    return nir
