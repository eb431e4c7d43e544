"""In-place operators, and graphs without them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator

import torch
from torch import fx
from torch._ops import OpOverload
from torch.export import ExportedProgram, default_decompositions

_MAY_RETURN_ITS_INPUT = frozenset(
    ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "contiguous", "to", "type_as", "getitem")
)


def functional(
    program: ExportedProgram, known: Callable[[fx.Node, bool], bool], quiet: Callable[[], object]
) -> ExportedProgram:
    """The program itself where every operator is known, else the same one decomposed by `torch.export`.

    Decomposing traces the graph anew, which takes longer than all the rest of loading. It replaces operators that are
    made of others (`expand_as`, `hstack`, `einsum`), and in-place operators, also those that change a view.

    Args:
        program: what `torch.export` gave; layers are kept whole.
        known: whether an operator needs no decomposition; it is told whether the operator depends on the inputs.
        quiet: a context in which torch says nothing about its own workings.
    """
    if _is_known(program, known):
        return program
    made_of_others = default_decompositions()
    taken_apart: set[object] = set()
    while True:
        unknown = {node.target for node in _unknown(program, known)} - taken_apart
        table = {operator: made_of_others[operator] for operator in unknown if operator in made_of_others}
        with quiet(), torch.no_grad():  # type: ignore[attr-defined]
            program = program.run_decompositions(table)
        if not table:
            return program
        taken_apart |= table.keys()


def _is_known(program: ExportedProgram, known: Callable[[fx.Node, bool], bool]) -> bool:
    calls = (node for node in program.graph.nodes if node.op == "call_function")
    changes = (is_in_place(node) and not _changes_only_its_own(node) for node in calls)
    return not any(changes) and not any(True for _ in _unknown(program, known))


def _unknown(program: ExportedProgram, known: Callable[[fx.Node, bool], bool]) -> Iterator[fx.Node]:
    """The calls of operators that are not known."""
    inputs = set(program.graph_signature.user_inputs)
    dependent: set[fx.Node] = set()
    for node in program.graph.nodes:
        if node.name in inputs or any(source in dependent for source in node.all_input_nodes):
            dependent.add(node)
        if node.op == "call_function" and not known(node, node in dependent):
            yield node


def is_in_place(node: fx.Node) -> bool:
    """Whether an operator changes its first operand."""
    return isinstance(node.target, OpOverload) and _says_so(_packet_name(node.target))


def functional_form(target: OpOverload) -> OpOverload:
    """The operator that gives the same without changing its operand: `relu` for `relu_`."""
    name = _packet_name(target)
    if not _says_so(name):
        return target
    form: OpOverload = getattr(getattr(torch.ops.aten, name[:-1]), target._overloadname)
    return form


def _says_so(name: str) -> bool:
    """Whether an operator's name says that it changes its operand: `relu_`, but not `__and__`."""
    return name.endswith("_") and not name.endswith("__")


def same_storage(node: fx.Node) -> set[fx.Node]:
    """The nodes whose value an in-place operator changes: its operand, and what changed the same before."""
    root = _root(node)
    found, waiting = {root}, [root]
    while waiting:
        users = [user for user in waiting.pop().users if is_in_place(user) and _root(user) is root]
        waiting.extend(user for user in users if user not in found)
        found.update(users)
    return found


def _root(node: fx.Node) -> fx.Node:
    while is_in_place(node):
        node = node.args[0]  # type: ignore[assignment]
    return node


def _changes_only_its_own(node: fx.Node) -> bool:
    """Whether an in-place operator changes a tensor that an operator made anew, and of which there are no views."""
    root = _root(node)
    if root.op != "call_function" or _may_alias(root):
        return False
    return not any(_may_alias(user) for part in same_storage(node) for user in part.users if not is_in_place(user))


def _may_alias(node: fx.Node) -> bool:
    """Whether an operator's result may be a view of an operand, or the operand itself."""
    if node.op != "call_function":
        return False
    if not isinstance(node.target, OpOverload):
        return node.target is operator.getitem
    returns = node.target._schema.returns
    return _packet_name(node.target) in _MAY_RETURN_ITS_INPUT or any(r.alias_info is not None for r in returns)


def _packet_name(target: OpOverload) -> str:
    return str(target.overloadpacket.__name__)
