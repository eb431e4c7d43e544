"""Every engine reproduces the golden vectors exactly, operation counts too."""

from __future__ import annotations

import pytest
import torch

from engines import golden
from respike.cost import fan_outs
from respike.engines import LAYERWISE, STEPPED, Engine, batched
from respike.engines.event import COMPILED
from respike.record import Probe

NEEDS_COMPILER = pytest.mark.skipif(not COMPILED, reason="the event engine was not compiled")
ENGINES = [
    pytest.param(engine, id=name, marks=[NEEDS_COMPILER] if name == "event" else []) for name, engine in STEPPED.items()
]


@pytest.mark.parametrize("name", golden.INTEGRATE_FIRE)
@pytest.mark.parametrize("engine", ENGINES)
def test_exact_spikes_potentials_and_readout(name: str, engine: Engine) -> None:
    case = golden.read(name)
    sites = list(case.plan.sites)
    probe = Probe(spikes=sites, potentials=sites, fan_out=fan_outs(case.network))
    record = engine(case.network, case.plan, case.images, probe)
    for site in sites:
        assert torch.equal(record.spikes[site].cumsum(0), case.spike_counts[site]), site
        assert torch.equal(record.spike_counts[site], case.spike_counts[site][-1]), site
        assert torch.equal(record.potentials[site], case.potentials[site]), site
    assert torch.equal(record.outputs_over_time, case.readout)
    if case.synaptic_operations is not None:
        operations = {site: float(record.operations_per_step[site].sum()) for site in sites}
        assert operations == case.synaptic_operations


@pytest.mark.parametrize("name", golden.FEW_SPIKES)
@pytest.mark.parametrize("engine", LAYERWISE.values(), ids=LAYERWISE.keys())
def test_exact_few_spikes_and_readout(name: str, engine: Engine) -> None:
    case = golden.read(name)
    sites = list(case.plan.sites)
    record = engine(case.network, case.plan, case.images, Probe(spikes=sites))
    for site in sites:
        assert torch.equal(record.spikes[site], case.spikes[site]), site
        assert torch.equal(record.spike_counts[site], case.spikes[site].sum(0)), site
    assert torch.equal(record.outputs, case.readout)


@pytest.mark.parametrize("memory", [1, 5_000, 10**9])
def test_chunks_of_time_change_nothing(memory: int) -> None:
    case = golden.read("cnn_residual_scaled")
    record = batched(case.network, case.plan, case.images, memory=memory)
    assert torch.equal(record.outputs_over_time, case.readout)
