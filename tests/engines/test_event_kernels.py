"""The kernels of the event engine by themselves, with every instruction set that the processor has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
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
from respike.engines.event.memo import Memo, Once
from respike.engines.event.packing import dense, dense_matrix
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


@settings(max_examples=80, deadline=None)
@example("default", False, 1, (1, 1), 16, 32, (1, 1), (0, 0), 7, 1.0, False, 0)
@example("default", False, 1, (3, 3), 16, 16, (3, 1), (1, 1), 7, 1.0, True, 0)  # both parts gathered, each from a copy
@example("default", False, 1, (1, 1), 64, 64, (1, 1), (0, 0), 64, 1.0, True, 0)
@example("default", True, 3, (129, 5), 64, 16, (5, 1), (2, 0), 7, 1.0, False, 0)  # more weights than a place can name
@example(SETS[0], True, 3, (129, 5), 64, 16, (5, 1), (2, 0), 7, 1.0, False, 0)
@given(
    name=st.sampled_from(SETS),
    single=st.booleans(),
    bits=st.integers(1, 4),
    pixels=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    channels=st.sampled_from([16, 32, 64]),
    outputs=st.sampled_from([3, 16, 20, 32, 40, 64, 70]),
    kernel=st.sampled_from([(3, 1), (5, 1), (3, 2), (1, 1), (1, 2)]),
    padding=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    steps=st.sampled_from([1, 7, 32, 33, 64]),
    activity=st.sampled_from([0.01, 0.05, 0.3, 1.0]),
    residual=st.booleans(),
    seed=st.integers(0, 99),
)
def test_spikes_are_gathered_once(
    name: str,
    single: bool,
    bits: int,
    pixels: tuple[int, int],
    channels: int,
    outputs: int,
    kernel: tuple[int, int],
    padding: tuple[int, int],
    steps: int,
    activity: float,
    residual: bool,
    seed: int,
) -> None:
    """Currents through small kernels are those of the dense spikes, alone and with a residual beside them."""
    size, stride = kernel
    padding = (padding[0] % size, padding[1] % size)
    if any(pixel + 2 * pad < size for pixel, pad in zip(pixels, padding, strict=True)):
        padding = (size // 2 + 1, size // 2 + 1)
    dtype = torch.float32 if single else torch.float64
    events = spikes(1, bits, (channels, *pixels), steps, activity, seed)
    events = replace(events, scale=events.scale.to(dtype))
    weight = weights(outputs, channels, size, size, seed=seed).to(dtype)
    map = Conv("a", ("r",), weight, None, stride=(stride, stride), padding=padding, dilation=(1, 1))
    parts = [Part(events, map, ("r", "a"))]
    wanted = parts[0].dense()
    if residual and wanted.shape[2:] == events.shape:
        scale = 1 + torch.arange(channels, dtype=dtype).reshape(1, -1, 1, 1)
        parts.append(Part(replace(events, scale=scale), None, ("s",)))
        wanted = wanted + parts[1].dense()
    before = _native.instruction_set()
    _native.choose(name)
    try:
        found = dense(Value(tuple(wanted.shape[2:]), tuple(parts)), steps, 2, dtype, Once())
        assert torch.equal(found, wanted)
    finally:
        _native.choose(before)


@pytest.mark.parametrize(("bits", "activity"), [(1, 0.01), (2, 0.0005)])
def test_an_image_is_gathered_from_an_activity_on(bits: int, activity: float) -> None:
    """Through a window of zeros nothing arrives, while lists do not look through it."""
    steps = 50
    count = round(activity * 16 * 5 * 4 * steps)
    words = torch.zeros(1, bits, 2, 320, dtype=torch.int64)
    for image, some in enumerate((count - 1, count)):
        words[0, 0, image] = (1 << 50) - 1  # of as many neurons as send them all
        words[0, 0, image, some // steps + 1 :] = 0
        words[0, 0, image, some // steps] = (1 << some % steps) - 1
    weight = torch.ones(16, 3, 3, 16).reshape(1, 16, 3, 3, 16)
    window = torch.zeros((4 * 16 + 1) * 2 * 3 * 16 if bits == 1 else 3 * bits * 16 * 3 * 16)
    map = _native.Map((5, 4, 16), weight, (3, 3), (1, 1), (1, 1), (1, 1), 1, window, 3 - bits, 16, bits)
    out = torch.empty(steps, 2, 320)
    _native.currents([(words, _native.Shared(), map)], None, steps, (2, 5, 4, 16), 16, out, 1)
    assert bool(out[:, 0].any())
    assert not bool(out[:, 1].any())


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("count", "inputs", "outputs"), [(1, 5, 3), (3, 40, 33), (8, 17, 64), (33, 97, 10), (129, 200, 90)]
)
def test_a_matrix_passes_over_zeros_and_gives_an_image_the_same_wherever_it_stands(
    dtype: torch.dtype, bias: bool, count: int, inputs: int, outputs: int, instruction_set: str
) -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(count, inputs, generator=draw, dtype=torch.float64).to(dtype)
    x[torch.rand(count, inputs, generator=draw) < 0.5] = 0.0
    x[:, 0] = 0.0
    x[count // 2] = 0.0  # an empty picture
    matrix = torch.randn(inputs, outputs, generator=draw, dtype=torch.float64).to(dtype)
    matrix[0] = torch.nan  # of an input that all images have at 0
    offset = torch.randn(outputs, generator=draw, dtype=torch.float64).to(dtype) if bias else None
    weight = dense_matrix(matrix)

    def product(images: torch.Tensor, threads: int) -> torch.Tensor:
        out = torch.full((len(images), outputs), torch.nan, dtype=dtype)
        _native.linear(images, weight, offset, out, threads)
        return out

    found = product(x, 1)
    torch.testing.assert_close(found, x[:, 1:] @ matrix[1:] + (0.0 if offset is None else offset))
    assert torch.equal(product(x, 3), found)
    assert torch.equal(product(x.flip(0), 1).flip(0), found)
    assert torch.equal(torch.cat([product(x[i : i + 1], 2) for i in range(count)]), found)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 70),
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from([0.0, 1.0, 2.5, 7.0])), min_size=1, max_size=12),
    st.integers(1, 2),
    st.floats(0.0, 1.0),
    st.integers(1, 3),
)
def test_spikes_are_counted_whatever_the_runs_of_equal_fan_outs(
    images_: int, runs: list[tuple[int, float]], signs: int, activity: float, threads: int
) -> None:
    fan_out = torch.cat([torch.full((length,), targets, dtype=torch.float64) for length, targets in runs])
    draw = torch.Generator().manual_seed(images_)
    spikes = torch.rand(64, signs, images_, len(fan_out), generator=draw) < activity
    words = (spikes.long() << torch.arange(64).reshape(-1, 1, 1, 1)).sum(0).unsqueeze(1)
    for name in SETS:
        before = _native.instruction_set()
        _native.choose(name)
        out = torch.empty(64, 2, dtype=torch.float64)
        _native.tally(words, _native.Shared(), fan_out, 64, out, threads)
        _native.choose(before)
        assert torch.equal(out[:, 0], spikes.flatten(1).sum(1).double())
        assert torch.equal(out[:, 1], (spikes.double() @ fan_out).flatten(1).sum(1))
