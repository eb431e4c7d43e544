"""The event engine beyond what the laws say: maps of all kinds, float32, dense layers, threads, tiles, no compiler."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from networks import Builder, images
from respike import engines, methods
from respike.cost import fan_outs
from respike.engines import event as engine
from respike.engines.event import COMPILED
from respike.errors import EngineWarning
from respike.ir import (
    Activation,
    Add,
    AvgPool,
    Conv,
    ElementwiseAffine,
    Input,
    Linear,
    Network,
    Node,
    Pad,
    Permute,
    ReLU,
    Reshape,
    Slice,
    map_tensors,
)
from respike.neurons import Above, AtOrAbove, IntegrateFire, SignedIntegrateFire
from respike.plan import Plan, Site
from respike.record import Probe, Recording
from respike.schedule import InputThenDrain, Steady

needs_compiler = pytest.mark.skipif(not COMPILED, reason="the event engine was not compiled")


def dyadic(*shape: int, seed: int = 0) -> Tensor:
    """Multiples of 1/64 in [-1, 1]: sums of them are exact in whatever order."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-64, 65, shape, generator=generator).double() / 64


def conv(name: str, source: str, weight: Tensor, **options: object) -> Conv:
    ones, zeros = (1,) * (weight.ndim - 2), (0,) * (weight.ndim - 2)
    node = Conv(name, (source,), weight, None, stride=ones, padding=zeros, dilation=ones)
    return replace(node, **options)  # type: ignore[arg-type]


def relu(name: str, source: str) -> Activation:
    return Activation(name, (source,), ReLU())


IMAGE = (4, 9, 7)
MAPS: dict[str, list[Node]] = {
    "strided": [conv("a", "r", dyadic(5, 4, 3, 2), stride=(2, 3), padding=(2, 1))],
    "dilated": [conv("a", "r", dyadic(5, 4, 3, 2), dilation=(2, 3), padding=(1, 0))],
    "valid": [conv("a", "r", dyadic(70, 4, 5, 5))],
    "pointwise": [conv("a", "r", dyadic(20, 4, 1, 1))],
    "depthwise": [conv("a", "r", dyadic(8, 1, 3, 3), groups=4, padding=(1, 1))],
    "grouped": [conv("a", "r", dyadic(6, 2, 3, 3), groups=2, stride=(2, 1), padding=(3, 0))],
    "scaled": [
        conv("c", "r", dyadic(3, 4, 3, 3)),
        ElementwiseAffine("a", ("c",), torch.tensor([2, 0.25, 4]).double().reshape(3, 1, 1), dyadic(3, 1, 1)),
    ],
    "pool behind": [
        conv("c", "r", dyadic(3, 4, 4, 2), stride=(1, 2)),
        AvgPool("a", ("c",), (2, 1), (2, 1), (0, 0)),
    ],
    "pool before": [AvgPool("p", ("r",), (4, 2), (2, 2), (2, 1)), conv("a", "p", dyadic(6, 4, 3, 3))],
    "pools": [
        AvgPool("p", ("r",), (2, 2), (2, 2), (0, 0), ceil_mode=True),
        AvgPool("q", ("p",), (2, 2), (1, 1), (0, 0)),
        conv("a", "q", dyadic(6, 4, 2, 2)),
    ],
    "residual": [
        conv("c", "r", dyadic(4, 4, 3, 3), padding=(1, 1)),
        ElementwiseAffine("s", ("r",), dyadic(4, 1, 1, seed=2), dyadic(4, 1, 1, seed=3)),
        Add("a", ("c", "s", "r")),
    ],
    "residual of one channel": [
        conv("c", "r", dyadic(1, 4, 1, 1)),
        relu("d", "c"),
        conv("e", "d", dyadic(1, 1, 3, 3), padding=(1, 1)),
        Add("a", ("e", "d")),
    ],
    "residual of one neuron": [conv("c", "r", dyadic(1, 4, 9, 7) / 16), relu("d", "c"), Add("a", ("d", "c"))],
    "padded pixel": [
        conv("c", "r", dyadic(6, 4, 9, 7) / 16),
        relu("d", "c"),
        conv("a", "d", dyadic(5, 6, 3, 3), padding=(1, 1)),
    ],
    "pixel passed by": [
        conv("c", "r", dyadic(6, 4, 9, 7) / 16),
        relu("d", "c"),
        conv("a", "d", dyadic(5, 6, 1, 1), padding=(1, 1), stride=(3, 3)),
    ],
    "moved": [
        Pad("p", ("r",), (1, -1, 0, 2), 0.5),
        Slice("s", ("p",), 2, 1, 8, 2),
        Permute("q", ("s",), (0, 1, 3, 2)),
        conv("a", "q", dyadic(6, 4, 2, 2)),
    ],
    "tokens": [Reshape("t", ("r",), (12, 21)), Linear("a", ("t",), dyadic(5, 21), dyadic(5, seed=4))],
    "gathered": [
        conv("c", "r", dyadic(16, 4, 1, 1)),
        relu("d", "c"),
        conv("e", "d", dyadic(16, 16, 3, 3, seed=2), padding=(1, 1)),
        Add("f", ("e", "d")),
        relu("g", "f"),
        conv("h", "g", dyadic(32, 16, 3, 3, seed=3), padding=(0, 2)),
        relu("i", "h"),
        conv("a", "i", dyadic(70, 32, 3, 3, seed=4), padding=(2, 1)),
    ],
    "gathered with a stride": [
        conv("c", "r", dyadic(16, 4, 1, 1)),
        relu("d", "c"),
        conv("e", "d", dyadic(32, 16, 3, 3, seed=2), padding=(1, 1), stride=(2, 2)),
        relu("f", "e"),
        conv("g", "f", dyadic(32, 32, 3, 3, seed=3), padding=(1, 1)),
        conv("h", "d", dyadic(32, 16, 1, 1, seed=4), stride=(2, 2)),
        Add("a", ("h", "g")),
    ],
    "gathered behind a pool": [
        conv("c", "r", dyadic(16, 4, 1, 1)),
        relu("d", "c"),
        AvgPool("p", ("d",), (2, 2), (1, 1), (0, 0)),
        conv("e", "p", dyadic(16, 16, 5, 5, seed=2), padding=(2, 1)),
        relu("f", "e"),
        conv("a", "f", dyadic(64, 16, 3, 3, seed=3)),
    ],
    "gathered from many": [
        conv("c", "r", dyadic(64, 4, 1, 1)),
        relu("d", "c"),
        conv("e", "d", dyadic(16, 64, 5, 5, seed=2), padding=(2, 2)),
        conv("f", "d", dyadic(16, 64, 3, 3, seed=2), padding=(1, 1)),
        Add("a", ("e", "f")),
    ],
    "gathered, pooled and moved": [
        conv("c", "r", dyadic(16, 4, 1, 1)),
        relu("d", "c"),
        conv("e", "d", dyadic(16, 16, 3, 3, seed=2), padding=(1, 1)),
        relu("f", "e"),
        AvgPool("p", ("f",), (2, 2), (1, 1), (0, 0)),
        Slice("s", ("f",), 3, 0, 6, 1),
        Permute("t", ("s",), (0, 1, 3, 2)),
        Permute("q", ("p",), (0, 1, 3, 2)),
        Slice("u", ("t",), 3, 0, 8, 1),
        Add("v", ("q", "u")),
        conv("a", "v", dyadic(8, 16, 3, 3, seed=3)),
    ],
    "one dimension": [
        Reshape("t", ("r",), (4, 63)),
        conv("c", "t", dyadic(6, 4, 5), stride=(2,), padding=(2,)),
        AvgPool("a", ("c",), (3,), (2,), (1,), count_include_pad=False),
    ],
    "three dimensions": [Reshape("t", ("r",), (2, 2, 9, 7)), conv("a", "t", dyadic(3, 2, 2, 3, 3))],
}


def network_through(nodes: list[Node]) -> Network:
    front: list[Node] = [Input("x", (), IMAGE), conv("first", "x", dyadic(4, 4, 1, 1, seed=9)), relu("r", "first")]
    body = Network((*front, *nodes, relu("b", "a")), ("b",))
    neurons = body.neurons("b")
    last: list[Node] = [Reshape("flat", ("b",), (neurons,)), Linear("out", ("flat",), dyadic(3, neurons, seed=7))]
    return Network((*body.nodes, *last), ("out",))


def assert_same(expected: Recording, found: Recording) -> None:
    assert torch.equal(expected.outputs_over_time, found.outputs_over_time)
    for kind in ("spike_counts", "spikes_per_step", "operations_per_step", "spikes", "potentials"):
        assert getattr(expected, kind).keys() == getattr(found, kind).keys()
        for name, value in getattr(expected, kind).items():
            assert torch.equal(value, getattr(found, kind)[name]), (kind, name)


def everything(network: Network) -> Probe:
    names = [node.name for node in network.activations]
    return Probe(spikes=names, potentials=names, fan_out=fan_outs(network))


@needs_compiler
@pytest.mark.parametrize("neuron", [IntegrateFire(), SignedIntegrateFire()], ids=["plain", "signed"])
@pytest.mark.parametrize("threshold", [1.0, 0.0625], ids=["sparse", "active"])
@pytest.mark.parametrize("nodes", MAPS.values(), ids=MAPS.keys())
def test_every_map_is_exact_where_sums_are(
    nodes: list[Node], threshold: float, neuron: IntegrateFire | SignedIntegrateFire
) -> None:
    """Dyadic numbers: not a bit may differ. Low thresholds let most neurons fire."""
    network = network_through(nodes)
    given = dyadic(5, *IMAGE, seed=1).abs()
    sites = {node.name: Site(threshold, spike_value=0.5, neuron=neuron) for node in network.activations}
    plan = Plan(sites, InputThenDrain(67, 6))
    found = engine(network, plan, given, everything(network))
    assert_same(engines.batched(network, plan, given, everything(network)), found)


@needs_compiler
@pytest.mark.parametrize("nodes", ["gathered", "gathered with a stride", "gathered behind a pool"])
def test_currents_of_steps_reach_neurons_that_take_gathered_sums(nodes: str) -> None:
    """Neurons that fire above their threshold, with a current of their own in each of the first steps."""
    network = network_through(MAPS[nodes])
    given = dyadic(5, *IMAGE, seed=1).abs()
    sites = {
        node.name: Site(
            1.0, neuron=IntegrateFire(fires=Above()), transient=dyadic(9, network.shapes[node.name][0], seed=11)
        )
        for node in network.activations
    }
    plan = Plan(sites, Steady(20))
    assert_same(
        engines.batched(network, plan, given, everything(network)), engine(network, plan, given, everything(network))
    )


def network_on_a_dense_current(channels: int, size: tuple[int, int], kernel: int, padding: int) -> Network:
    """A first population of so many channels, a pool of 2x2, and a convolution."""
    front: list[Node] = [
        Input("x", (), (2, *size)),
        conv("first", "x", dyadic(channels, 2, 3, 3, seed=9), padding=(1, 1)),
        relu("r", "first"),
        AvgPool("p", ("r",), (2, 2), (2, 2), (0, 0)),
        conv("a", "p", dyadic(16 if kernel == 5 else 32, channels, kernel, kernel, seed=1), padding=(padding, padding)),
        relu("b", "a"),
    ]
    neurons = Network(tuple(front), ("b",)).neurons("b")
    last: list[Node] = [Reshape("flat", ("b",), (neurons,)), Linear("out", ("flat",), dyadic(3, neurons, seed=7))]
    return Network((*front, *last), ("out",))


@needs_compiler
@pytest.mark.parametrize("changes", [False, True], ids=["constant", "changing"])
@pytest.mark.parametrize("fires", [AtOrAbove(), Above()], ids=["at", "above"])
@pytest.mark.parametrize("channels", [16, 32, 48, 64, 128])
@pytest.mark.parametrize(("size", "kernel", "padding"), [((12, 22), 5, 0), ((10, 12), 5, 1), ((12, 10), 5, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pooled_spikes_of_neurons_on_a_dense_current(
    dtype: torch.dtype,
    size: tuple[int, int],
    kernel: int,
    padding: int,
    channels: int,
    fires: AtOrAbove | Above,
    changes: bool,
) -> None:
    """Images of all activities together, with words asked for and without."""
    network = network_on_a_dense_current(channels, size, kernel, padding).to(dtype)
    given = dyadic(5, 2, *size, seed=1).abs().to(dtype) * 2.0 ** -torch.arange(5)[:, None, None, None].to(dtype)
    transient = dyadic(9, channels, seed=11) if changes else None
    sites = {"r": Site(1.0, neuron=IntegrateFire(fires=fires), transient=transient), "b": Site(1.0)}
    plan = Plan(sites, Steady(70))
    for probe in (everything(network), Probe(spike_counts=False, fan_out=fan_outs(network))):
        assert_same(engines.batched(network, plan, given, probe), engine(network, plan, given, probe))


@needs_compiler
@pytest.mark.parametrize(
    ("size", "kernel", "padding"), [((9, 7), 3, 1), ((8, 6), 3, 0), ((8, 6), 3, 2), ((8, 6), 1, 0)]
)
@pytest.mark.parametrize("channels", [16, 32, 64])
def test_pooled_spikes_through_other_kernels(size: tuple[int, int], kernel: int, padding: int, channels: int) -> None:
    """With a residual beside them, and a last row that no window has."""
    network = network_on_a_dense_current(channels, size, kernel, padding)
    nodes = list(network.nodes)
    if network.shapes["a"] == network.shapes["p"]:
        nodes[5:6] = [Add("both", ("a", "p")), relu("b", "both")]
    network = Network(tuple(nodes), ("out",))
    given = dyadic(5, 2, *size, seed=1).abs() * 2.0 ** -torch.arange(5)[:, None, None, None].double()
    plan = Plan({"r": Site(1.0), "b": Site(1.0)}, Steady(20))
    probe = Probe(spike_counts=False, fan_out=fan_outs(network))
    with torch.no_grad():
        for _ in range(3):
            assert_same(engines.batched(network, plan, given, probe), engine(network, plan, given, probe))


def half(name: str, source: str) -> ElementwiseAffine:
    return ElementwiseAffine(name, (source,), torch.full((1,), 0.5).double(), torch.zeros(1).double())


LINEAR_BLOCKS: dict[str, Callable[[str, str], list[Node]]] = {
    "itself": lambda before, name: [half(f"{name}h", before), Add(name, (f"{name}h", f"{name}h"))],
    "scaled": lambda before, name: [
        half(f"{name}h", before),
        half(f"{name}q", f"{name}h"),
        Add(name, (f"{name}h", f"{name}q", f"{name}q")),
    ],
    "pooled": lambda before, name: [
        half(f"{name}h", before),
        AvgPool(f"{name}p", (f"{name}h",), (1, 1), (1, 1), (0, 0)),
        Add(name, (f"{name}h", f"{name}p")),
    ],
    "moved": lambda before, name: [
        half(f"{name}h", before),
        Permute(f"{name}p", (f"{name}h",), (0, 1, 2, 3)),
        Add(name, (f"{name}h", f"{name}p")),
    ],
}


@needs_compiler
@pytest.mark.parametrize("block", LINEAR_BLOCKS.values(), ids=LINEAR_BLOCKS.keys())
def test_chains_of_additions_do_not_double_the_work(block: Callable[[str, str], list[Node]]) -> None:
    """Each of 40 additions reads the one before twice, so that spikes come to the last one on 2^40 ways."""
    nodes, before = [], "r"
    for name in (*(f"block{n}" for n in range(39)), "a"):
        nodes += block(before, name)
        before = name
    network, given = network_through(nodes), dyadic(5, *IMAGE, seed=1).abs()
    plan = Plan({node.name: Site(1.0) for node in network.activations}, Steady(20))
    probe = Probe(fan_out=fan_outs(network))
    assert_same(engines.batched(network, plan, given, probe), engine(network, plan, given, probe))


@needs_compiler
@pytest.mark.parametrize("nodes", ["valid", "gathered", "gathered with a stride"])
def test_threads_change_nothing(nodes: str) -> None:
    network = network_through(MAPS[nodes])
    given = dyadic(5, *IMAGE, seed=1).abs()
    plan = Plan({node.name: Site(1.0) for node in network.activations}, Steady(20))
    expected = engine(network, plan, given, everything(network))
    torch.set_num_threads(3)
    try:
        assert_same(expected, engine(network, plan, given, everything(network)))
    finally:
        torch.set_num_threads(1)


@needs_compiler
def test_pytorch_gets_its_threads_back() -> None:
    """Behind a run whose dense maps have had them in between."""
    network = network_through(MAPS["tokens"])
    plan = Plan({node.name: Site(1.0) for node in network.activations}, Steady(20))
    torch.set_num_threads(3)
    try:
        engine(network, plan, dyadic(5, *IMAGE, seed=1).abs())
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)


@needs_compiler
@pytest.mark.parametrize("nodes", ["gathered", "gathered with a stride", "gathered behind a pool"])
def test_what_is_gathered_depends_on_no_other_image(nodes: str) -> None:
    """In float32, where the order of sums shows: active and nearly silent images together, and one by one."""
    network = network_through(MAPS[nodes])
    first, rest = network.nodes[:3], network.nodes[3:]  # what torch computes of images is exact
    network = Network((*first, *(map_tensors(node, lambda t: t / 3) for node in rest)), ("out",)).to(torch.float32)
    given = dyadic(6, *IMAGE, seed=1).abs() * 2.0 ** -torch.arange(6)[:, None, None, None]
    plan = Plan({node.name: Site(2.0) for node in network.activations}, Steady(40))
    whole = engine(network, plan, given, everything(network))
    alone = [
        engine(network, replace(plan, sites=dict(plan.sites)), one, everything(network))
        for one in torch.split(given, 1)
    ]
    assert torch.equal(whole.outputs_over_time, torch.cat([one.outputs_over_time for one in alone], 1))
    for name, potentials in whole.potentials.items():
        assert torch.equal(potentials, torch.cat([one.potentials[name] for one in alone]))


@needs_compiler
@pytest.mark.parametrize("nodes", [name for name in MAPS if name.startswith("gathered")])
@pytest.mark.parametrize("steps", [9, 40, 70])
def test_spikes_that_never_become_words_are_counted(nodes: str, steps: int) -> None:
    """Images of all activities together; run three times, since a script repeats the third."""
    network = network_through(MAPS[nodes])
    given = dyadic(6, *IMAGE, seed=1).abs() * 2.0 ** -torch.arange(6)[:, None, None, None].double()
    plan = Plan({node.name: Site(2.0) for node in network.activations}, Steady(steps))
    probe = Probe(spike_counts=False, fan_out=fan_outs(network))
    expected = engines.batched(network, plan, given, probe)
    with torch.no_grad():
        for _ in range(3):
            assert_same(expected, engine(network, plan, given, probe))


@needs_compiler
def test_tiles_and_chunks_change_nothing() -> None:
    network = network_through(MAPS["residual"])
    given = dyadic(5, *IMAGE, seed=1).abs()
    plan = Plan({node.name: Site(1.0) for node in network.activations}, Steady(70))
    expected = engine(network, plan, given, everything(network), memory=2**40)
    for memory in (4_000, 20_000, 2_000_000):
        assert_same(expected, engine(network, plan, given, everything(network), memory=memory))


@needs_compiler
def test_single_precision_differs_by_ties_alone() -> None:
    """Spike counts of float32 against float64: another order of sums may move a spike where a potential ties."""
    builder = Builder((2, 12, 12), seed=5)
    for kind in ("conv", "strided", "residual", "avgpool"):
        builder.block(kind)
    network = builder.network()
    given = images(network, 16)
    plan = methods.max_norm(network, images(network, 32, seed=1), steps=64)
    exact = engine(network, plan, given)
    found = engine(network.to(torch.float32), plan, given.float())
    spikes = sum(float(counts.sum()) for counts in exact.spike_counts.values())
    moved = sum(
        float((counts - found.spike_counts[name].double()).abs().sum()) for name, counts in exact.spike_counts.items()
    )
    assert spikes > 10_000
    assert moved <= 1e-3 * spikes
    assert torch.allclose(found.outputs.double(), exact.outputs, atol=1e-3 * float(exact.outputs.abs().max()))


@needs_compiler
def test_work_is_kept_for_a_plan_and_not_mixed_between_networks() -> None:
    """Packed weights are remembered by plan; another network with the same plan gets its own."""
    nodes = MAPS["valid"]
    first, second = network_through(nodes), network_through([conv("a", "r", -dyadic(70, 4, 5, 5, seed=3))])
    plan = Plan({node.name: Site(1.0) for node in first.activations}, Steady(9))
    given = dyadic(2, *IMAGE, seed=1).abs()
    for network in (first, second, first):
        assert_same(engines.batched(network, plan, given), engine(network, plan, given))


LONG: dict[str, tuple[tuple[int, ...], list[Node]]] = {
    "longest row": ((2, 4096), [conv("a", "r", dyadic(3, 2, 5), padding=(2,))]),
    "5,000 samples": ((2, 5000), [conv("a", "r", dyadic(3, 2, 5), stride=(3,), padding=(2,))]),
    "48,000 samples": (
        (2, 48_000),
        [conv("c", "r", dyadic(2, 2, 9), stride=(8,)), relu("d", "c"), AvgPool("a", ("d",), (4,), (4,), (0,))],
    ),
    "tall kernel": ((2, 40, 6), [conv("a", "r", dyadic(3, 2, 33, 1))]),
    "tallest kernel": ((2, 40, 6), [conv("a", "r", dyadic(3, 2, 32, 1))]),
    "large amplitudes": (
        (1, 8191),
        [
            AvgPool("p", ("r",), (4096,), (1,), (0,)),
            AvgPool("q", ("p",), (4096,), (1,), (0,)),
            conv("a", "q", torch.ones(3, 1, 1).double()),
        ],
    ),
}


@needs_compiler
@pytest.mark.parametrize(("shape", "nodes"), LONG.values(), ids=LONG.keys())
def test_what_the_kernels_cannot_take_is_made_dense(shape: tuple[int, ...], nodes: list[Node]) -> None:
    """Longer rows, more rows of a kernel, and larger amplitudes than they take; and what they just can take."""
    front: list[Node] = [Input("x", (), shape), relu("r", "x")]
    body = Network((*front, *nodes, relu("b", "a")), ("b",))
    last: list[Node] = [
        Reshape("flat", ("b",), (body.neurons("b"),)),
        Linear("out", ("flat",), torch.ones(1, body.neurons("b")).double()),
    ]
    network = Network((*body.nodes, *last), ("out",))
    given = dyadic(2, *shape, seed=1).abs() ** 4
    plan = Plan({node.name: Site(0.25) for node in network.activations}, Steady(5))
    probe = Probe(spikes=[node.name for node in network.activations])
    found = engine(network, plan, given, probe)
    assert_same(engines.batched(network, plan, given, probe), found)
    assert bool(found.spikes["b"].any())


@needs_compiler
def test_weights_and_thresholds_may_change_in_place() -> None:
    network = network_through(MAPS["pool behind"])
    threshold = torch.full((4,), 0.5).double()
    sites = {node.name: Site(1.0) for node in network.activations} | {"r": Site(threshold)}
    plan = Plan(sites, Steady(9))
    given = dyadic(2, *IMAGE, seed=1).abs()
    before = engine(network, plan, given)
    for name in ("c", "out"):
        node = network[name]
        assert isinstance(node, Conv | Linear)
        node.weight.mul_(-0.5)
        assert_same(engines.batched(network, plan, given), engine(network, plan, given))
    threshold.mul_(2)
    changed = engine(network, plan, given)
    assert_same(engines.batched(network, plan, given), changed)
    assert not torch.equal(before.outputs, changed.outputs)


@needs_compiler
def test_weights_made_in_inference_mode_may_change_in_place() -> None:
    """PyTorch does not count the changes of such tensors."""
    with torch.inference_mode():
        weight = dyadic(20, 4, 1, 1).clone()
        network = network_through([conv("a", "r", weight)])
        plan = Plan({node.name: Site(1.0) for node in network.activations}, Steady(9))
        given = dyadic(2, *IMAGE, seed=1).abs()
        engine(network, plan, given)
        weight.mul_(-1)
        assert_same(engines.batched(network, plan, given), engine(network, plan, given))


def few_neurons(neurons: int) -> list[Node]:
    weight = dyadic(neurons, 4 * 9 * 7, seed=3)
    return [
        Reshape("t", ("r",), (4 * 9 * 7,)),
        Linear("c", ("t",), weight),
        relu("d", "c"),
        Linear("a", ("d",), dyadic(5, neurons)),
    ]


@needs_compiler
@pytest.mark.parametrize("neurons", [1, 3, 63, 64, 65, 130])
def test_populations_that_fill_no_word(neurons: int) -> None:
    """The kernels sort neurons 64 at a time and write four spikes at a time (`make sanitize` sees what they read)."""
    network = network_through(few_neurons(neurons))
    plan = Plan({node.name: Site(1.0) for node in network.activations}, Steady(11))
    given = dyadic(3, *IMAGE, seed=1).abs()
    found = engine(network, plan, given, everything(network))
    assert_same(engines.batched(network, plan, given, everything(network)), found)
    assert bool((found.spikes_per_step["d"] > 0).all())


@needs_compiler
@pytest.mark.skipif(
    sys.platform != "linux" or "ASAN_OPTIONS" in os.environ, reason="limits the memory of a process as Linux does"
)
def test_a_worker_without_memory_raises_in_python() -> None:
    """Two workers, each of which needs some 100 MB for a row of 100,000 pixels."""
    program = """
import resource, torch
from respike.engines.event import _native
words = torch.zeros(1, 1, 2, 1, dtype=torch.int64)
weight, out = torch.zeros(1, 1, 1, 1, 16), torch.zeros(1, 2, 100_000)
convolution = _native.Map((1, 1, 1), weight, (1, 1), (1, 1), (0, 50_000), (1, 1), 1)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 40 * 2**20, -1))
try:
    _native.currents([(words, _native.Shared(), convolution)], None, 1, (2, 1, 100_000, 1), 16, out, 2)
except MemoryError:
    print("MemoryError")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "MemoryError\n", done.stderr


def test_another_engine_runs_where_this_one_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["respike.engines.event"], "COMPILED", False)
    network = network_through(MAPS["pointwise"])
    plan = Plan({node.name: Site(1.0) for node in network.activations}, Steady(3))
    given = dyadic(2, *IMAGE, seed=1).abs()
    with pytest.warns(EngineWarning, match="not compiled"):
        found = engine(network, plan, given)
    assert_same(engines.batched(network, plan, given), found)
    assert math.isfinite(float(found.outputs.sum()))


def test_the_package_imports_without_the_compiled_part() -> None:
    program = (
        "import sys; sys.modules['respike.engines.event._native'] = None\n"
        "from respike.engines import event, fastest\n"
        "from respike.engines.event import COMPILED\n"
        "assert not COMPILED"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
