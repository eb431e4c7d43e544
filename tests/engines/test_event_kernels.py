"""The kernels of the event engine by themselves, with every instruction set that the processor has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from networks import images, networks
from respike import Probe, engines
from respike.engines.event import COMPILED
from respike.errors import UnknownName
from respike.ir import Conv, Input, Linear, Network
from respike.neurons import Burst, IntegrateFire, Neuron, SignedIntegrateFire
from respike.plan import Plan, Site
from respike.schedule import Steady

if not COMPILED:
    pytest.skip("the event engine was not compiled", allow_module_level=True)

from respike.engines.event import _native, instructions
from respike.engines.event.memo import Memo
from respike.engines.event.packing import dense
from respike.engines.event.values import Events, Part, Value

SETS = _native.instruction_sets()


@pytest.fixture(params=SETS)
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _native.instruction_set()
    _native.choose(request.param)
    yield request.param
    _native.choose(before)


def spikes(signs: int, bits: int, shape: tuple[int, ...], steps: int, activity: float, seed: int) -> Events:
    """Words of random spikes; half of the neurons are silent."""
    generator = torch.Generator().manual_seed(seed)
    sent = torch.rand(steps, signs, bits, 2, *shape, generator=generator) < activity
    sent &= torch.rand(shape, generator=generator) < 0.5
    if signs == 2:
        sent[:, 1] &= ~sent[:, 0].any(1, keepdim=True)
    words = (sent.long() << torch.arange(steps).reshape(-1, *(1,) * (3 + len(shape)))).sum(0)
    return Events(words, torch.ones(1, *(1,) * len(shape), dtype=torch.float64), steps, ("r",))


def weights(*shape: int, seed: int) -> Tensor:
    """Whole numbers, whose sums are exact in whatever order."""
    return torch.randint(-64, 65, shape, generator=torch.Generator().manual_seed(seed)).double()


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(SETS),
    signs=st.integers(1, 2),
    bits=st.integers(1, 5),
    pixels=st.tuples(st.integers(1, 3), st.integers(1, 9)),
    channels=st.integers(1, 70),
    steps=st.integers(1, 64),
    activity=st.sampled_from([0.0, 0.003, 0.03, 0.3, 1.0]),
    convolution=st.booleans(),
    seed=st.integers(0, 99),
)
def test_lists_deliver_every_spike_once(
    name: str,
    signs: int,
    bits: int,
    pixels: tuple[int, int],
    channels: int,
    steps: int,
    activity: float,
    convolution: bool,
    seed: int,
) -> None:
    """Currents from lists, made step by step or spike by spike, are those of the dense spikes."""
    shape = (channels, *pixels) if convolution else (channels,)
    events = spikes(signs, bits, shape, steps, activity, seed)
    outputs = 1 + seed % 20
    map: Conv | Linear
    if convolution:
        weight = weights(outputs, channels, 3, 3, seed=seed)
        map = Conv("a", ("r",), weight, None, stride=(1, 1), padding=(1, 1), dilation=(1, 1))
    else:
        map = Linear("a", ("r",), weights(outputs, channels, seed=seed), None)
    part = Part(events, map, ("r", "a"))
    before = _native.instruction_set()
    _native.choose(name)
    try:
        network, plan = Network((Input("r", (), shape), map), ("a",)), Plan({}, Steady(1))
        value = Value((outputs, *shape[1:]), (part,))
        found = dense(value, steps, 2, torch.float64, Memo(network, plan))
        assert torch.equal(found, part.dense())
    finally:
        _native.choose(before)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    network=networks(), neuron=st.sampled_from([IntegrateFire(), SignedIntegrateFire(), Burst(3)]), single=st.booleans()
)
def test_every_instruction_set_gives_the_same_bits(network: Network, neuron: Neuron, single: bool) -> None:
    """Sums are made in the same order everywhere, without fused multiply-adds."""
    network = network.to(torch.float32 if single else torch.float64)
    names = [node.name for node in network.activations]
    plan = Plan({name: Site(0.3, neuron=neuron) for name in names}, Steady(70))
    given, probe = images(network, 3).to(network.dtype), Probe(spikes=names, potentials=names)
    before = _native.instruction_set()
    found = []
    for name in SETS:
        _native.choose(name)
        found.append(engines.event(network, plan, given, probe))
    _native.choose(before)
    for other in found[1:]:
        assert torch.equal(found[0].outputs_over_time, other.outputs_over_time)
        assert all(torch.equal(found[0].spikes[name], other.spikes[name]) for name in names)
        assert all(torch.equal(found[0].potentials[name], other.potentials[name]) for name in names)


def test_the_environment_chooses_the_instruction_set(instruction_set: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _native.choose(SETS[-1])
    monkeypatch.setenv(instructions.VARIABLE, instruction_set)
    instructions.choose()
    assert _native.instruction_set() == instruction_set


def test_an_instruction_set_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(instructions.VARIABLE, "defualt")
    with pytest.raises(UnknownName, match=r"RESPIKE_INSTRUCTIONS.*did you mean 'default'") as failure:
        instructions.choose()
    before = _native.instruction_set()
    monkeypatch.setenv(instructions.VARIABLE, str(failure.value).split("'")[-2])
    instructions.choose()
    assert _native.instruction_set() == "default"
    _native.choose(before)
