"""The algebra of units: a value in unit u holds x / u, so what a node computes of such values is in a unit, too."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from networks import images
from respike import engines
from respike.ir import (
    Activation,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ElementwiseAffine,
    Input,
    Linear,
    MaxPool,
    Network,
    Node,
    Pad,
    Permute,
    ReLU,
    Reshape,
    Slice,
    evaluate,
)
from respike.lower import fixed_point, unit_spikes
from respike.lower.pooling import divisor, summing
from respike.lower.units import asked_for, handed_on, same, takes
from respike.plan import Plan, Site
from respike.schedule import Steady

Shape = tuple[int, ...]
ONE, TWO = (2, 4, 6), (3, 4, 6)

CASES: list[tuple[Node, tuple[Shape, ...]]] = [
    (AvgPool("n", ("a",), (2, 3), (2, 3), (0, 0)), (ONE,)),
    (MaxPool("n", ("a",), (2, 2), (1, 2), (1, 1), (1, 1)), (ONE,)),
    (AdaptiveAvgPool("n", ("a",), (2, 3)), (ONE,)),
    (AdaptiveMaxPool("n", ("a",), (1, 1)), (ONE,)),
    (Add("n", ("a", "b")), (ONE, ONE)),
    (Add("n", ("a", "b", "c")), (ONE, ONE, ONE)),
    (Add("n", ("a", "b")), (ONE, (2, 1, 6))),
    (Add("n", ("a", "b")), ((1, 4, 6), ONE)),
    (Concat("n", ("a", "b"), 1), (ONE, TWO)),
    (Concat("n", ("a", "b", "c"), 1), (TWO, ONE, TWO)),
    (Concat("n", ("a", "b"), 3), (ONE, ONE)),
    (Reshape("n", ("a",), (48,)), (ONE,)),
    (Reshape("n", ("a",), (2, 24)), (ONE,)),
    (Reshape("n", ("a",), (2, 2, 2, 6)), (ONE,)),
    (Permute("n", ("a",), (0, 3, 1, 2)), (ONE,)),
    (Slice("n", ("a",), 1, 1, 2, 1), (ONE,)),
    (Slice("n", ("a",), 3, 1, 6, 2), (ONE,)),
    (Pad("n", ("a",), (1, 2)), (ONE,)),
    (Pad("n", ("a",), (0, 1, -1, 2)), (ONE,)),
    (Pad("n", ("a",), (0, 1, 1, 0, 1, 2)), (ONE,)),
]


def result(node: Node, shapes: Sequence[Shape]) -> Shape:
    return tuple(evaluate(node, [torch.zeros(1, *shape) for shape in shapes]).shape[1:])


def units_of(shape: Shape, seed: int) -> list[Tensor]:
    """Units that vary along every set of a value's dimensions."""
    draw = torch.Generator().manual_seed(seed)
    return [
        torch.rand(1, *(n if kept else 1 for n, kept in zip(shape, along, strict=True)), generator=draw).double() + 0.5
        for along in itertools.product((False, True), repeat=len(shape))
    ]


def in_units(node: Node, values: Sequence[Tensor], units: Sequence[Tensor], unit: Tensor) -> Tensor:
    """What the node computes of values in their units, in the units of images again."""
    return evaluate(node, [x / u for x, u in zip(values, units, strict=True)]) * unit


def described(case: object) -> str:
    return type(case).__name__ if isinstance(case, Node) else ""


@pytest.mark.parametrize(("node", "shapes"), CASES, ids=described)
def test_a_unit_that_is_handed_on_is_that_of_the_node_s_value(node: Node, shapes: tuple[Shape, ...]) -> None:
    shape, draw = result(node, shapes), torch.Generator().manual_seed(1)
    values = [torch.randn(3, *one, generator=draw).double() for one in shapes]
    tried = [units_of(one, seed) for seed, one in enumerate(shapes)]
    if isinstance(node, Add):
        tried = [tried[0]] * len(shapes)
    found = 0
    for units in zip(*tried, strict=True):
        unit = handed_on(node, units, shapes, shape)
        if unit is not None:
            found += 1
            assert unit.ndim == len(shape) + 1
            torch.testing.assert_close(in_units(node, values, units, unit), evaluate(node, list(values)))
            for dim in range(1, unit.ndim):  # no larger than it must be
                assert unit.shape[dim] == 1 or bool((unit != unit.narrow(dim, 0, 1)).any())
    spatial = isinstance(node, AvgPool | MaxPool | AdaptiveAvgPool | AdaptiveMaxPool)
    assert found == (2 if spatial else len(tried[0])) or isinstance(node, Add)
    if isinstance(node, Add):
        assert found > 0
        other = [tried[0][0], *(2 * tried[0][0] for _ in shapes[1:])]
        assert handed_on(node, other, shapes, shape) is None
        assert handed_on(node, [tried[0][0], *(tried[0][0] for _ in shapes[2:]), other[1]], shapes, shape) is None


@pytest.mark.parametrize(("node", "shapes"), CASES, ids=described)
def test_inputs_in_the_units_that_are_asked_for_give_the_unit_wanted(node: Node, shapes: tuple[Shape, ...]) -> None:
    shape = result(node, shapes)
    given = 0
    for unit in units_of(shape, 7):
        units = [asked_for(node, unit, number, shapes, shape) for number in range(len(shapes))]
        kept = [one for one in units if one is not None]
        if len(kept) == len(shapes):
            given += 1
            assert all(one.expand(1, *fits).ndim == one.ndim for one, fits in zip(kept, shapes, strict=True))
            back = handed_on(node, kept, shapes, shape)
            assert back is not None
            assert bool((back == unit).all())
    assert given > 0


def test_padding_with_a_number_needs_one_unit() -> None:
    node = Pad("n", ("a",), (1, 1), 0.5)
    one, channels = torch.full((1, 1, 1, 1), 2.0).double(), torch.tensor([1.0, 2.0]).double().reshape(1, 2, 1, 1)
    found = handed_on(node, [one], [ONE], (2, 4, 8))
    assert found is not None
    assert same(found, one)
    assert handed_on(node, [channels], [ONE], (2, 4, 8)) is None


@pytest.mark.parametrize(
    ("node", "shape", "channels"),
    [
        (Linear("n", ("a",), torch.ones(5, 6)), ONE, 2),
        (Conv("n", ("a",), torch.ones(5, 2, 1, 1), None, (1, 1), (0, 0), (1, 1)), ONE, 0),
        (BatchNorm("n", ("a",), torch.ones(2), torch.ones(2), None, None, 1e-5), ONE, 0),
    ],
)
def test_weights_take_a_unit_of_each_of_their_channels(
    node: Linear | Conv | BatchNorm, shape: Shape, channels: int
) -> None:
    """Nothing else: where another dimension has units of its own, weights would differ from place to place."""
    for unit in units_of(shape, 3):
        others = [n for dim, n in enumerate(unit.shape[1:]) if dim != channels]
        assert takes(node, unit, shape) == (others == [1] * len(others))
        assert takes(ElementwiseAffine("n", ("a",), torch.ones(1), torch.zeros(1)), unit, shape)


@pytest.mark.parametrize(
    ("node", "shape"),
    [
        (AvgPool("n", ("a",), (2, 3), (2, 3), (0, 0)), ONE),
        (AvgPool("n", ("a",), (3, 3), (1, 1), (1, 1), count_include_pad=False), ONE),
        (AvgPool("n", ("a",), (3, 3), (2, 2), (1, 1), ceil_mode=True), ONE),
        (AvgPool("n", ("a",), (2, 2), (2, 2), (0, 0), divisor=3), ONE),
        (AdaptiveAvgPool("n", ("a",), (2, 3)), ONE),
        (AdaptiveAvgPool("n", ("a",), (3,)), (2, 6)),
    ],
)
def test_an_average_is_a_sum_over_its_divisor(node: AvgPool | AdaptiveAvgPool, shape: Shape) -> None:
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(2)).double()
    by = divisor(node, shape)
    torch.testing.assert_close(evaluate(summing(node, shape), [x]) / by, evaluate(node, [x]))
    assert bool((by == by.round()).all())
    assert by.numel() == 1 or bool((by != by.flatten()[0]).any())


def test_readers_that_ask_for_different_units_each_convert() -> None:
    """Where they agree, the weights give what they ask for, and nothing is converted."""
    eye = torch.eye(2, dtype=torch.float64)
    nodes = (
        Input("x", (), (2,)),
        Linear("w", ("x",), eye, eye[0]),
        Activation("a", ("w",), ReLU()),
        Activation("b", ("w",), ReLU()),
        Add("sum", ("a", "b")),
    )
    network = Network(nodes, ("sum",))
    for thresholds, converting in (((0.5, 0.5), set()), ((0.5, 2.0), {"w->a", "w->b"})):
        sites = {name: Site(threshold, 1.0) for name, threshold in zip("ab", thresholds, strict=True)}
        lowered, plan = unit_spikes(network, Plan(sites, Steady(6)))
        assert {node.name for node in lowered.nodes} - {node.name for node in nodes} == converting
        batch = images(network, 4)
        expected = engines.reference(network, Plan(sites, Steady(6)), batch)
        found = engines.reference(lowered, plan, batch)
        assert all(torch.equal(expected.spike_counts[name], found.spike_counts[name]) for name in "ab")
        assert torch.equal(expected.outputs, found.outputs)


@pytest.mark.parametrize(("given", "lowered"), [((0.5, 0.25), (64, 64)), ((1.0, 1.0), (127, 127))])
def test_a_population_behind_the_input_or_another_has_a_weight_of_one(
    given: tuple[float, float], lowered: tuple[int, int]
) -> None:
    """Which then takes all bits, as the largest weight of its population.

    What arrives is in units of what sends it (x is whole), so thresholds are that many weights.
    """
    network = Network(
        (
            Input("x", (), (3,)),
            Activation("a", ("x",), ReLU()),
            Activation("b", ("a",), ReLU()),
            Linear("out", ("b",), torch.eye(3, dtype=torch.float64)),
        ),
        ("out",),
    )
    plan = Plan({"a": Site(given[0]), "b": Site(given[1])}, Steady(8))
    fixed = fixed_point(network, plan, bits=8, input_unit=1.0)
    assert fixed.weights["x->a"].flatten().tolist() == [127]
    assert fixed.weights["a->b"].flatten().tolist() == [127]
    assert {name: int(one) for name, one in fixed.thresholds.items()} == {"a": lowered[0], "b": lowered[1]}


def test_a_shift_with_a_zero_in_it_is_a_bias_and_one_of_zeros_is_none() -> None:
    for shift, told in (([0.0, 0.5], True), ([0.0, 0.0], False)):
        network = Network(
            (
                Input("x", (), (2,)),
                ElementwiseAffine("e", ("x",), torch.ones(2).double(), torch.tensor(shift).double()),
                Activation("a", ("e",), ReLU()),
            ),
            ("a",),
        )
        fixed = fixed_point(network, Plan({"a": Site(1.0)}, Steady(2)), input_unit=1.0)
        assert ("e" in fixed.biases) == told
        if told:
            first, second = fixed.biases["e"].flatten().tolist()
            assert first == 0
            assert second == pytest.approx(0.5 * float(fixed.thresholds["a"]), abs=1)


def test_a_batch_norm_in_other_units_is_the_same_map() -> None:
    """Rescaled by hand: what it reads in units of a's spikes, what it gives in those of b's thresholds."""
    values, thresholds = torch.tensor([0.5, 2.0, 4.0]).double(), torch.tensor([1.0, 4.0, 0.25]).double()
    draw = torch.Generator().manual_seed(5)
    mean, weight, bias = (torch.randn(3, generator=draw).double() for _ in range(3))
    variance = torch.rand(3, generator=draw).double() + 0.5
    for norm in (
        BatchNorm("bn", ("a",), mean, variance, weight, bias, 1e-3),
        BatchNorm("bn", ("a",), mean, variance, None, None, 1e-3),
    ):
        nodes = (
            Input("x", (), (3, 2, 2)),
            Activation("a", ("x",), ReLU()),
            norm,
            Activation("b", ("bn",), ReLU()),
        )
        network = Network(nodes, ("b",))
        plan = Plan({"a": Site(1.0, values), "b": Site(thresholds)}, Steady(3))
        lowered = unit_spikes(network, plan)[0]["bn"]
        assert isinstance(lowered, BatchNorm)
        x = torch.randn(4, 3, 2, 2, generator=draw).double()
        unit, out = values.reshape(1, 3, 1, 1), thresholds.reshape(1, 3, 1, 1)
        torch.testing.assert_close(evaluate(lowered, [x / unit]) * out, evaluate(norm, [x]))
        assert replace(lowered, mean=mean).epsilon == norm.epsilon


def test_a_pool_over_weights_of_different_sizes_keeps_all_of_them_in_their_bits() -> None:
    scale = torch.tensor([[0.25, 1.0, 8.0, 0.5]]).double()
    network = Network(
        (
            Input("x", (), (1, 4)),
            ElementwiseAffine("e", ("x",), scale, torch.zeros_like(scale)),
            AvgPool("pool", ("e",), (2,), (2,), (0,)),
            Activation("a", ("pool",), ReLU()),
        ),
        ("a",),
    )
    fixed = fixed_point(network, Plan({"a": Site(1.0)}, Steady(2)), bits=8, membrane_bits=32, input_unit=1.0)
    whole = fixed.weights["e"].flatten().tolist()
    assert max(whole) == 127
    assert whole == [round(127 * one / 8) for one in scale.flatten().tolist()]
