"""A softmax at the very end, or its logarithm, left out, so that outputs are logits."""

from __future__ import annotations

import warnings

from respike.errors import RespikeWarning
from respike.ir import Network, Softmax
from respike.passes.draft import Draft


def drop_final_softmax(network: Network) -> Network:
    """Without the softmax nodes that are outputs and that nothing else reads; one `RespikeWarning` names them.

    Softmax rises with each of its inputs, so the largest output stays the largest. What the network then gives are the
    logits in front of it: classes do not change, probabilities are `network(x).softmax(dim)`. The same goes for the
    logarithm of a softmax.
    """
    draft = Draft(network)
    final = [
        node
        for node in network.nodes
        if isinstance(node, Softmax) and node.name in network.outputs and not draft.readers(node.name)
    ]
    for node in final:
        draft.remove(node.name, becomes=node.inputs[0])
    if final:
        warnings.warn(
            f"the final softmax {', '.join(repr(node.name) for node in final)} is left out: the output is now the "
            "logits; the largest stays the largest",
            RespikeWarning,
            stacklevel=4,  # whoever called load
        )
    return draft.network()
