"""Passes change the form of a network and not what it computes."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from passes.by_hand import affine, assert_same, batch_norm, conv, linear, network, relu
from respike.ir import (
    Activation,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    AvgPool,
    BatchNorm,
    Conv,
    ConvTranspose,
    ElementwiseAffine,
    Erf,
    Function,
    Hardswish,
    MaxPool,
    Mish,
    Multiply,
    Network,
    Permute,
    ReLU,
    Reshape,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from respike.passes import drop_unused, fold_batchnorm, fuse_gates, move_max_pool, move_shifts, prepare


def avg_pool(name: str, source: str, kernel: int = 2, padding: int = 0, divisor: int | None = None) -> AvgPool:
    return AvgPool(name, (source,), (kernel,) * 2, (kernel,) * 2, (padding,) * 2, False, True, divisor)


def max_pool(name: str, source: str) -> MaxPool:
    return MaxPool(name, (source,), (3, 3), (2, 2), (1, 1), (1, 1))


def transposed(name: str, source: str, inputs: int, outputs: int, groups: int = 1) -> ConvTranspose:
    weight = torch.randn(inputs, outputs // groups, 3, 2).double()
    bias = torch.randn(outputs).double()
    return ConvTranspose(name, (source,), weight, bias, (2, 1), (1, 0), (1, 0), (1, 1), groups)


def folds() -> dict[str, Network]:
    """Networks whose every scale and shift can be folded exactly."""
    torch.manual_seed(1)
    return {
        "conv, norm": network((3, 5, 5), conv("c", "x", (4, 3, 3, 3), padding=1, bias=False), batch_norm("n", "c", 4)),
        "grouped conv, norm": network((4, 5, 5), conv("c", "x", (6, 2, 3, 3), groups=2), batch_norm("n", "c", 6)),
        "conv1d, norm": network((3, 5), conv("c", "x", (4, 3, 3)), batch_norm("n", "c", 4)),
        "conv3d, norm": network((2, 4, 4, 4), conv("c", "x", (3, 2, 2, 2, 2)), batch_norm("n", "c", 3)),
        "linear, norm": network((3,), linear("l", "x", 4, 3, bias=False), batch_norm("n", "l", 4)),
        "linear, norm, affine": network((3,), linear("l", "x", 4, 3), batch_norm("n", "l", 4), affine("a", "n", 4)),
        "norm, linear": network((3,), batch_norm("n", "x", 3), linear("l", "n", 4, 3, bias=False)),
        "norm, conv": network((4, 5, 5), batch_norm("n", "x", 4), conv("c", "n", (6, 4, 2, 2))),
        "norm, grouped conv": network((4, 5, 5), batch_norm("n", "x", 4), conv("c", "n", (6, 2, 3, 3), groups=2)),
        "norm, depthwise conv": network((4, 5, 5), batch_norm("n", "x", 4), conv("c", "n", (8, 1, 2, 2), groups=4)),
        "pool, norm, conv": network(
            (3, 6, 6), relu("r", "x"), avg_pool("p", "r"), batch_norm("n", "p", 3), conv("c", "n", (2, 3, 2, 2))
        ),
        "norm, clipped pool, conv": network(
            (3, 5, 5),
            batch_norm("n", "x", 3),
            AvgPool("p", ("n",), (2, 2), (2, 2), (0, 0), True),
            conv("c", "p", (2, 3, 2, 2)),
        ),
        "conv, pool, norm": network(
            (3, 6, 6), conv("c", "x", (4, 3, 3, 3)), avg_pool("p", "c"), batch_norm("n", "p", 4)
        ),
        "norm, global pool, flatten, linear": network(
            (3, 4, 4),
            relu("r", "x"),
            batch_norm("n", "r", 3),
            AdaptiveAvgPool("p", ("n",), (1, 1)),
            Reshape("f", ("p",), (3,)),
            linear("l", "f", 2, 3),
        ),
        "norm, flatten, linear": network(
            (3, 2, 2), batch_norm("n", "x", 3), Reshape("f", ("n",), (12,)), linear("l", "f", 2, 12)
        ),
        "norm, permute, linear": network(
            (3, 5), batch_norm("n", "x", 3), Permute("p", ("n",), (0, 2, 1)), linear("l", "p", 2, 3)
        ),
        "norm, two convs": network(
            (3, 4, 4),
            relu("r", "x"),
            batch_norm("n", "r", 3),
            conv("c", "n", (2, 3, 2, 2)),
            conv("d", "n", (2, 3, 2, 2)),
            Add("s", ("c", "d")),
        ),
        "scale only, padded conv": network(
            (3, 4, 4), batch_norm("n", "x", 3, shift=False), conv("c", "n", (2, 3, 3, 3), padding=1)
        ),
        "affine of every element, flatten, linear": network(
            (3, 2, 2), affine("a", "x", 3, 2, 2), Reshape("f", ("a",), (12,)), linear("l", "f", 2, 12)
        ),
        "transposed conv, norm": network((3, 4, 4), transposed("c", "x", 3, 4), batch_norm("n", "c", 4)),
        "grouped transposed conv, norm": network((6, 4, 4), transposed("c", "x", 6, 4, 2), batch_norm("n", "c", 4)),
        "scale only, transposed conv": network(
            (4, 3, 3), relu("r", "x"), batch_norm("n", "r", 4, shift=False), transposed("c", "n", 4, 6, 2)
        ),
        "scalar affine, linear": network((3,), relu("r", "x"), affine("a", "r"), linear("l", "a", 2, 3)),
    }


def keeps() -> dict[str, Network]:
    """Networks in which the norm cannot be folded, because it would change what is computed."""
    torch.manual_seed(2)
    padded = conv("c", "n", (2, 3, 3, 3), padding=1)
    shifts_one = dataclasses.replace(
        batch_norm("n", "x", 3, shift=False), bias=torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    )
    return {
        "norm, padded conv": network((3, 4, 4), batch_norm("n", "x", 3), padded),
        "norm, conv padded above and below": network(
            (3, 4, 4), batch_norm("n", "x", 3), dataclasses.replace(padded, padding=(1, 0))
        ),
        "norm that shifts one channel, padded conv": network((3, 4, 4), shifts_one, padded),
        "norm that shifts one channel, transposed conv": network((3, 4, 4), shifts_one, transposed("c", "n", 3, 2)),
        "norm, pool padded left and right, conv": network(
            (3, 4, 4),
            batch_norm("n", "x", 3),
            dataclasses.replace(avg_pool("p", "n"), padding=(0, 1)),
            conv("c", "p", (2, 3, 2, 2)),
        ),
        "norm, padded pool, conv": network(
            (3, 4, 4), batch_norm("n", "x", 3), avg_pool("p", "n", padding=1), conv("c", "p", (2, 3, 2, 2))
        ),
        "conv, pool that sums, norm": network(
            (3, 4, 4), conv("c", "x", (3, 3, 1, 1)), avg_pool("p", "c", divisor=1), batch_norm("n", "p", 3)
        ),
        "conv read twice": network(
            (3, 4, 4), conv("c", "x", (3, 3, 1, 1)), batch_norm("n", "c", 3), Add("s", ("n", "c"))
        ),
        "conv that is an output": network(
            (3, 4, 4), conv("c", "x", (3, 3, 1, 1)), batch_norm("n", "c", 3), outputs=("n", "c")
        ),
        "norm, a conv and a relu": network(
            (3, 4, 4), batch_norm("n", "x", 3), conv("c", "n", (2, 3, 1, 1)), relu("r", "n"), outputs=("c", "r")
        ),
        "norm over positions of a linear": network((3, 5), linear("l", "x", 4, 5), batch_norm("n", "l", 3)),
        "norm, transposed conv": network((3, 4, 4), batch_norm("n", "x", 3), transposed("c", "n", 3, 2)),
        "norm, relu": network((3, 4, 4), batch_norm("n", "x", 3), relu("r", "n"), conv("c", "r", (2, 3, 1, 1))),
        "affine that broadcasts": network((3, 1), affine("a", "x", 3, 4), linear("l", "a", 2, 4)),
        "affine that varies from row to row, pool, flatten, linear": network(
            (3, 4, 4),
            relu("r", "x"),
            affine("a", "r", 3, 4, 1),
            avg_pool("p", "a"),
            Reshape("f", ("p",), (12,)),
            linear("l", "f", 2, 12),
        ),
        "affine that varies in space": network((3, 2, 2), affine("a", "x", 3, 2, 2), conv("c", "a", (2, 3, 1, 1))),
    }


def scales(of: Network) -> int:
    return len([node for node in of.nodes if isinstance(node, BatchNorm | ElementwiseAffine)])


@pytest.mark.parametrize("name", folds())
def test_folded_where_that_is_exact(name: str) -> None:
    before = folds()[name]
    after = fold_batchnorm(before)
    assert scales(after) == 0
    assert_same(before, after)


@pytest.mark.parametrize("name", keeps())
def test_kept_where_folding_would_be_wrong(name: str) -> None:
    before = keeps()[name]
    after = fold_batchnorm(before)
    assert scales(after) == 1
    assert_same(before, after)


@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_a_shift_in_front_of_padding_moves_behind_the_convolutions(stride: tuple[int, int]) -> None:
    torch.manual_seed(3)
    before = network(
        (3, 5, 4),
        batch_norm("n", "x", 3),
        conv("c", "n", (4, 3, 3, 3), padding=1),
        relu("r", "c"),
        dataclasses.replace(conv("d", "n", (4, 3, 3, 3), padding=1), stride=stride),
        outputs=("r", "d"),
    )
    after = move_shifts(before)
    assert [node.name for node in after.nodes] == ["x", "c", "c.shift", "r", "d", "d.shift"]
    moved = after["c.shift"]
    assert isinstance(moved, ElementwiseAffine)
    assert bool((moved.scale == 1).all())
    # Inside, where nothing is padded, the constant is the same everywhere; at the border it is another.
    assert torch.allclose(moved.shift[:, :, 1:-1, 1:-1], moved.shift[:, :, 1:2, 1:2])
    assert not torch.allclose(moved.shift[:, :, 0], moved.shift[:, :, 1])
    assert_same(before, after)


def test_shifts_that_others_read_stay() -> None:
    before = keeps()["norm, a conv and a relu"]
    assert [node.name for node in move_shifts(before).nodes] == [node.name for node in before.nodes]


def test_folding_leaves_the_network_it_was_given() -> None:
    before = folds()["conv, norm"]
    weight = before["c"]
    assert isinstance(weight, Conv)
    copy = weight.weight.clone()
    fold_batchnorm(before)
    assert torch.equal(weight.weight, copy)
    assert len(before.nodes) == 3


def test_folding_keeps_the_number_type_and_sums_in_float64() -> None:
    before = folds()["norm, conv"].to(torch.float32)
    after = fold_batchnorm(before)
    assert after.dtype == torch.float32
    exact = fold_batchnorm(before.to(torch.float64))["c"]
    node = after["c"]
    assert isinstance(node, Conv)
    assert isinstance(exact, Conv)
    assert torch.equal(node.weight, exact.weight.float())


@pytest.mark.parametrize("pool", [max_pool("p", "a"), AdaptiveMaxPool("p", ("a",), (2, 2))])
@pytest.mark.parametrize("ceiling", [float("inf"), 0.5])
def test_max_pools_move_in_front_of_activations(pool: MaxPool | AdaptiveMaxPool, ceiling: float) -> None:
    torch.manual_seed(3)
    activation = Activation("a", ("c",), ReLU(ceiling))
    before = network((2, 7, 7), conv("c", "x", (3, 2, 2, 2)), activation, pool, conv("d", "p", (2, 3, 1, 1)))
    after = move_max_pool(before)
    assert [node.name for node in after.nodes] == ["x", "c", "p", "a", "d"]
    assert after["d"].inputs == ("a",)
    assert_same(before, after)


def test_max_pools_behind_each_other_move_together() -> None:
    before = network((2, 9, 9), relu("a", "x"), max_pool("p", "a"), max_pool("q", "p"))
    after = move_max_pool(before)
    assert [node.name for node in after.nodes] == ["x", "p", "q", "a"]
    assert after.outputs == ("a",)
    assert_same(before, after)


RISING: list[Function] = [Tanh(), Sigmoid(), Erf(), Softplus(), Softplus(-2.0)]
FALLING: list[Function] = [SiLU(), Hardswish(), Mish()]


@pytest.mark.parametrize(
    ("function", "moves"), [*((each, True) for each in RISING), *((each, False) for each in FALLING)]
)
def test_a_max_pool_stays_behind_a_function_that_falls(function: Function, moves: bool) -> None:
    before = network((2, 6, 6), Activation("a", ("x",), function), max_pool("p", "a"))
    after = move_max_pool(before)
    assert [node.name for node in after.nodes] == (["x", "p", "a"] if moves else ["x", "a", "p"])
    assert_same(before, after)


def test_signals_times_their_gates_are_activations() -> None:
    sixth = ElementwiseAffine("shift", ("l",), torch.tensor(1 / 6, dtype=torch.float64), torch.tensor(0.5).double())
    gate, hard = Activation("gate", ("l",), Sigmoid()), Activation("hard", ("shift",), ReLU(1.0))
    first = linear("l", "x", 4, 4)
    before = network((4,), first, gate, Multiply("silu", ("l", "gate")), outputs=("silu",))
    after = drop_unused(fuse_gates(before))
    assert [type(node.function) for node in after.activations] == [SiLU]
    assert_same(before, after)
    before = network((4,), first, sixth, hard, Multiply("swish", ("hard", "l")), outputs=("swish",))
    after = drop_unused(fuse_gates(before))
    assert [type(node.function) for node in after.activations] == [Hardswish]
    assert_same(before, after)


def test_a_gate_of_another_signal_stays_a_product() -> None:
    before = network((4,), relu("r", "x"), Activation("gate", ("r",), Sigmoid()), Multiply("y", ("x", "gate")))
    assert fuse_gates(before).nodes == before.nodes


def test_a_max_pool_stays_where_its_activation_has_other_readers() -> None:
    before = network((2, 4, 4), relu("a", "x"), max_pool("p", "a"), outputs=("p", "a"))
    assert [node.name for node in move_max_pool(before).nodes] == ["x", "a", "p"]


def test_unused_nodes_are_dropped_and_inputs_stay() -> None:
    before = network((3,), relu("a", "x"), relu("b", "a"), linear("l", "x", 2, 3), outputs=("l",))
    assert [node.name for node in drop_unused(before).nodes] == ["x", "l"]


def test_prepare_runs_the_passes_in_order() -> None:
    before = folds()["conv, norm"]
    assert scales(prepare(before, ())) == 1
    assert scales(prepare(before)) == 0
    assert prepare(before, [lambda n: dataclasses.replace(n, origin="changed")]).origin == "changed"
