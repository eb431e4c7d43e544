"""Neurons by name: which classes files of converted networks may hold."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from respike.errors import InvalidOption
from respike.neurons.base import Neuron

N = TypeVar("N", bound=Neuron)
_known: dict[str, type[Neuron]] = {}
KNOWN: Mapping[str, type[Neuron]] = MappingProxyType(_known)
"""The registered classes, by their names."""


def register(neuron: type[N]) -> type[N]:
    """Lets files of converted networks hold a neuron of your own; can be used as a class decorator.

    Files hold the class's name and its fields, never code, so the class must be registered where a file is read, too.

    Args:
        neuron: a frozen dataclass that extends `Neuron`.

    Returns:
        The same class.

    Raises:
        InvalidOption: another class of this name is registered.
    """
    if _known.setdefault(neuron.__name__, neuron) is not neuron:
        raise InvalidOption(f"another neuron is called {neuron.__name__!r}: rename one of them")
    return neuron
