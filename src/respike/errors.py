"""The exceptions and warnings of respike. Every error says what is wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Argument:
    """An argument that an error advises. The command line writes it as a flag.

    Args:
        name: as it is in Python.
        value: the value to give; None where the advice is only to choose one.
    """

    name: str
    value: object = None

    def __str__(self) -> str:
        """As one writes it in Python."""
        return self.name if self.value is None else f"{self.name}={self.value!r}"


@dataclass(frozen=True)
class Call:
    """A call that an error advises. The command line writes it as a command.

    Args:
        function: the function in `respike`, `data.fetch`.
        argument: its first argument.
    """

    function: str
    argument: str

    def __str__(self) -> str:
        """As one writes it in Python."""
        return f"respike.{self.function}({self.argument!r})"


class RespikeError(Exception):
    """Base of every error that respike raises on purpose.

    Its arguments are the parts of its message: texts, and an `Argument` or a `Call` where Python and the command line
    write differently what to do.
    """

    def __str__(self) -> str:
        """The message, as a Python program reads it."""
        return "".join(map(str, self.args))


class InvalidNetwork(RespikeError):
    """The network cannot be used as it is (NaN weights, training mode, inconsistent shapes)."""


class UnsupportedOperator(InvalidNetwork):
    """The network uses operators that respike cannot convert; the message lists all of them."""


class NotEquivalent(InvalidNetwork):
    """The loaded network differs from the original; the message names the first node that differs."""


class InvalidPlan(RespikeError):
    """A plan that does not fit its network, or numbers that no neuron can have."""


class InvalidData(RespikeError):
    """Images, labels or a calibration set that cannot be used."""


class CannotRun(InvalidData):
    """Images on which the network itself fails, mostly because it takes another shape."""


class InvalidFile(RespikeError):
    """A file that is missing, corrupted, truncated, or of a kind that is refused."""


class InvalidOption(RespikeError):
    """An option that does not exist, or a value out of its range."""


class UnknownName(InvalidOption):
    """A name that is not known; the message gives the nearest match."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"unknown {kind} {name!r}: {hint}")


class RespikeWarning(UserWarning):
    """Base of every warning that respike gives."""


class DeadLayerWarning(RespikeWarning):
    """A layer whose activations were zero on the whole calibration set."""


class BiasScaleWarning(RespikeWarning):
    """An input coding that scales the input of a network whose biases are not scaled with it."""


class OutsideFitWarning(RespikeWarning):
    """Inputs outside the range that a few-spikes neuron was fitted to."""


class EngineWarning(RespikeWarning):
    """An engine cannot run here, and another runs in its place."""


class SlowWarning(RespikeWarning):
    """Work that takes much longer than usual, with how long."""
