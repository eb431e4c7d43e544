"""Parts of a concatenation read where they come from."""

from __future__ import annotations

from itertools import accumulate, pairwise

from respike.ir import Concat, Network, Slice
from respike.passes.draft import Draft


def skip_concat(network: Network) -> Network:
    """Every `Slice` that is one part of a `Concat` becomes that part.

    A recurrent layer puts the states of all time steps one behind the other, and most networks read the last one: what
    reads it does not depend on the others, and neither do its depth, its fan-out and its accumulators.
    """
    draft = Draft(network)
    for name in tuple(draft.nodes):
        node = draft.nodes[name]
        if isinstance(node, Slice) and (part := _part(draft, node)) is not None:
            draft.remove(name, becomes=part)
    return draft.network()


def _part(draft: Draft, node: Slice) -> str | None:
    """The input of the concatenation that a slice takes out whole."""
    whole = draft.nodes[node.inputs[0]]
    if not isinstance(whole, Concat) or whole.dim != node.dim:
        return None
    sizes = (draft.shapes[name][whole.dim - 1] for name in whole.inputs)
    bounds = list(pairwise(accumulate(sizes, initial=0)))
    wanted = (node.start, node.stop)
    return whole.inputs[bounds.index(wanted)] if node.step == 1 and wanted in bounds else None
