"""A folder for engineers: every number of a conversion as .npy, and a manifest in JSON that says what it is.

Nothing in it depends on respike, torch or a simulator. Spikes are 1; thresholds are 1, or whole numbers of a
fixed-point conversion, whose numbers are integers. With images, the folder also has golden vectors (what goes in, every
spike, what comes out), and two short programs that compute the same, one in numpy and one in C (`runners`).
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from respike.engines import integers, reference
from respike.export.portable import CannotExport, Converted, Portable, check_converted, portable
from respike.export.program import NONE, Save, program_of
from respike.files import check_new, new
from respike.ir import Activation, Node
from respike.plan import AccumulatedMax, Membrane, Quantity, Site, SpikeCount
from respike.record import OUTPUT, Probe
from respike.version import __version__

FORMAT = "respike folder 2"
MANIFEST = "manifest.json"
GOLDEN_IMAGES = 10
"""How many images the golden vectors are of, at most."""
_RUNNERS = Path(__file__).parent / "runners"
_SEMANTICS = (
    "In each time step, nodes are computed in the order in which they stand here; spikes cross all of them (delay 0). "
    "A population adds what its input gives to its potential, then fires and resets as its neuron says; a spike is 1. "
    "A bias is added in every step in which biases are on."
)


def write_folder(
    path: str | Path, converted: Converted, *, images: Tensor | None = None, force: bool = False
) -> str | None:
    """Writes the folder, whole or not at all.

    Its `manifest.json` lists the nodes in order, each with its type, inputs, shape and geometry; arrays are entries
    `{file, shape, dtype, unit}`. Units are activation units (`unit` 1 is one of the original network's), steps, or
    thresholds. Integers are stored in the smallest type that holds them: weights of up to 8 bits as int8, up to 16 as
    int16, thresholds, biases and potentials as int32.

    Args:
        path: the folder.
        converted: the conversion, in floats or in fixed point.
        images: of which the first ten become golden vectors, `[batch, *shape]` as the original network takes them.
        force: replace what is there.

    Returns:
        Why there are no runners in the folder; None where there are, or where no images were given.

    Raises:
        CannotExport: a layer that is not portable.
        InvalidFile: a folder that is there (unless `force`), or cannot be written.
    """
    check_converted(converted)
    target = Path(path)
    check_new(target, force=force, folder=True)
    lowered = portable(converted, shifts=True)
    with new(target, force=force, folder=True) as partial:
        writer = _Writer(partial, lowered)
        manifest = writer.manifest()
        without = None
        if images is not None:
            manifest["golden"] = writer.golden(images[:GOLDEN_IMAGES])
            try:
                writer.runners(manifest["golden"])
            except CannotExport as error:
                without = str(error)
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return without


class _Writer:
    """A folder under way."""

    def __init__(self, root: Path, lowered: Portable) -> None:
        self.root, self.lowered = root, lowered
        self.folders: dict[str, str] = {}
        self.files: dict[tuple[str, str], str] = {}

    def manifest(self) -> dict[str, Any]:
        """Writes the arrays and gives what the manifest says."""
        network, plan = self.lowered.network, self.lowered.plan
        nodes = [self._node(node) for node in network.nodes]
        readout: dict[str, Any] = {
            "node": network.outputs[0],
            "decoding": self.lowered.decoding,
            "after": plan.readout.after,
        }
        if isinstance(plan.readout, Membrane):
            readout["kind"] = "sum of the node's value over the steps after the first `after`, divided by decoding"
        else:
            readout["kind"] = "spikes of the population in these steps, times spike_value, divided by decoding"
            readout["population"] = self._population(OUTPUT, dataclasses.replace(plan.readout.site, spike_value=1.0))
            readout["spike_value"] = self._array(OUTPUT, "spike_value", plan.readout.site.value, "activation units")
        return {
            "format": FORMAT,
            "written_by": f"respike {__version__}",
            "network": network.origin,
            "method": plan.method,
            "semantics": _SEMANTICS,
            "weight_bits": self.lowered.bits,
            "membrane_bits": self.lowered.membrane_bits,
            "phases": [vars(phase) for phase in plan.schedule.phases],
            "input": {"unit": self.lowered.input_unit, "coding": repr(plan.coding)},
            "max_pooling": "accumulated" if isinstance(plan.max_pooling, AccumulatedMax) else "momentary",
            "nodes": nodes,
            "readout": readout,
        }

    def golden(self, images: Tensor) -> dict[str, Any]:
        """Runs images by the definition, and writes what goes in, every spike and what comes out."""
        lowered, plan = self.lowered, self.lowered.plan
        network = lowered.network.to(torch.float64)
        given = lowered.encode(images)
        names = [node.name for node in network.activations]
        probe = Probe(spike_counts=False, spikes=names + ([OUTPUT] if isinstance(plan.readout, SpikeCount) else []))
        with torch.no_grad():
            if lowered.membrane_bits is None:
                record = reference(network, plan, given, probe)
            else:
                record = integers.run(network, plan, given, probe, membrane_bits=lowered.membrane_bits).recording
        outputs = (record.outputs.double() / lowered.decoding).float()
        return {
            "inputs": self._save("golden/inputs", _smallest(self._inputs(given))),
            "spikes": {
                name: self._save(f"golden/spikes {name}", sent.movedim(0, 1).to(torch.int8))
                for name, sent in record.spikes.items()
            },
            "outputs": self._save("golden/outputs", outputs),
        }

    def _inputs(self, given: Tensor) -> Tensor:
        """What goes in, `[images, *shape]`; `[images, steps, *shape]` where the input is spikes."""
        plan = self.lowered.plan
        if not plan.coding.spiking:
            return given
        stream = plan.coding.stream(given)
        parts = [
            stream.take(phase.steps) if phase.input_on else torch.zeros(phase.steps, *given.shape, dtype=given.dtype)
            for phase in plan.schedule.phases
        ]
        return torch.cat(parts).movedim(0, 1)

    def runners(self, golden: Mapping[str, Any]) -> None:
        """Writes the two programs, and what they compute."""
        lowered, plan = self.lowered, self.lowered.plan
        save: Save = lambda name, values: self._save(f"program/{name}", values)  # noqa: E731
        program = program_of(lowered, self.files, save)
        readout = NONE
        if isinstance(plan.readout, SpikeCount):
            readout = save("spike value", torch.as_tensor(plan.readout.site.value, dtype=torch.float64).flatten())
        lines = [
            *map(str, program.operations),
            *(f"phase {phase.steps} {int(phase.input_on)} {int(phase.bias_on)}" for phase in plan.schedule.phases),
            f"readout {program.readout} {lowered.decoding!r} {readout} {plan.readout.after}",
            f"inputs {golden['inputs']}",
            *(f"spikes {program.places[name]} {file}" for name, file in golden["spikes"].items()),
            f"outputs {golden['outputs']}",
        ]
        (self.root / "program.txt").write_text("\n".join(lines) + "\n")
        (self.root / "arithmetic.h").write_text(_arithmetic(lowered.membrane_bits))
        for name in ("run.py", "run.c", "README.txt"):
            (self.root / name).write_bytes((_RUNNERS / name).read_bytes())

    def _save(self, name: str, values: Tensor) -> str:
        """Saves an array below a folder of the folder, numbered, and gives its file."""
        folder, _, plain = name.partition("/")
        count = len(self.files)
        readable = "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in plain)
        file = (
            f"{folder}/{readable}.npy"
            if folder == "golden" and " " not in plain
            else f"{folder}/{count:03}_{readable[:80]}.npy"
        )
        self.files[name, ""] = file
        (self.root / folder).mkdir(exist_ok=True)
        _write(self.root / file, np.array(values.detach().cpu().numpy(), order="C"))
        return file

    def _node(self, node: Node) -> dict[str, Any]:
        described: dict[str, Any] = {
            "name": node.name,
            "type": type(node).__name__,
            "inputs": list(node.inputs),
            "shape": list(self.lowered.network.shapes[node.name]),
        }
        if isinstance(node, Activation):
            return described | self._population(node.name, self.lowered.plan.sites[node.name])
        for part in dataclasses.fields(node):
            value = getattr(node, part.name)
            if isinstance(value, Tensor):
                unit = "units of the population behind, per spike" if part.name == "weight" else "the same, per step"
                described[part.name] = self._array(node.name, part.name, value, unit)
            elif part.name not in described and value is not None:
                described[part.name] = value
        if "weight" in described:
            described["delay"] = self._array(node.name, "delay", torch.tensor(0), "steps")
        return described

    def _population(self, name: str, site: Site) -> dict[str, Any]:
        unit = self.lowered.units.get(name, 1.0)
        numbers = {
            part: self._array(name, part, quantity, "the population's unit")
            for part, quantity in (
                ("threshold", site.threshold),
                ("initial_potential", site.initial_potential),
                ("extra_current", site.extra_current),
            )
        }
        return {
            "neuron": dict(site.neuron.manifest()),
            **numbers,
            "unit": self._array(name, "unit", unit, "activation units"),
        }

    def _array(self, node: str, part: str, quantity: Quantity, unit: str) -> dict[str, Any]:
        plain = not isinstance(quantity, Tensor)
        values = torch.as_tensor(quantity, dtype=torch.float64 if plain else None).detach().cpu()
        if self.lowered.bits is not None and unit != "activation units":
            values = values.round().to(_integers(self.lowered.bits) if part == "weight" else torch.int32)
        file = f"{self._folder(node)}/{part}.npy"
        (self.root / file).parent.mkdir(parents=True, exist_ok=True)
        array = np.array(values.numpy(), order="C")
        _write(self.root / file, array)
        self.files[node, part] = file
        return {"file": file, "shape": list(values.shape), "dtype": str(array.dtype), "unit": unit}

    def _folder(self, node: str) -> str:
        """A folder for a node, of the characters that every file system takes; numbered, so no two are the same."""
        if node not in self.folders:
            plain = "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in node)
            self.folders[node] = f"{len(self.folders):03}_{plain[:80]}"
        return self.folders[node]


def _write(path: Path, array: NDArray[Any]) -> None:
    # By way of memory: where a disk is full, numpy itself tells how many items it wrote, and not why.
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    path.write_bytes(content.getvalue())


def _integers(bits: int) -> torch.dtype:
    """The smallest type that holds signed integers of so many bits."""
    return next(kind for size, kind in ((8, torch.int8), (16, torch.int16), (32, torch.int32)) if bits <= size)


def _smallest(values: Tensor) -> Tensor:
    """The same numbers in the smallest of some types that holds all of them."""
    for kind in (torch.int8, torch.int16, torch.int32, torch.float32):
        if bool((values.to(kind).double() == values.double()).all()):
            return values.to(kind)
    return values


def _arithmetic(membrane_bits: int | None) -> str:
    """What a value is, for C."""
    if membrane_bits is None:
        what, kind, low, high, whole = "floats: potentials have no bounds", "double", 0, 0, "floor(x)"
    else:
        what, kind, whole = f"integers: potentials of {membrane_bits} bits saturate", "int64_t", "(x)"
        low, high = -(2 ** (membrane_bits - 1)), 2 ** (membrane_bits - 1) - 1
    return (
        f"/* {what} */\ntypedef {kind} value;\n#define LOW ({low})\n#define HIGH ({high})\n#define WHOLE(x) {whole}\n"
    )
