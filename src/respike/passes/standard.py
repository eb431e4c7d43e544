"""The passes that every loaded network goes through."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from respike.ir import Network
from respike.passes.drop_final_softmax import drop_final_softmax
from respike.passes.drop_unused import drop_unused
from respike.passes.fold_batchnorm import fold_batchnorm
from respike.passes.fuse_gates import fuse_gates
from respike.passes.fuse_levels import fuse_levels
from respike.passes.fuse_norms import fuse_norms
from respike.passes.move_max_pool import move_max_pool
from respike.passes.skip_concat import skip_concat
from respike.typed import NETWORK, check_kind

Pass: TypeAlias = Callable[[Network], Network]


STANDARD: tuple[Pass, ...] = (
    drop_final_softmax,
    skip_concat,
    fuse_gates,
    fuse_norms,
    fuse_levels,
    drop_unused,
    fold_batchnorm,
    move_max_pool,
)
"""Leave out a softmax at the very end (with a warning), read parts of concatenations where they come from, see
activations in signals times their gates and in roundings between scales and clamps, and norms in signals over their
root mean squares, drop what nobody reads, fold batch
norms where that is exact, move max pools in front of activations."""


def prepare(network: Network, passes: Iterable[Pass] = STANDARD) -> Network:
    """`network` after the passes, one after the other."""
    check_kind("network", network, Network, NETWORK)
    for transform in passes:
        network = transform(network)
    return network
