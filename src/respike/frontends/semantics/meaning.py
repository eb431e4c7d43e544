"""Which translator of a framework's operator means what, for the table of operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])

_meanings: dict[object, tuple[object, ...]] = {}


def means(*meanings: object) -> Callable[[T], T]:
    """Note that a translator only reads a framework's arguments for these functions of `semantics`, or activations."""

    def mark(translator: T) -> T:
        _meanings[translator] = meanings
        return translator

    return mark


def meanings_of(translator: object) -> tuple[object, ...]:
    """What was noted of a translator; a function of `semantics` means itself."""
    return _meanings.get(translator, (translator,))
