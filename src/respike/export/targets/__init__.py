"""Loaders of NIR files for simulators that others wrote, configured so that neurons reset by subtraction there."""

from respike.errors import UnknownName
from respike.export.targets.brian2 import BRIAN2
from respike.export.targets.nengo import NENGO
from respike.export.targets.nirtorch import NIRTORCH
from respike.export.targets.norse import NORSE
from respike.export.targets.rockpool import ROCKPOOL
from respike.export.targets.sinabs import SINABS
from respike.export.targets.snntorch import SNNTORCH
from respike.export.targets.spikingjelly import SPIKINGJELLY
from respike.export.targets.target import Target

ALL = (SINABS, SNNTORCH, SPIKINGJELLY, NORSE, NIRTORCH, ROCKPOOL, BRIAN2, NENGO)
"""Every target, in the order of the documentation's table."""


def find(name: str) -> Target:
    """The target of that name; `UnknownName` with the nearest match."""
    for target in ALL:
        if target.name == name:
            return target
    raise UnknownName("target", name, (target.name for target in ALL))


__all__ = [
    "ALL",
    "BRIAN2",
    "NENGO",
    "NIRTORCH",
    "NORSE",
    "ROCKPOOL",
    "SINABS",
    "SNNTORCH",
    "SPIKINGJELLY",
    "Target",
    "find",
]
