"""Passes: functions from `Network` to `Network` that change its form and not what it computes."""

from respike.passes.drop_final_softmax import drop_final_softmax
from respike.passes.drop_unused import drop_unused
from respike.passes.edges import spike_edges
from respike.passes.fold_batchnorm import fold_batchnorm, move_shifts
from respike.passes.fuse_gates import fuse_gates
from respike.passes.fuse_levels import fuse_levels
from respike.passes.fuse_norms import fuse_norms
from respike.passes.join import join_inputs, join_outputs
from respike.passes.move_max_pool import move_max_pool
from respike.passes.skip_concat import skip_concat
from respike.passes.standard import STANDARD, Pass, prepare

__all__ = [
    "STANDARD",
    "Pass",
    "drop_final_softmax",
    "drop_unused",
    "fold_batchnorm",
    "fuse_gates",
    "fuse_levels",
    "fuse_norms",
    "join_inputs",
    "join_outputs",
    "move_max_pool",
    "move_shifts",
    "prepare",
    "skip_concat",
    "spike_edges",
]
