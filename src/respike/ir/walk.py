"""The order in which the nodes of a network are computed, and how long their values live."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from respike.ir.nodes import Node

V = TypeVar("V")


def walk(
    nodes: Iterable[Node], compute: Callable[[Node, list[V]], V], given: Mapping[str, V] | None = None
) -> Iterator[tuple[Node, V]]:
    """Every node with its value, one after the other; a value is let go when its last reader has been computed.

    Args:
        nodes: in an order in which every node stands behind those that it reads.
        compute: the value of a node from those of its inputs.
        given: nodes whose values are known, by name. They are not computed, and read nothing.

    Yields:
        Each node and its value. Whoever wants to keep a value takes it here.
    """
    order, known = tuple(nodes), given or {}
    last_reader = {name: node.name for node in order if node.name not in known for name in node.inputs}
    values: dict[str, V] = {}
    for node in order:
        value = known[node.name] if node.name in known else compute(node, [values[name] for name in node.inputs])
        yield node, value
        if node.name in last_reader:
            values[node.name] = value
        for name in node.inputs:
            if last_reader.get(name) == node.name:
                values.pop(name, None)
