"""Fixed point: against int64 numpy written from the definition, and laws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

import respike
from networks import Builder, images, networks, perceptrons
from respike import data, engines, refine, zoo
from respike.coding import Bernoulli, IntegrateEncoder
from respike.engines import integers
from respike.engines.integers import bounds
from respike.errors import InvalidOption, InvalidPlan
from respike.ir import (
    Activation,
    AdaptiveAvgPool,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ElementwiseAffine,
    Input,
    Linear,
    Network,
    Node,
    Pad,
    ReLU,
    Reshape,
    evaluate,
    tensors,
)
from respike.lower import FixedPoint, SaturationWarning, fixed_point
from respike.methods import calibrated, max_norm
from respike.neurons import FewSpikes, IntegrateFire, SignedIntegrateFire, ToValue
from respike.plan import Plan, Site, SpikeCount
from respike.record import OUTPUT, Probe
from respike.schedule import InputThenDrain, Layerwise, Steady

Integers = NDArray[np.int64]
INTEGER_KINDS = ("conv", "grouped", "strided", "residual", "concat", "maxpool")


# --- The definition in int64 numpy: a convolution, a shortcut, an average pool, a linear map ---


@dataclass(frozen=True)
class ByHand:
    """Sizes: images [3, 4, 4], two convolutions to 3 channels, a shortcut around the second, pool 2 × 2, 5 outputs."""

    first: Tensor
    second: Tensor
    bias: Tensor
    last: Tensor
    thresholds: tuple[Tensor, Tensor]
    values: tuple[Tensor, Tensor]

    @classmethod
    def random(cls, seed: int) -> ByHand:
        build = Builder((3, 4, 4), seed)
        positive = [build.random(3).abs() + 0.5 for _ in range(4)]
        weights = build.random(3, 3, 3, 3) / 3, build.random(3, 3, 3, 3) / 3
        return cls(
            *weights, build.random(3) / 4, build.random(5, 12), (positive[0], positive[1]), (positive[2], positive[3])
        )

    def network(self) -> Network:
        one = (1, 1)
        nodes: tuple[Node, ...] = (
            Input("x", (), (3, 4, 4)),
            Conv("first", ("x",), self.first, None, one, one, one),
            Activation("a", ("first",), ReLU()),
            Conv("second", ("a",), self.second, self.bias, one, one, one),
            Add("sum", ("second", "a")),
            Activation("b", ("sum",), ReLU()),
            AvgPool("pool", ("b",), (2, 2), (2, 2), (0, 0)),
            Reshape("flat", ("pool",), (12,)),
            Linear("last", ("flat",), self.last, None),
        )
        return Network(nodes, ("last",))

    def plan(self, steps: int) -> Plan:
        a, b = (Site(t, v) for t, v in zip(self.thresholds, self.values, strict=True))
        return Plan({"a": a, "b": replace(b, initial_potential=0.3, extra_current=-0.02)}, Steady(steps))

    def lowered(self, bits: int, per_channel: bool, pixel: float) -> dict[str, Integers]:
        """All integers, from the definition: one scale for what meets in a population."""
        out, inp = (slice(None), None, None, None), (None, slice(None), None, None)
        (ta, tb), (va, vb) = ([t.numpy() for t in pair] for pair in (self.thresholds, self.values))
        first = self.first.numpy() * pixel / ta[out]
        second = self.second.numpy() * va[inp] / tb[out]
        shortcut = va / tb
        last = self.last.numpy() * np.repeat(vb, 4) / 4
        one, two = np.abs(first).max((1, 2, 3)), np.maximum(np.abs(second).max((1, 2, 3)), shortcut)
        if not per_channel:
            one, two = np.full(3, one.max()), np.full(3, two.max())
        top = 2 ** (bits - 1) - 1
        sa, sb, so = top / one, top / two, top / np.abs(last).max()

        def integer(x: NDArray[np.float64]) -> Integers:
            return np.rint(x).astype(np.int64)

        return {
            "first": integer(first * sa[out]),
            "second": integer(second * sb[out]),
            "shortcut": integer(shortcut * sb),
            "bias": integer(self.bias.numpy() / tb * sb),
            "last": integer(last * so),
            "threshold_a": integer(sa),
            "threshold_b": integer(sb),
            "initial": integer(0.3 / tb * sb),
            "extra": integer(-0.02 / tb * sb),
        }


def convolution(x: Integers, weight: Integers) -> Integers:
    """3 × 3, zero padding, by its definition."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y = np.zeros((len(x), len(weight), *x.shape[2:]), np.int64)
    for row in range(x.shape[2]):
        for column in range(x.shape[3]):
            window = padded[:, None, :, row : row + 3, column : column + 3]
            y[:, :, row, column] = (window * weight[None]).sum((2, 3, 4))
    return y


def simulated(w: dict[str, Integers], x: Integers, steps: int, bits: int) -> tuple[Integers, Integers, Integers, int]:
    """Spike counts of both populations, the readout, and how many neuron-steps saturated."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    column = (None, slice(None), None, None)
    ta, tb = w["threshold_a"][column], w["threshold_b"][column]
    va = np.zeros((len(x), 3, 4, 4), np.int64)
    vb = va + w["initial"][column]
    counts_a, counts_b, readout, saturated = va * 0, va * 0, np.zeros((len(x), 5), np.int64), 0
    for _ in range(steps):
        va = va + convolution(x, w["first"])
        saturated += int(((va < low) | (va > high)).sum())
        va = np.clip(va, low, high)
        a = (va >= ta).astype(np.int64)
        va, counts_a = va - ta * a, counts_a + a
        vb = vb + convolution(a, w["second"]) + (w["bias"] + w["extra"])[column] + w["shortcut"][column] * a
        saturated += int(((vb < low) | (vb > high)).sum())
        vb = np.clip(vb, low, high)
        b = (vb >= tb).astype(np.int64)
        vb, counts_b = vb - tb * b, counts_b + b
        pooled = b.reshape(len(x), 3, 2, 2, 2, 2).sum((3, 5))
        readout = readout + pooled.reshape(len(x), 12) @ w["last"].T
    return counts_a, counts_b, readout, saturated


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bits", [5, 8, 11])
@pytest.mark.filterwarnings("ignore::respike.lower.SaturationWarning")
def test_equals_int64_by_hand(bits: int, per_channel: bool, wide: bool) -> None:
    case, steps = ByHand.random(bits), 25
    network, plan = case.network(), case.plan(steps)
    fixed = fixed_point(network, plan, bits=bits, per_channel=per_channel, membrane_bits=32)
    narrowest = 1 + int(fixed.thresholds["a"].max()).bit_length()
    membrane_bits = 32 if wide else narrowest
    fixed = fixed_point(network, plan, bits=bits, per_channel=per_channel, membrane_bits=membrane_bits)
    w = case.lowered(bits, per_channel, 1 / 255)
    assert np.array_equal(fixed.weights["first"].numpy(), w["first"])
    assert np.array_equal(fixed.weights["second"].numpy(), w["second"])
    assert np.array_equal(fixed.weights["a->sum"].expand(1, 3, 1, 1).flatten().numpy(), w["shortcut"])
    assert np.array_equal(fixed.weights["last"].numpy(), w["last"])
    assert np.array_equal(fixed.biases["second"].numpy(), w["bias"])
    assert np.array_equal(fixed.thresholds["b"].expand(3).numpy(), w["threshold_b"])

    batch = images(network, 4)
    x = np.rint(batch.numpy() * 255).astype(np.int64)
    counts_a, counts_b, readout, saturated = simulated(w, x, steps, membrane_bits)
    found = fixed.run(batch)
    assert np.array_equal(found.recording.spike_counts["a"].numpy(), counts_a)
    assert np.array_equal(found.recording.spike_counts["b"].numpy(), counts_b)
    assert np.array_equal(found.recording.outputs.numpy(), readout)
    assert sum(found.saturations.values()) == saturated
    assert wide == (saturated == 0)
    assert counts_a.sum() > 100
    assert counts_b.sum() > 100


# --- Laws ---


def whole(network: Network) -> bool:
    return all(torch.equal(t, t.round()) for node in network.nodes for t in tensors(node))


def integer_network(network: Network) -> Network:
    """Random networks end in an adaptive pool whose windows differ; this ends it in a sum over everything."""
    nodes = [replace(n, output_size=(1, 1)) if isinstance(n, AdaptiveAvgPool) else n for n in network.nodes]
    if not any(isinstance(n, AdaptiveAvgPool) for n in nodes):
        return network
    flat, last = nodes[-2:]
    assert isinstance(flat, Reshape)
    assert isinstance(last, Linear)
    channels = flat.shape[0] // 4
    nodes[-2:] = [replace(flat, shape=(channels,)), replace(last, weight=last.weight[:, :channels].contiguous())]
    return Network(tuple(nodes), network.outputs)


@settings(max_examples=12, derandomize=True, deadline=None)
@given(
    network=st.one_of(networks(kinds=INTEGER_KINDS), perceptrons()),
    bits=st.integers(4, 16),
    per_channel=st.booleans(),
    counted=st.booleans(),
    draining=st.booleans(),
    neuron=st.sampled_from([IntegrateFire(), SignedIntegrateFire(), IntegrateFire(ToValue(-0.1))]),
)
def test_everything_is_an_integer_and_every_engine_runs_it(
    network: Network,
    bits: int,
    per_channel: bool,
    counted: bool,
    draining: bool,
    neuron: IntegrateFire | SignedIntegrateFire,
) -> None:
    network = integer_network(network)
    if per_channel and neuron == IntegrateFire(ToValue(-0.1)):
        neuron = IntegrateFire(ToValue(0.0))  # one reset value cannot have a scale for each channel
    plan = Plan(
        {node.name: Site(0.7, 0.6, 0.1, 0.01, neuron) for node in network.activations},
        InputThenDrain(4, 4) if draining else Steady(8),
    )
    if counted:
        plan = replace(plan, readout=SpikeCount(Site(0.5, 0.5)))
    fixed = fixed_point(network, plan, bits=bits, per_channel=per_channel, membrane_bits=32)
    assert whole(fixed.network)
    assert all(int(w.abs().max()) <= 2 ** (bits - 1) - 1 for w in fixed.weights.values())
    batch = images(network, 3)
    probe = Probe(spikes=tuple(plan.sites), potentials=tuple(plan.sites))
    found = fixed.run(batch, probe)
    assert not any(found.saturations.values())
    for engine in engines.batched, engines.reference:
        expected = engine(fixed.network, fixed.plan, fixed.encode(batch), probe)
        assert torch.equal(found.recording.outputs_over_time, expected.outputs_over_time)
        for name in plan.sites:
            assert torch.equal(found.recording.spikes[name], expected.spikes[name])
            assert torch.equal(found.recording.potentials[name], expected.potentials[name].round())


@settings(max_examples=15, derandomize=True, deadline=None)
@given(network=st.one_of(networks(kinds=INTEGER_KINDS), perceptrons()), seed=st.integers(0, 100))
def test_no_value_exceeds_its_bound(network: Network, seed: int) -> None:
    network = integer_network(network)
    plan = Plan({node.name: Site(0.5) for node in network.activations}, Steady(3))
    batch = images(network, 3, seed)
    most = bounds(network, plan, batch)
    generator = torch.Generator().manual_seed(seed)
    values: dict[str, Tensor] = {}
    for node in network.nodes:
        match node:
            case Input():
                values[node.name] = batch
            case Activation():
                values[node.name] = torch.randint(0, 2, (3, *network.shapes[node.name]), generator=generator).double()
            case _:
                values[node.name] = evaluate(node, [values[name] for name in node.inputs])
        assert bool((values[node.name].abs() <= most[node.name] * (1 + 1e-12)).all())


def test_sums_run_up_to_where_floats_are_no_longer_whole() -> None:
    """`2^51 · 2 + 2^52 = 2^53`: a weight beside weights of 0, in a layer between smaller ones."""
    weight = torch.zeros(3, 1, dtype=torch.float64)
    weight[1] = 2.0**51 - 1
    last = Linear("last", ("a",), torch.ones(1, 3, dtype=torch.float64))
    network, _ = _chain(Linear("first", ("x",), weight), Activation("a", ("first",), ReLU()), last, shape=(1,))
    plan = Plan({"a": Site(2.0**51 - 1)}, Steady(1))
    batch = torch.ones(1, 1, dtype=torch.float64)
    found = integers.run(network, plan, batch, membrane_bits=52)
    assert found.recording.spike_counts["a"].tolist() == [[0.0, 1.0, 0.0]]
    assert not any(found.saturations.values())
    weight[1] += 1
    with pytest.raises(InvalidPlan, match="too large to be run exactly"):
        integers.run(network, plan, batch, membrane_bits=52)


@pytest.mark.parametrize("per_channel", [False, True])
def test_the_threshold_scales_with_the_weights(per_channel: bool) -> None:
    """More bits: weights and thresholds grow by the same factor. The published tool divides where it must multiply."""
    case = ByHand.random(1)
    for bits in (6, 9, 16):
        fixed = fixed_point(case.network(), case.plan(1), bits=bits, per_channel=per_channel, membrane_bits=32)
        threshold = fixed.thresholds["a"].double().expand(3)
        exact = case.first / case.thresholds[0].reshape(3, 1, 1, 1) / 255
        found = fixed.weights["first"].double() / threshold.reshape(3, 1, 1, 1)
        assert torch.allclose(found, exact, atol=float(1.01 * (0.5 / threshold).max()) * 1.1)
        unit = torch.as_tensor(fixed.units["a"]).double().expand(3)
        assert torch.allclose(unit * threshold, case.thresholds[0], rtol=float((0.5 / threshold).max()))
        assert int(fixed.weights["first"].abs().max()) == 2 ** (bits - 1) - 1


@pytest.mark.parametrize(("largest", "sizes"), [([0.0, 0.5, 2.0], [2.0, 0.5, 2.0]), ([0.0] * 3, [1.0] * 3)])
def test_a_channel_without_weights_takes_the_layer_s_largest(largest: list[float], sizes: list[float]) -> None:
    weight = torch.tensor(largest, dtype=torch.float64).reshape(3, 1)
    network, plan = _chain(Linear("l", ("x",), weight), Activation("a", ("l",), ReLU()), shape=(1,))
    thresholds = fixed_point(network, plan, per_channel=True, input_unit=1.0).thresholds["a"]
    assert thresholds.expand(3).tolist() == [round(127 / size) for size in sizes]


@pytest.fixture(scope="module")
def mnist() -> tuple[Network, Plan, Tensor]:
    calibration = data.load("mnist", "calibration").images[:256]
    network = respike.load(zoo.load("mnist-mlp"), calibration[:4])
    return network, max_norm(network, calibration, steps=16), data.load("mnist", "test").images[:200]


def spikes(counts: dict[str, Tensor]) -> float:
    return float(torch.cat([c.flatten(1) for c in counts.values()], dim=1).sum())


def test_sixteen_bits_are_as_good_as_floats(mnist: tuple[Network, Plan, Tensor]) -> None:
    network, plan, batch = mnist
    fixed = fixed_point(network, plan, bits=16, membrane_bits=32)
    found = engines.batched(fixed.network, fixed.plan, fixed.encode(batch))
    exact = engines.batched(network.to(torch.float64), plan, batch)
    assert spikes(dict(found.spike_counts)) == pytest.approx(spikes(dict(exact.spike_counts)), rel=1e-3)
    for name, counts in exact.spike_counts.items():
        assert float((counts != found.spike_counts[name]).double().mean()) < 5e-3
    assert float((found.outputs.argmax(1) == exact.outputs.argmax(1)).double().mean()) >= 0.99
    logits = exact.outputs / 16
    assert float((fixed.decode(found.outputs) - logits).abs().mean() / logits.abs().mean()) < 0.02


def test_more_bits_come_closer(mnist: tuple[Network, Plan, Tensor]) -> None:
    network, plan, batch = mnist
    exact = engines.batched(network.to(torch.float64), plan, batch[:100]).outputs / 16

    def error(bits: int) -> float:
        fixed = fixed_point(network, plan, bits=bits)
        outputs = engines.batched(fixed.network, fixed.plan, fixed.encode(batch[:100])).outputs
        return float((fixed.decode(outputs) - exact).square().mean())

    errors = [error(bits) for bits in (4, 6, 12)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 20


def test_a_narrow_membrane_saturates_and_says_so(mnist: tuple[Network, Plan, Tensor]) -> None:
    network, plan, batch = mnist
    wide = fixed_point(network, plan, bits=8, membrane_bits=28)
    assert not any(wide.run(batch[:50]).saturations.values())
    bits = 1 + int(max(int(t.max()) for t in wide.thresholds.values())).bit_length()
    narrow = replace(wide, membrane_bits=bits)
    with pytest.warns(SaturationWarning, match=f"left {bits} bits.*use more membrane_bits") as said:
        run = narrow.run(batch[:50], Probe(potentials=tuple(plan.sites)))
    assert [warning.filename for warning in said] == [__file__]
    assert sum(run.saturations.values()) > 0
    for potential in run.recording.potentials.values():
        assert -(2 ** (bits - 1)) <= float(potential.min())
        assert float(potential.max()) <= 2 ** (bits - 1) - 1


# --- What cannot be ---


def _chain(*nodes: Node, shape: tuple[int, ...]) -> tuple[Network, Plan]:
    network = Network((Input("x", (), shape), *nodes), (nodes[-1].name,))
    return network, Plan({node.name: Site(1.0) for node in network.activations}, Steady(4))


def test_unless_told_weights_have_8_bits_and_potentials_24() -> None:
    network, plan = ByHand.random(0).network(), ByHand.random(0).plan(2)
    fixed = fixed_point(network, plan)
    assert (fixed.bits, fixed.membrane_bits, fixed.input_unit) == (8, 24, 1 / 255)
    assert all(threshold.ndim == 0 for threshold in fixed.thresholds.values())
    assert max(int(weight.abs().max()) for weight in fixed.weights.values()) == 127
    assert fixed_point(network, replace(plan, coding=IntegrateEncoder(0.5))).input_unit == 0.5


def test_bits_out_of_range() -> None:
    network, plan = ByHand.random(0).network(), ByHand.random(0).plan(2)
    for bits in (3, 17):
        with pytest.raises(InvalidOption, match=f"4 to 16 bits, got {bits}"):
            fixed_point(network, plan, bits=bits)
    with pytest.raises(InvalidOption, match="2 to 32 bits, got 33"):
        fixed_point(network, plan, membrane_bits=33)
    with pytest.raises(InvalidOption, match=r"threshold of layer 'a' is \d+, which a potential of 8 bits cannot hold"):
        fixed_point(network, plan, bits=12, membrane_bits=8)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("bias", "a bias of layer 'l'"),
        ("initial_potential", "the initial potential of layer 'a'"),
        ("extra_current", "the extra current of layer 'a'"),
    ],
)
def test_a_potential_of_8_bits_holds_numbers_up_to_127(part: str, said: str, sign: int) -> None:
    def lowered(number: int) -> FixedPoint:
        values = torch.tensor([0.0, sign * number / 127], dtype=torch.float64)  # weights of 8 bits: 1 becomes 127
        layer = Linear("l", ("x",), torch.ones(2, 1, dtype=torch.float64), values if part == "bias" else 0 * values)
        network, plan = _chain(layer, Activation("a", ("l",), ReLU()), shape=(1,))
        numbers: dict[str, Any] = {} if part == "bias" else {part: values}
        site = replace(plan.sites["a"], **numbers)
        return fixed_point(network, replace(plan, sites={"a": site}), membrane_bits=8, input_unit=1.0)

    assert float(lowered(127).thresholds["a"]) == 127
    with pytest.raises(InvalidOption, match=f"{said} is 128, which a potential of 8 bits cannot hold"):
        lowered(128)


def test_two_weights_in_a_row() -> None:
    eye = torch.eye(2, dtype=torch.float64)
    with pytest.raises(InvalidPlan, match=r"'two' reads 'one', which has weights too.*fold"):
        fixed_point(*_chain(Linear("one", ("x",), eye), Linear("two", ("one",), eye), shape=(2,)))
    for scale in ([1.0, 2.0], [2.0, 1.0]):
        numbers = torch.tensor([scale], dtype=torch.float64)
        scaled = ElementwiseAffine("two", ("one",), numbers, torch.zeros_like(numbers))
        with pytest.raises(InvalidPlan, match="'two' reads 'one'"):
            fixed_point(*_chain(Linear("one", ("x",), eye), scaled, shape=(2,)))
    norm = BatchNorm("bn", ("conv",), eye[0], eye[0], None, None, 1e-5)
    conv = Conv("conv", ("x",), torch.ones(2, 1, 1, 1, dtype=torch.float64), None, (1, 1), (0, 0), (1, 1))
    with pytest.raises(InvalidPlan, match="'bn' reads 'conv'"):
        fixed_point(*_chain(conv, norm, Activation("a", ("bn",), ReLU()), shape=(1, 2, 2)))


def test_a_batch_norm_alone_is_a_scale() -> None:
    two = torch.tensor([1.0, 2.0], dtype=torch.float64)
    norm = BatchNorm("bn", ("x",), two / 4, two, two, -two / 8, 1e-5)
    network, plan = _chain(norm, Activation("a", ("bn",), ReLU()), shape=(2, 3, 3))
    fixed = fixed_point(network, plan, bits=16, membrane_bits=32)
    batch = images(network, 4)
    exact = engines.batched(network, plan, batch).outputs
    assert (
        float((fixed.run(batch).recording.outputs * float(torch.as_tensor(fixed.units[OUTPUT])) - exact).abs().mean())
        < 0.02
    )


@pytest.mark.parametrize("scale", [(), (1,), (1, 1), (2, 1, 1), (1, 2, 3, 3)])
def test_a_scale_may_be_written_with_fewer_dimensions(scale: tuple[int, ...]) -> None:
    def lowered(shape: tuple[int, ...]) -> FixedPoint:
        half = torch.full(shape, 0.5, dtype=torch.float64)
        return fixed_point(
            *_chain(ElementwiseAffine("s", ("x",), half, half / 4), Activation("a", ("s",), ReLU()), shape=(2, 3, 3))
        )

    written, full = lowered(scale), lowered((1, 2, 3, 3))
    batch = images(full.network, 4)
    assert torch.equal(written.run(batch).recording.outputs, full.run(batch).recording.outputs)


@pytest.mark.parametrize("per_channel", [False, True])
def test_images_standardised_in_front_of_padding(per_channel: bool) -> None:
    model = torch.nn.Sequential(
        torch.nn.BatchNorm2d(3, affine=False),
        torch.nn.Conv2d(3, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 36, 5),
    )
    torch.manual_seed(4)
    pixels = torch.rand(40, 3, 6, 6)
    model(pixels)
    network = respike.load(model.eval(), pixels[:2]).to(torch.float64)
    assert any(isinstance(node, BatchNorm) for node in network.nodes)
    batch = (pixels * 255).round().double() / 255
    plan = max_norm(network, batch, steps=32)
    fixed = fixed_point(network, plan, bits=16, per_channel=per_channel, membrane_bits=32)
    exact = engines.reference(network, plan, batch).outputs
    found = fixed.decode(fixed.run(batch).recording.outputs)
    assert torch.allclose(found, exact / plan.schedule.steps, atol=0.02)
    again = engines.batched(fixed.network, fixed.plan, fixed.encode(batch)).outputs
    assert torch.equal(again, fixed.run(batch).recording.outputs)


def test_windows_of_different_sizes() -> None:
    pool = AdaptiveAvgPool("pool", ("x",), (2, 2))
    with pytest.raises(InvalidPlan, match=r"'pool' averages \[5, 4\] into \[2, 2\].*use a size that divides"):
        fixed_point(*_chain(pool, Activation("a", ("pool",), ReLU()), shape=(1, 5, 4)))


def test_padding_with_a_fraction() -> None:
    pad = Pad("pad", ("x",), (1, 1), 0.3)
    with pytest.raises(InvalidPlan, match="'pad' pads with a value that is no integer"):
        fixed_point(*_chain(pad, Activation("a", ("pad",), ReLU()), shape=(3,)))


def test_a_threshold_that_would_be_zero() -> None:
    weight = torch.full((1, 1), 1e5, dtype=torch.float64)
    with pytest.raises(InvalidPlan, match="'a' has weights so much larger than its threshold"):
        fixed_point(*_chain(Linear("w", ("x",), weight), Activation("a", ("w",), ReLU()), shape=(1,)), bits=4)


def test_a_threshold_of_one_channel_that_would_be_zero() -> None:
    weight = torch.tensor([[1.0], [1000.0]], dtype=torch.float64)
    chain = _chain(Linear("w", ("x",), weight), Activation("a", ("w",), ReLU()), shape=(1,))
    assert fixed_point(*chain, bits=12, per_channel=True, input_unit=1.0).thresholds["a"].tolist() == [2047, 2]
    with pytest.raises(InvalidPlan, match="'a' has weights so much larger than its threshold"):
        fixed_point(*chain, per_channel=True, input_unit=1.0)


def test_few_spikes_neurons_are_refused() -> None:
    network = ByHand.random(0).network()
    plan = Plan({name: Site(1.0, neuron=FewSpikes(4)) for name in ("a", "b")}, Layerwise(4))
    with pytest.raises(InvalidPlan, match="Layerwise schedule cannot be lowered yet"):
        fixed_point(network, plan)


def test_transients_are_refused_and_the_plan_without_them_is_not(mnist: tuple[Network, Plan, Tensor]) -> None:
    network, plan, calibration = mnist
    plan = replace(plan, sites={name: replace(site, transient=torch.ones(1, 1)) for name, site in plan.sites.items()})
    with pytest.raises(InvalidPlan, match="transient, which cannot be lowered yet: refine the plan by correct_biases"):
        fixed_point(network, plan)
    fixed_point(network, refine.correct_biases(plan, network, calibration))


def test_calibrated_plans_go_to_integers_without_their_transients(mnist: tuple[Network, Plan, Tensor]) -> None:
    """Their readout starts late, which the integers keep."""
    network, _, batch = mnist
    plan = calibrated(network, batch[:100], steps=12, images=50, each_step=False)
    fixed = fixed_point(network, plan, bits=12, membrane_bits=32)
    decisions = fixed.decode(fixed.run(batch[100:]).recording.outputs).argmax(1)
    in_floats = respike.SpikingNetwork(network, plan)(batch[100:]).argmax(1)
    assert plan.readout.after > 0
    assert (decisions == in_floats).float().mean() >= 0.97


def test_input_spikes_are_ones() -> None:
    case = ByHand.random(0)
    batch = images(case.network(), 4)
    for coding, unit in (Bernoulli(rate=500.0, spike_value=2.0), 2.0), (IntegrateEncoder(), 1.0):
        plan = replace(case.plan(40), coding=coding)
        fixed: FixedPoint = fixed_point(case.network(), plan, bits=16, membrane_bits=32)
        assert fixed.input_unit == unit
        exact, found = engines.batched(case.network(), plan, batch), fixed.run(batch).recording
        assert torch.allclose(fixed.decode(found.outputs), exact.outputs / 40, atol=0.05)


def test_a_pool_over_weights_of_different_sizes_takes_the_largest() -> None:
    """Concatenated along their rows, a strong and a weak convolution meet in one window of a pool."""

    def conv(name: str, weight: float) -> Conv:
        return Conv(name, ("x",), torch.full((1, 1, 1, 1), weight).double(), None, (1, 1), (0, 0), (1, 1), 1)

    nodes = (
        Input("x", (), (1, 2, 4)),
        conv("weak", 0.25),
        conv("strong", 2.0),
        Concat("both", ("weak", "strong"), 2),
        AvgPool("pool", ("both",), (4, 1), (4, 1), (0, 0)),
        Activation("relu", ("pool",), ReLU()),
    )
    integers = fixed_point(Network(nodes, ("relu",)), Plan({"relu": Site(1.0)}, Steady(4)), bits=8).network
    weights = [float(node.weight.abs().max()) for node in integers.nodes if isinstance(node, Conv)]
    assert weights == [16.0, 127.0]
