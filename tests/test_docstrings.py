"""Public callables say what each of their arguments means."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import pytest

import respike
from respike import methods

PUBLIC = {*respike.__all__, "diagnosis", "training"}
SHARED = {"name", "inputs"}
"""Fields of every node of a network; `respike.ir.nodes` explains them once."""


def _public() -> Iterator[tuple[str, Any]]:
    """The callables in `__all__` of the public packages, and all methods, each once."""
    packages = (module.name for module in walk_packages(respike.__path__, "respike.") if module.ispkg)
    yield from ((f"respike.methods.{method.name}", method) for method in methods.ALL)
    seen: set[int] = set()
    for package in ("respike", *packages):
        if package != "respike" and package.split(".")[1] not in PUBLIC:
            continue
        module = import_module(package)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if id(value) not in seen and _has_arguments(value):
                seen.add(id(value))
                yield f"{package}.{name}", value


def _has_arguments(value: Any) -> bool:
    if inspect.isclass(value):
        return not issubclass(value, BaseException | enum.Enum) and not getattr(value, "_is_protocol", False)
    return inspect.isfunction(value)


CALLABLES = dict(_public())


def explained(docstring: str) -> list[str]:
    """The arguments that an "Args:" section explains."""
    section = re.search(r"^Args:\n((?: +.*\n?|\n)*)", docstring, re.MULTILINE)
    return re.findall(r"^ {4}(\w+): \S", section[1] if section else "", re.MULTILINE)


def test_the_section_is_read() -> None:
    text = (
        "Does it.\n\nArgs:\n    one: a number,\n        which may be 0.\n    two: another.\n\nRaises:\n    three: no.\n"
    )
    assert explained(text) == ["one", "two"]
    assert explained("Does it.\n\nArgs:\n    one:\n") == []


def test_there_are_public_callables() -> None:
    assert {"respike.load", "respike.methods.fit", "respike.Report", "respike.ir.Conv"} <= CALLABLES.keys()


@pytest.mark.parametrize("name", CALLABLES)
def test_arguments_are_explained(name: str) -> None:
    value = CALLABLES[name]
    docstring = inspect.getdoc(value) or ""
    assert docstring.strip()
    arguments = [argument for argument in inspect.signature(value).parameters if argument not in ("self", "cls")]
    if name.startswith("respike.ir.") and inspect.isclass(value):
        arguments = [argument for argument in arguments if argument not in SHARED]
    found = explained(docstring)
    # A function of one or two arguments may say in its first sentence what they are.
    if len(arguments) > 2 or found:
        assert found == arguments
