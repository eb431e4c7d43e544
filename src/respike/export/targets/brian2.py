"""Brian 2: a group of neurons for each population, and its synapses between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from respike.export.portable import Pooling
from respike.export.targets.matrices import Fired, Matrices, Population, Synapses, run
from respike.export.targets.target import Target, read_graph


def load(path: str | Path) -> nn.Module:
    """The populations of a file, each a `NeuronGroup` with `v -= theta` as its reset."""
    return Matrices(read_graph(path, "Brian 2"), simulate)


def simulate(populations: Sequence[Population], synapses: Sequence[Synapses]) -> Fired:
    """Runs one image, and gives the steps and the neurons of all spikes.

    Brian lets all groups fire, then spikes arrive, then groups reset; so a spike would take a step for each layer. Here
    each population fires, resets and sends before the next one fires, all in the slot "thresholds" of one step.

    Args:
        populations: in the order in which they fire.
        synapses: between them.
    """
    import brian2

    brian2.prefs.codegen.target = "numpy"
    clock = brian2.Clock(dt=1 * brian2.ms)
    groups: dict[str, Any] = {}
    monitors: dict[str, Any] = {}
    order = {one.name: 3 * place for place, one in enumerate(populations)}
    for one in populations:
        group = brian2.NeuronGroup(
            len(one.threshold),
            "v : 1\ncurrent : 1\ntheta : 1 (constant)",
            threshold="v >= theta",
            reset="v -= theta",
            clock=clock,
        )
        group.theta = one.threshold.numpy()
        group.run_regularly("v += current", when="start", clock=clock)
        group.thresholder["spike"].order = order[one.name]
        group.resetter["spike"].when, group.resetter["spike"].order = "thresholds", order[one.name] + 1
        groups[one.name] = group
        monitors[one.name] = brian2.SpikeMonitor(group, when="thresholds", order=order[one.name] + 1)
    wired = []
    for between in synapses:
        made = brian2.Synapses(
            groups[between.source], groups[between.reader], "w : 1 (constant)", on_pre="v_post += w", clock=clock
        )
        made.connect(i=between.sources.numpy(), j=between.readers.numpy())
        made.w = between.weights.numpy()
        made.pre.when, made.pre.order = "thresholds", order[between.source] + 2
        wired.append(made)

    def put_in() -> None:
        step = round(float(clock.t / clock.dt))
        for one in populations:
            groups[one.name].current = one.currents[step].numpy()

    given = brian2.NetworkOperation(put_in, when="start", order=-1, clock=clock)
    network = brian2.Network(*groups.values(), *monitors.values(), *wired, given)
    network.run(len(populations[0].currents) * clock.dt)
    return {
        name: (torch.as_tensor((monitor.t / clock.dt).round()).long(), torch.as_tensor(monitor.i[:]).long())
        for name, monitor in monitors.items()
    }


BRIAN2 = Target(
    name="brian2",
    pooling=Pooling.SUM,
    nir="any",
    fires=">=",
    configure="`NeuronGroup(threshold='v >= theta', reset='v -= theta')`, `Synapses(on_pre='v_post += w')` with the "
    "matrices between populations; each layer fires, resets and sends before the next one, by `order`",
    load=load,
    run=run,
)
