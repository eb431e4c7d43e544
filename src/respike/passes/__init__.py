"""Passes: functions from `Network` to `Network` that change its form and not what it computes."""

from respike.passes.fold_batchnorm import fold_batchnorm
from respike.passes.move_max_pool import move_max_pool
from respike.passes.standard import STANDARD, Pass, drop_unused, prepare

__all__ = ["STANDARD", "Pass", "drop_unused", "fold_batchnorm", "move_max_pool", "prepare"]
