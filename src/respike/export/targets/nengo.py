"""Nengo: an ensemble for each population, with neurons of our own, and sparse connections between their neurons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from respike.export.portable import Pooling
from respike.export.targets.matrices import Fired, Matrices, Population, Synapses, run
from respike.export.targets.target import Target, read_graph


def load(path: str | Path) -> nn.Module:
    """The populations of a file, each an `Ensemble` of integrate-and-fire neurons that reset by subtraction."""
    return Matrices(read_graph(path, "Nengo"), simulate)


def simulate(populations: Sequence[Population], synapses: Sequence[Synapses]) -> Fired:
    """Runs one image in steps of a second, and gives the steps and the neurons of all spikes.

    Connections have no synapse (no low-pass filter), so that a spike arrives in the step in which it is sent.

    Args:
        populations: in the order in which they fire.
        synapses: between them.
    """
    import nengo

    ensembles: dict[str, Any] = {}
    probes: dict[str, Any] = {}
    with nengo.Network(seed=0) as network:
        for one in populations:
            count = len(one.threshold)
            ensembles[one.name] = nengo.Ensemble(
                count,
                1,
                neuron_type=_neuron(one.threshold.numpy()),
                gain=np.ones(count),
                bias=np.zeros(count),
                encoders=np.ones((count, 1)),
            )
            given = nengo.Node(_of_step(one.currents))
            nengo.Connection(given, ensembles[one.name].neurons, synapse=None)
            probes[one.name] = nengo.Probe(ensembles[one.name].neurons, synapse=None)
        for between in synapses:
            source, reader = ensembles[between.source].neurons, ensembles[between.reader].neurons
            places = np.stack([between.readers.numpy(), between.sources.numpy()], 1)
            matrix = nengo.Sparse((reader.size_in, source.size_out), indices=places, init=between.weights.numpy())
            nengo.Connection(source, reader, transform=matrix, synapse=None)
    with nengo.Simulator(network, dt=1.0, progress_bar=False, optimize=False) as simulator:
        simulator.run_steps(len(populations[0].currents))
        spikes = {name: torch.tensor(np.array(simulator.data[probe])) for name, probe in probes.items()}
    return {name: (found.nonzero()[:, 0], found.nonzero()[:, 1]) for name, found in spikes.items()}


def _of_step(currents: Tensor) -> Any:
    """A node's function of time: steps end at 1, 2, 3 seconds and so on."""
    values = currents.numpy()
    return lambda time: values[round(time) - 1]


def _neuron(threshold: NDArray[Any]) -> Any:
    """Its own spiking neurons without a refractory time take no negative current, and send several spikes a step."""
    import nengo

    class IntegrateFire(nengo.neurons.NeuronType):  # type: ignore[misc]
        """Fires where the potential reaches the threshold, and subtracts it."""

        state: ClassVar = {"voltage": nengo.dists.Choice([0])}
        spiking = True

        def max_rates_intercepts(self, gain: Any, bias: Any) -> Any:
            """Not known; nothing here is decoded from rates."""
            return np.full_like(gain, np.nan), np.full_like(bias, np.nan)

        def step(self, dt: float, J: Any, output: Any, voltage: Any) -> None:  # noqa: N803
            """One step."""
            voltage += J
            output[:] = (voltage >= threshold) / dt
            voltage -= threshold * (output > 0)

    return IntegrateFire()


NENGO = Target(
    name="nengo",
    pooling=Pooling.SUM,
    nir="any",
    fires=">=",
    configure="a neuron type of ours, because `SpikingRectifiedLinear` takes no negative current and sends several "
    "spikes in one step; `Connection(..., transform=Sparse(...), synapse=None)` with the matrices between populations",
    load=load,
    run=run,
)
