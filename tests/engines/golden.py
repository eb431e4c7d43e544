"""The golden vectors as networks and plans: exact expected spikes, from an independent program."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from respike.ir import Activation, Add, AvgPool, Conv, Input, Linear, Network, Node, ReLU, Reshape
from respike.neurons import FewSpikes, IntegrateFire, Neuron, Reset, SignedIntegrateFire, Subtract, ToValue
from respike.plan import Plan, Site
from respike.schedule import InputThenDrain, Layerwise, Schedule, Steady

FOLDER = Path(__file__).parent.parent / "golden"


def _cases(kind: str) -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json") if json.loads(path.read_text())["kind"] == kind)


INTEGRATE_FIRE = _cases("integrate_fire")
FEW_SPIKES = _cases("few_spikes")


@dataclass(frozen=True, eq=False)
class Golden:
    """One golden case; few-spikes cases have `spikes` at every step, the others `spike_counts` and `potentials`."""

    network: Network
    plan: Plan
    images: Tensor
    spikes: dict[str, Tensor]
    spike_counts: dict[str, Tensor]
    potentials: dict[str, Tensor]
    readout: Tensor
    synaptic_operations: dict[str, float] | None


def read(name: str) -> Golden:
    """The case of that name, in float64."""
    case = json.loads((FOLDER / f"{name}.json").read_text())
    arrays = {key: torch.from_numpy(value).double() for key, value in np.load(FOLDER / f"{name}.npz").items()}
    nodes: list[Node] = [Input("x", (), tuple(arrays["x"].shape[1:]))]
    nodes += [_node(spec, arrays) for spec in case["nodes"]]
    sites = {site: _site(case, **numbers) for site, numbers in case["sites"].items()}

    def per_site(kind: str) -> dict[str, Tensor]:
        return {site: arrays[f"{kind}.{site}"] for site in sites if f"{kind}.{site}" in arrays}

    return Golden(
        network=Network(tuple(nodes), (nodes[-1].name,)),
        plan=Plan(sites=sites, schedule=_schedule(case)),
        images=arrays["x"],
        spikes=per_site("spikes"),
        spike_counts=per_site("spike_counts"),
        potentials=per_site("potential"),
        readout=arrays["readout"],
        synaptic_operations=case.get("synaptic_operations"),
    )


def _node(spec: dict[str, Any], arrays: dict[str, Tensor]) -> Node:
    name, inputs = spec["name"], tuple(spec["inputs"])
    weight, bias = arrays.get(f"w.{name}"), arrays.get(f"b.{name}")
    match spec["kind"]:
        case "linear":
            assert weight is not None
            return Linear(name, inputs, weight, bias)
        case "conv":
            assert weight is not None
            stride, pad = (spec["stride"],) * 2, (spec["pad"],) * 2
            return Conv(name, inputs, weight, bias, stride, pad, (1, 1), spec["groups"])
        case "relu":
            return Activation(name, inputs, ReLU())
        case "avgpool":
            return AvgPool(name, inputs, (2, 2), (2, 2), (0, 0))
        case "add":
            return Add(name, inputs)
        case "flatten":
            return Reshape(name, inputs, (-1,))
        case kind:
            raise NotImplementedError(kind)


def _site(case: dict[str, Any], alpha: float = 0.0, **numbers: Any) -> Site:
    if case["kind"] == "few_spikes":
        return Site(alpha * 2.0 ** -case["steps"], neuron=FewSpikes(case["steps"]), **numbers)
    return Site(neuron=_neuron(case), **numbers)


def _neuron(case: dict[str, Any]) -> Neuron:
    if case.get("signed"):
        return SignedIntegrateFire()
    resets: dict[str, Reset] = {"subtract": Subtract(), "zero": ToValue(0.0)}
    return IntegrateFire(reset=resets[case["reset"]])


def _schedule(case: dict[str, Any]) -> Schedule:
    if case["kind"] == "few_spikes":
        return Layerwise(case["steps"])
    if "drain_steps" in case:
        return InputThenDrain(case["input_steps"], case["drain_steps"], case.get("bias_while_draining", False))
    return Steady(case["input_steps"])
