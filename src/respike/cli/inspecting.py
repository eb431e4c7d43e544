"""`respike inspect`: a network as respike sees it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from rich.text import Text

from respike import cost, ir
from respike.calibrate import ActivationStatistics, observe
from respike.cli import console
from respike.cli.arguments import NetworkName
from respike.cli.networks import Subject, find
from respike.cli.sources import Source
from respike.cli.tables import human
from respike.cli.tables.grid import Column, Grid, Kind, Row
from respike.ir import Activation, Network, Node
from respike.plan import Plan

_HEADINGS = ("shape", "weights", "MACs", "neurons", "fan-out", "99.9 %", "max")


def inspect(network: NetworkName, *, source: Source) -> None:
    """Show a network: layers, shapes, weights, activation ranges, and which layers will spike.

    Activation ranges are measured on calibration images, which are part of the training set.
    """
    subject = find(network, source)
    with console.busy("measuring activations"):
        seen = _seen(subject)
    console.OUT.print(Text(subject.network.origin, "bold"), "")
    console.OUT.print(_grid(subject.network, seen, subject.plan))
    console.OUT.print()
    for line in _totals(subject, seen):
        console.OUT.print(line)


def _seen(subject: Subject) -> Mapping[str, ActivationStatistics]:
    """Activation statistics; none for a converted network of which nobody said what images it is for."""
    if subject.plan is not None and subject.source.dataset is None:
        return {}
    return observe(subject.network, subject.calibration)


def _grid(network: Network, seen: Mapping[str, ActivationStatistics], plan: Plan | None) -> Grid:
    columns = [Column("layer", Kind.NAME), Column("kind", Kind.WORD)]
    columns += [Column(heading) for heading in (*_HEADINGS, *(["threshold"] if plan else []))]
    rows = []
    macs, fan_outs = cost.macs(network), cost.fan_outs(network)
    for node in network.nodes:
        weights = sum(tensor.numel() for tensor in ir.tensors(node))
        cells = [
            node.name,
            _kind(network, node),
            "x".join(map(str, network.shapes[node.name])),
            f"{weights:,}" if weights else "",
            human(macs[node.name]) if node.name in macs else "",
            *_spiking(network, node, fan_outs, seen),
        ]
        if plan is not None and node.name in plan.sites:
            cells.append(f"{float(torch.as_tensor(plan.sites[node.name].threshold).max()):.3g}")
        rows.append(Row(cells, style="bold" if isinstance(node, Activation) else ""))
    return Grid(columns, rows)


def _kind(network: Network, node: Node) -> str:
    return "spikes" if isinstance(node, Activation) else network.kind(node.name)


def _spiking(
    network: Network, node: Node, fan_outs: Mapping[str, torch.Tensor], seen: Mapping[str, ActivationStatistics]
) -> tuple[str, ...]:
    """Neurons, mean fan-out and range, where there will be spikes."""
    if not isinstance(node, Activation):
        return ("", "", "", "")
    ranges = ("", "")
    if node.name in seen:
        values = seen[node.name]
        ranges = (f"{float(values.percentile(99.9).max()):.3g}", f"{float(values.maximum.max()):.3g}")
    return (f"{network.neurons(node.name):,}", f"{float(fan_outs[node.name].mean()):.1f}", *ranges)


def _totals(subject: Subject, seen: Mapping[str, ActivationStatistics]) -> list[str]:
    network = subject.network
    neurons = sum(network.neurons(node.name) for node in network.activations)
    macs = sum(cost.macs(network).values())
    lines = [
        f"{network.parameters:,} weights, {human(macs)} multiply-accumulates, "
        f"{neurons:,} neurons in {len(network.activations)} populations"
    ]
    if seen:
        lines.append(f"ranges: activations on the calibration images of {subject.source.dataset}, zeros left out")
    if subject.plan is not None:
        lines.append(f"converted by {subject.plan.method}: {subject.plan.schedule.describe()}")
    return lines
