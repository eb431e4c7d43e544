"""The documentation site: its menu has every page, and what its reference names exists."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs"
_MENU = (_ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]


def test_the_menu_lists_pages_that_exist_once() -> None:
    listed = re.findall(r"^ +- (?:[^:\n]+: )?(\S+\.(?:md|ipynb))$", _MENU, re.MULTILINE)
    assert len(listed) > 30
    assert [page for page in listed if not (_DOCS / page).is_file()] == []
    assert len(set(listed)) == len(listed)


def test_pages_that_the_menu_does_not_list_are_added() -> None:
    specification = importlib.util.spec_from_file_location("_site", _DOCS / "_site.py")
    assert specification is not None
    assert specification.loader is not None
    site = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(site)
    menu: list[dict[str, list[object]]] = [{"Start": ["index.md"]}, {"Guides": [{"Data": "data.md"}]}, {"Methods": []}]
    site.on_config(SimpleNamespace(docs_dir=str(_DOCS), nav=menu))
    pages = re.findall(r"'([^']+\.md)'", str(menu))
    assert sorted(pages) == sorted(path.relative_to(_DOCS).as_posix() for path in _DOCS.rglob("*.md"))
    assert {"fit": "methods/fit.md"} in menu[2]["Methods"]


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
