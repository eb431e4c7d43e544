"""The verb `simulate`: run a converted network on a batch, keep what a probe asks for."""

from __future__ import annotations

import torch
from torch import Tensor

from respike.engines import Engine, check_engine, fastest
from respike.record import Probe, Recording
from respike.spiking import SpikingNetwork
from respike.typed import SPIKING, check_kind


def simulate(
    spiking: SpikingNetwork,
    images: Tensor,
    probe: Probe | None = None,
    *,
    engine: Engine | None = None,
    first_image: int = 0,
) -> Recording:
    """Runs a converted network on a batch of images `[batch, *shape]`.

    Args:
        spiking: the converted network.
        images: a batch; `measure` streams whole data sets.
        probe: what to keep beside the outputs; every neuron's spike count unless said.
        engine: who runs it; the fastest that can unless given. All engines but `count` give the same spikes.
        first_image: the number of the first image in its data set, on which random input codings depend.
    """
    check_kind("spiking", spiking, SpikingNetwork, SPIKING)
    check_engine(engine)
    engine = engine or fastest(spiking.network, spiking.plan)
    with torch.no_grad():
        return engine(spiking.network, spiking.plan, images, probe, first_image=first_image)
