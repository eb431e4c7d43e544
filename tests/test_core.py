"""The core knows no command line: it draws nothing, and its errors speak Python; the command line translates them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import respike
from respike.cli.wording import told
from respike.coding import ConstantCurrent
from respike.errors import Argument, Call, InvalidData, InvalidFile, InvalidOption, UnknownName
from respike.files import check_new

PACKAGE = Path(respike.__file__).parent
CORE = sorted(path for path in PACKAGE.rglob("*.py") if path.parts[len(PACKAGE.parts)] not in ("cli", "__main__.py"))
COMMANDS = "evaluate|compare|convert|data|methods|networks|train|tune|diagnose|report|demo"
COMMAND = re.compile(rf"(^|[\s(`'\"])--[a-z]|\brespike ({COMMANDS})\b")
OTHERS = {"--silent"}
"""Flags of other programs that respike calls: of npm."""


def _texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_flags_and_no_drawing(path: Path) -> None:
    drawing = {"rich", "typer"} & set(_imported(path))
    assert not drawing or (
        path.name == "progress.py" and drawing == {"rich"}
    )  # only where `progress=True` asks for a bar
    assert [text for text in _texts(path) if COMMAND.search(text) and text not in OTHERS] == []


@pytest.mark.parametrize(
    ("part", "python", "command"),
    [
        (Argument("force", True), "force=True", "--force"),
        (Argument("half_unit", False), "half_unit=False", "--no-half-unit"),
        (Argument("name"), "name", "--name"),
        (Argument("steps", 64), "steps=64", "--steps 64"),
        (Argument("coding", ConstantCurrent()), "coding=ConstantCurrent()", "--coding constant"),
        (Call("data.fetch", "cifar10"), "respike.data.fetch('cifar10')", "respike data fetch cifar10"),
    ],
)
def test_errors_speak_the_callers_language(part: object, python: str, command: str) -> None:
    error = InvalidOption("there is one already: ", part, " replaces it")
    assert str(error) == f"there is one already: {python} replaces it"
    assert told(error) == f"there is one already: {command} replaces it"


def test_other_errors_are_told_as_they_are() -> None:
    for error in (InvalidOption("no"), UnknownName("method", "fitt", ["fit"]), OSError("the disk is full")):
        assert told(error) == str(error)


def test_a_file_that_is_there(tmp_path: Path) -> None:
    file = tmp_path / "net.nir"
    file.touch()
    with pytest.raises(InvalidFile, match=r"is there already: force=True writes over it$") as found:
        check_new(file, force=False)
    assert told(found.value).endswith("is there already: --force writes over it")


def test_a_data_set_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r": respike\.data\.fetch\('cifar10'\)$") as found:
        respike.data.load("cifar10", "test", tmp_path)
    assert told(found.value).endswith(": respike data fetch cifar10")
