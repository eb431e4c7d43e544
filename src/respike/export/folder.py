"""A folder for engineers: every number of a conversion as .npy, and a manifest in JSON that says what it is.

Nothing in it depends on respike, torch or a simulator. Spikes are 1; thresholds are 1, or whole numbers of a
fixed-point conversion, whose numbers are integers.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from respike.export.portable import Converted, Portable, portable
from respike.files import check_new, new
from respike.ir import Activation, Node
from respike.plan import AccumulatedMax, Membrane, Quantity, Site
from respike.record import OUTPUT
from respike.version import __version__

FORMAT = "respike folder 1"
MANIFEST = "manifest.json"
_SEMANTICS = (
    "In each time step, nodes are computed in the order in which they stand here; spikes cross all of them (delay 0). "
    "A population adds what its input gives to its potential, then fires and resets as its neuron says; a spike is 1. "
    "A bias is added in every step in which biases are on."
)


def write_folder(path: str | Path, converted: Converted, *, force: bool = False) -> None:
    """Writes the folder, whole or not at all.

    Its `manifest.json` lists the nodes in order, each with its type, inputs, shape and geometry; arrays are entries
    `{file, shape, dtype, unit}`. Units are activation units (`unit` 1 is one of the original network's), steps, or
    thresholds.

    Args:
        path: the folder.
        converted: the conversion, in floats or in fixed point.
        force: replace what is there.

    Raises:
        CannotExport: a layer that is not portable.
        InvalidFile: a folder that is there (unless `force`), or cannot be written.
    """
    target = Path(path)
    check_new(target, force=force, folder=True)
    lowered = portable(converted)
    with new(target, force=force, folder=True) as partial:
        writer = _Writer(partial, lowered)
        manifest = writer.manifest()
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


class _Writer:
    """A folder under way."""

    def __init__(self, root: Path, lowered: Portable) -> None:
        self.root, self.lowered = root, lowered
        self.folders: dict[str, str] = {}

    def manifest(self) -> dict[str, Any]:
        """Writes the arrays and gives what the manifest says."""
        network, plan = self.lowered.network, self.lowered.plan
        nodes = [self._node(node) for node in network.nodes]
        readout: dict[str, Any] = {"node": network.outputs[0], "decoding": self.lowered.decoding}
        if isinstance(plan.readout, Membrane):
            readout["kind"] = "sum over all steps of the node's value, divided by decoding"
        else:
            readout["kind"] = "spikes of the population, times spike_value, divided by decoding"
            readout["population"] = self._population(OUTPUT, dataclasses.replace(plan.readout.site, spike_value=1.0))
            readout["spike_value"] = self._array(OUTPUT, "spike_value", plan.readout.site.value, "activation units")
        return {
            "format": FORMAT,
            "written_by": f"respike {__version__}",
            "network": network.origin,
            "method": plan.method,
            "semantics": _SEMANTICS,
            "weight_bits": self.lowered.bits,
            "phases": [vars(phase) for phase in plan.schedule.phases],
            "input": {"unit": self.lowered.input_unit, "coding": repr(plan.coding)},
            "max_pooling": "accumulated" if isinstance(plan.max_pooling, AccumulatedMax) else "momentary",
            "nodes": nodes,
            "readout": readout,
        }

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
            values = values.round().to(torch.int32)
        file = f"{self._folder(node)}/{part}.npy"
        (self.root / file).parent.mkdir(parents=True, exist_ok=True)
        array = np.array(values.numpy(), order="C")
        np.save(self.root / file, array, allow_pickle=False)
        return {"file": file, "shape": list(values.shape), "dtype": str(array.dtype), "unit": unit}

    def _folder(self, node: str) -> str:
        """A folder for a node, of the characters that every file system takes; numbered, so no two are the same."""
        if node not in self.folders:
            plain = "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in node)
            self.folders[node] = f"{len(self.folders):03}_{plain[:80]}"
        return self.folders[node]
