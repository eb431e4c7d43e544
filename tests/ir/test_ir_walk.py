"""The walk over the nodes of a network: their order, and how long values live."""

from __future__ import annotations

import weakref

from respike.ir import Add, Input, Node, Reshape, walk


class Value:
    """Something that can be let go."""

    def __init__(self, name: str) -> None:
        self.name = name


def chain() -> list[Node]:
    return [
        Input("x", (), (1,)),
        Reshape("a", ("x",), (1,)),
        Reshape("b", ("a",), (1,)),
        Reshape("c", ("b",), (1,)),
        Add("d", ("c", "a")),
        Reshape("e", ("d",), (1,)),
    ]


def test_a_value_lives_until_its_last_reader_is_computed() -> None:
    alive: dict[str, weakref.ref[Value]] = {}
    seen = {}

    def compute(node: Node, inputs: list[Value]) -> Value:
        assert [value.name for value in inputs] == list(node.inputs)
        seen[node.name] = {name for name, value in alive.items() if value() is not None}
        made = Value(node.name)
        alive[node.name] = weakref.ref(made)
        return made

    order = [node.name for node, _ in walk(chain(), compute, {"x": Value("x")})]
    assert order == ["x", "a", "b", "c", "d", "e"]
    assert seen == {"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": {"a", "c"}, "e": {"d"}}


def test_what_is_given_is_not_computed_and_reads_nothing() -> None:
    computed = []

    def compute(node: Node, inputs: list[str]) -> str:
        computed.append(node.name)
        return f"{node.name}({', '.join(inputs)})"

    values = {node.name: value for node, value in walk(chain()[1:], compute, {"a": "A", "b": "B"})}
    assert computed == ["c", "d", "e"]
    assert values == {"a": "A", "b": "B", "c": "c(B)", "d": "d(c(B), A)", "e": "e(d(c(B), A))"}
