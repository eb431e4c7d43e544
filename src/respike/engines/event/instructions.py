"""Which instruction set the kernels use: the fastest that there is, or what the environment says."""

from __future__ import annotations

import os

from respike.engines.event import _native
from respike.errors import UnknownName

VARIABLE = "RESPIKE_INSTRUCTIONS"
"""The environment variable that names an instruction set."""


def choose() -> None:
    """Does what the environment says.

    Raises:
        UnknownName: the processor has no such instruction set.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return
    known = _native.instruction_sets()
    if named not in known:
        raise UnknownName(f"instruction set of {VARIABLE}", named, known)
    _native.choose(named)
