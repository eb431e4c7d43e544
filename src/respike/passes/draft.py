"""A network while a pass works on it; checked once, when the pass is done."""

from __future__ import annotations

import dataclasses

from respike.ir import Network, Node


class Draft:
    """The nodes of a network by name, in order, free to be changed. The network itself is not."""

    def __init__(self, network: Network) -> None:
        self._origin = network
        self.nodes: dict[str, Node] = {node.name: node for node in network.nodes}
        self.outputs = network.outputs
        self.shapes = dict(network.shapes)
        self.dtype = network.dtype

    def readers(self, name: str) -> list[Node]:
        """The nodes that read a value."""
        return [node for node in self.nodes.values() if name in node.inputs]

    def is_read_once(self, name: str) -> bool:
        """Whether a value goes to one node and is no output."""
        return name not in self.outputs and len(self.readers(name)) == 1

    def replace(self, node: Node) -> None:
        """Put a node in the place of the one with its name."""
        self.nodes[node.name] = node

    def follow(self, name: str, node: Node) -> None:
        """Put a new node behind a value: what read the value reads the node."""
        self.redirect(name, node.name)
        order = list(self.nodes)
        order.insert(order.index(name) + 1, node.name)
        known = {**self.nodes, node.name: node}
        self.nodes = {each: known[each] for each in order}
        self.shapes[node.name] = self.shapes[name]

    def redirect(self, old: str, new: str) -> None:
        """Let every reader of one value read another instead."""
        for node in self.readers(old):
            inputs = tuple(new if name == old else name for name in node.inputs)
            self.replace(dataclasses.replace(node, inputs=inputs))  # type: ignore[arg-type]
        self.outputs = tuple(new if name == old else name for name in self.outputs)

    def remove(self, name: str, *, becomes: str) -> None:
        """Take a node out; `becomes` gives the value that it gave."""
        self.redirect(name, becomes)
        del self.nodes[name]

    def network(self) -> Network:
        """The network as it is now."""
        return dataclasses.replace(self._origin, nodes=tuple(self.nodes.values()), outputs=self.outputs)
