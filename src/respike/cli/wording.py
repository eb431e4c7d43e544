"""Errors in the command line's own words: flags and commands in place of arguments and calls."""

from __future__ import annotations

from collections.abc import Iterable

from respike.errors import Argument, Call, RespikeError


def told(error: Exception) -> str:
    """The message of an error, with what it advises as one writes it on the command line."""
    if isinstance(error, RespikeError):
        return joined(error.args)
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"cannot use {error.filename}: {error.strerror}"
    return str(error)


def joined(parts: Iterable[object]) -> str:
    """The parts of a message, with what they advise as one writes it on the command line."""
    return "".join(map(_written, parts))


def _written(part: object) -> str:
    match part:
        case Argument(name=name, value=None):
            return f"--{name.replace('_', '-')}"
        case Argument(name=name, value=value):
            from respike.cli import options

            return options.flags({name: value})
        case Call(function=function, argument=argument):
            return f"respike {function.replace('.', ' ')} {argument}"
        case _:
            return str(part)
