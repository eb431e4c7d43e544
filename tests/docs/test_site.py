"""The documentation site: its menu has every page, and what its reference names exists."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

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
    menu: list[dict[str, list[object]]] = [{tab: []} for tab in re.findall(r"^  - (\w+):$", _MENU, re.MULTILINE)]
    menu[0]["Start"] = ["index.md", {"Quick start": "start/quickstart.md"}]
    site.on_config(SimpleNamespace(docs_dir=str(_DOCS), nav=menu))
    pages = re.findall(r"'([^']+\.md)'", str(menu))
    assert sorted(pages) == sorted(path.relative_to(_DOCS).as_posix() for path in _DOCS.rglob("*.md"))
    assert {"fit": "methods/fit.md"} in next(tab["Methods"] for tab in menu if "Methods" in tab)


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
    asked = re.findall(r"^## (\d+)\. .*\?$", (_DOCS / "start" / "questions.md").read_text(), re.MULTILINE)
    assert asked == [str(number) for number in range(1, 11)]


_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")
_LINKING = sorted(
    [*_DOCS.rglob("*.md"), *_DOCS.rglob("*.ipynb"), *_ROOT.glob("*.md"), *_ROOT.glob("papers/*/README.md")]
)


def _anchors(page: Path) -> set[str]:
    """The places of a page that a link can lead to, as the site generator names them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", re.sub(r"\]\([^)]*\)", "]", title)).strip().lower() for title in titles)
    return {re.sub(r"[-\s]+", "-", title) for title in plain}


@pytest.mark.parametrize("page", _LINKING, ids=lambda page: str(page.relative_to(_ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for place, anchor in _LINK.findall(text):
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), place
        assert not anchor or anchor in _anchors(target), f"{place}#{anchor}"


def test_each_question_is_answered_within_two_clicks() -> None:
    """The front page leads to the questions, and each of them answers by itself or leads to the page that does."""
    assert "(start/questions.md)" in (_DOCS / "index.md").read_text()
    for answer in re.split(r"^## ", (_DOCS / "start" / "questions.md").read_text(), flags=re.MULTILINE)[1:]:
        assert any(place.endswith(".md") for place, _ in _LINK.findall(answer)), answer.splitlines()[0]
