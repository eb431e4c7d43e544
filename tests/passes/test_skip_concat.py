"""A slice that is one part of a concatenation reads that part; every other slice stays."""

from __future__ import annotations

import pytest
import torch

from respike.ir import Concat, Input, Network, Node, Permute, Slice
from respike.passes import skip_concat

SHAPES = {"a": (2, 4, 3), "b": (3, 4, 3), "c": (2, 4, 3)}


def network(dim: int, cut: tuple[int, int, int], along: int, parts: tuple[str, ...] = ("a", "b", "c")) -> Network:
    """Three values one behind the other along `dim`, then a slice `start, stop, step` along another dimension."""
    nodes: tuple[Node, ...] = (
        *(Input(name, (), shape if dim == 1 else (2, 4, 3)) for name, shape in SHAPES.items()),
        Concat("whole", parts, dim),
        Slice("part", ("whole",), along, *cut),
        Permute("out", ("part",), (0, 3, 2, 1)),
    )
    return Network(nodes, ("out",))


@pytest.mark.parametrize(
    ("dim", "cut", "along", "becomes"),
    [
        (1, (0, 2, 1), 1, "a"),
        (1, (2, 5, 1), 1, "b"),
        (1, (5, 7, 1), 1, "c"),
        (2, (4, 8, 1), 2, "b"),
        (3, (6, 9, 1), 3, "c"),
        (1, (0, 5, 1), 1, None),  # two parts
        (1, (1, 2, 1), 1, None),  # not a whole one
        (1, (2, 5, 2), 1, None),  # every second element
        (1, (0, 2, 1), 2, None),  # along another dimension
    ],
)
def test_a_part_is_read_where_it_comes_from(
    dim: int, cut: tuple[int, int, int], along: int, becomes: str | None
) -> None:
    before = network(dim, cut, along)
    after = skip_concat(before)
    assert after["out"].inputs == (becomes or "part",)
    draw = torch.Generator().manual_seed(0)
    images = tuple(torch.randn(2, *before.shapes[name], generator=draw) for name in SHAPES)
    wanted = before.values(images, ("out",))["out"]
    assert torch.equal(after.values(images, ("out",))["out"], wanted)


def test_the_same_value_twice_is_read_once() -> None:
    after = skip_concat(network(2, (4, 8, 1), 2, ("a", "a", "c")))
    assert after["out"].inputs == ("a",)
