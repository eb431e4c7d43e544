"""What values are made of, which says where populations stand on edges: by hand, on one network with every case."""

from __future__ import annotations

import torch

from respike.ir import (
    Activation,
    Add,
    AvgPool,
    Conv,
    ElementwiseAffine,
    Input,
    Linear,
    MatMul,
    MaxPool,
    Multiply,
    Network,
    Permute,
    ReLU,
    Reshape,
    Sigmoid,
    Softmax,
)
from respike.passes import edges

MADE = {
    "x": "input",
    "pooled": "input",  # the largest pixel is still the image
    "doubled": "input",
    "conv": "value",
    "relu": "spikes",
    "mean": "spikes",
    "largest": "value",  # of spikes: a number that nobody has sent
    "both": "input",  # the image, perhaps with spikes
    "gate": "value",
    "step": "spikes",  # a sigmoid in a recurrent layer has neurons of its own
    "gated": "value",
    "rows": "spikes",
    "columns": "value",
    "scores": "value",
    "shares": "value",
    "mixed": "value",
    "flat": "value",
    "out": "value",
}


def network() -> Network:
    two = (2, 2)
    nodes = (
        Input("x", (), (2, 4, 4)),
        MaxPool("pooled", ("x",), two, two, (0, 0), (1, 1)),
        ElementwiseAffine("doubled", ("pooled",), torch.full((1,), 2.0), torch.zeros(1)),
        Conv("conv", ("x",), torch.randn(2, 2, 3, 3), None, (1, 1), (1, 1), (1, 1)),
        Activation("relu", ("conv",), ReLU()),
        AvgPool("mean", ("relu",), two, two, (0, 0)),
        MaxPool("largest", ("relu",), two, two, (0, 0), (1, 1)),
        Add("both", ("doubled", "mean")),
        Activation("gate", ("largest",), Sigmoid()),
        Activation("step", ("largest",), Sigmoid(), "cell"),
        Multiply("gated", ("gate", "mean")),
        Reshape("rows", ("mean",), (2, 4)),
        Permute("columns", ("flat2",), (0, 2, 1)),
        MatMul("scores", ("rows", "columns")),
        Softmax("shares", ("scores",), -1),
        MatMul("mixed", ("shares", "rows")),
        Reshape("flat", ("mixed",), (8,)),
        Linear("out", ("flat",), torch.randn(3, 8)),
    )
    flat2 = Reshape("flat2", ("gated",), (2, 4))
    return Network((*nodes[:12], flat2, *nodes[12:]), ("out", "step", "both"))


def test_what_each_value_is_made_of() -> None:
    found = {name: made.value for name, made in edges.made_of(network()).items()}
    assert found == MADE | {"flat2": "value"}


def test_where_populations_are_missing() -> None:
    """In front of all that multiplies what was not sent as spikes; weights may read the image itself."""
    assert edges.edges(network()) == ("gate@spikes", "columns@spikes", "shares@spikes", "flat@spikes")
    placed = edges.spike_edges(network())
    assert edges.edges(placed) == ()
    images = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    first = network()
    again = edges.place(first, edges.edges(first))
    for name in first.outputs:
        torch.testing.assert_close(again.values((images,), (name,))[name], first.values((images,), (name,))[name])


def test_a_product_of_the_image_needs_a_population_where_weights_do_not() -> None:
    nodes = (
        Input("x", (), (4,)),
        Linear("w", ("x",), torch.randn(4, 4)),
        Activation("relu", ("w",), ReLU()),
        Multiply("product", ("x", "relu")),
    )
    small = Network(nodes, ("product",))
    assert edges.edges(small) == ("x@spikes",)
    assert edges.products(small) == {"product": 1}
    assert edges.products(edges.spike_edges(small)) == {"product": 0}
    assert edges.products(network()) == {"gated": 1, "scores": 0, "mixed": 1}


def test_values_made_by_weights_that_several_read_are_forks() -> None:
    nodes = (
        Input("x", (), (4,)),
        Linear("w", ("x",), torch.randn(4, 4)),
        Activation("a", ("w",), ReLU()),
        Add("sum", ("w", "a")),
        Activation("b", ("sum",), ReLU()),
        Linear("out", ("sum",), torch.randn(2, 4)),
    )
    assert edges.forks(Network(nodes, ("out", "b"))) == ("w", "sum")
    assert edges.forks(Network(nodes, ("out", "b", "a"))) == ("w", "sum")
    assert edges.forks(Network(nodes[:4], ("sum",))) == ("w",)
    assert edges.forks(Network(nodes[:3], ("a", "w"))) == ("w",)
