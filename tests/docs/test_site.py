"""The documentation site: every page is in its menu, and what its reference names exists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs"
_MENU = (_ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]


def test_every_page_is_in_the_menu_once() -> None:
    listed = re.findall(r"^ +- (?:[^:\n]+: )?(\S+\.(?:md|ipynb))$", _MENU, re.MULTILINE)
    pages = [path.relative_to(_DOCS).as_posix() for kind in ("*.md", "*.ipynb") for path in _DOCS.rglob(kind)]
    assert sorted(listed) == sorted(pages)


def test_the_reference_names_what_exists() -> None:
    named = [
        name
        for page in (_DOCS / "reference").glob("*.md")
        for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
    ]
    assert len(named) > 30
    for name in named:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            module, _, attribute = name.rpartition(".")
            assert hasattr(importlib.import_module(module), attribute), name


def test_there_are_ten_questions() -> None:
    asked = re.findall(r"^## (\d+)\. .*\?$", (_DOCS / "questions.md").read_text(), re.MULTILINE)
    assert asked == [str(number) for number in range(1, 11)]
