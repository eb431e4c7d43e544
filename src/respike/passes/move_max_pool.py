"""Max pools in front of the activations they read."""

from __future__ import annotations

import dataclasses

from respike.ir import Activation, AdaptiveMaxPool, MaxPool, Network, never_falls
from respike.passes.draft import Draft


def move_max_pool(network: Network) -> Network:
    """Max pools moved in front of the activation that they alone read, since `max f(x) = f(max x)` where f never falls.

    Behind the move the activation has as many neurons as the pool's output. Both keep their names.
    """
    draft = Draft(network)
    while any(_move(draft, name) for name in tuple(draft.nodes)):
        pass
    return draft.network()


def _move(draft: Draft, name: str) -> bool:
    pool = draft.nodes[name]
    if not isinstance(pool, MaxPool | AdaptiveMaxPool):
        return False
    activation = draft.nodes[pool.inputs[0]]
    if not isinstance(activation, Activation) or not never_falls(activation.function):
        return False
    if activation.population or not draft.is_read_once(activation.name):
        return False
    draft.redirect(pool.name, activation.name)
    swapped = {
        activation.name: dataclasses.replace(pool, inputs=activation.inputs),
        pool.name: dataclasses.replace(activation, inputs=(pool.name,)),
    }
    draft.nodes = {node.name: node for node in (swapped.get(n.name, n) for n in draft.nodes.values())}
    return True
