"""Numbers in pages: each comes from a file of the repository, which the page names, and is the same there."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
SOURCE = re.compile(r"`((?:papers|benchmarks)/[\w./-]+\.(?:toml|json))`")
NAMED = re.compile(r"`((?:papers|benchmarks|src|tests|docs)/[\w./-]+)`")
NUMBER = re.compile(r"(?<![\w.])[-−]?\d[\d,]*\.\d+(?![\w.]*\w)")
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
MADE = re.compile(r"<!-- (?:made by|measured).*?<!-- end -->", re.DOTALL)
"""Parts of pages that scripts write; that they are what the scripts write is a test of each script's own."""
ELSEWHERE = {
    "README.md": {"0.1", "0.9", "1.07", "2.0", "3.11", "4.6"},  # versions; a licence; Horowitz 2014; a test below
    "docs/development/design.md": {"1.6"},  # the width of a bin
    "docs/guides/diagnose.md": {"6.9", "99.40", "2.5", "99.9"},  # test_measured_pages.py; a rule; an option
    "docs/guides/gpu.md": {"2.11", "3.7", "3.9"},  # versions of torch and Triton
    "docs/guides/performance.md": {"0.1"},  # a version
    "docs/guides/report.md": {"98.82", "1.5", "2.0"},  # what a tolerance is; bounds that tests hold; a licence
    "docs/guides/tuning.md": {"0.1", "0.2"},  # a version; one image of 500
    "docs/hardware/export.md": {"0.1", "1.26", "2.0", "2.3", "2.4", "3.11"},  # versions
    "docs/hardware/index.md": {"0.03"},  # a version of a datasheet
    "docs/hardware/pipelined.md": {"1.1"},  # a section of a paper
    "docs/index.md": {"3.11"},  # a version
    "docs/methods/burst.md": {"99.9"},  # an option
    "docs/methods/ecc.md": {"0.5"},  # an option
    "docs/methods/few_spikes.md": {"0.1"},  # a version
    "docs/methods/percentile_norm.md": {"1.6", "99.9"},  # the width of a bin; an option
    "docs/methods/rmp.md": {"0.64", "0.71", "0.8", "0.9"},  # options, and their powers
    "docs/methods/which-method.md": None,  # test_which_method.py has the whole page
    "docs/networks/keras.md": {"80.14"},  # test_measured_pages.py
    "docs/networks/support.md": {"0.013", "0.29", "0.78", "0.992", "1.09", "4.08"},  # what tests print
    "docs/science/papers.md": {"4.4"},  # a section of a paper
    "docs/science/symbols.md": {"0.8"},  # an option
    "docs/start/questions.md": {"4.6", "0.9"},  # energies of Horowitz 2014
    "docs/start/quickstart.md": {"2.9"},  # a version
}
"""Numbers of pages that are no measured ones, or that another test compares."""
TO_BE_MADE = {"src/respike/methods/half_start.py", "docs/methods/half_start.md"}
"""What the reader of a page makes."""


def sections(page: Path) -> Iterator[str]:
    """The sections of a page, under headings of the second level."""
    yield from re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)


def number(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def numbers(value: Any) -> Iterator[float]:
    """All numbers in a source, shares as percentages too; intervals in brackets are left out."""
    match value:
        case bool():
            return
        case int() | float():
            yield from (float(value), 100 * value)
        case str():
            yield from map(number, re.findall(r"[-−]?\d[\d,]*\.?\d*", re.sub(r"\[.*?\]", "", value)))
        case dict():
            yield from (found for one in value.values() for found in numbers(one))
        case list():
            yield from (found for one in value for found in numbers(one))
        case _:
            return


def entries(file: Path) -> list[tuple[str, set[float]]]:
    """The entries of a source: what each is about, as a text, and its numbers."""
    content = file.read_text(encoding="utf-8")
    if file.suffix == ".toml":
        claims = tomllib.loads(content)["claim"]
        kept = ("ours", "value", "steps", "images")
        return [(claim["claim"], set(numbers({name: claim[name] for name in kept}))) for claim in claims]
    tree = json.loads(content)
    named = tree.items() if isinstance(tree, dict) else ((str(one), one) for one in tree)
    return [(name, set(numbers(one))) for name, one in named]


def is_there(text: str, known: set[float]) -> bool:
    """Whether a number, as it is printed, is one of those, rounded as it is."""
    decimals = len(text.rpartition(".")[2])
    return any(abs(round(value, decimals) - number(text)) < 1e-9 for value in known)


CITING = [
    pytest.param(section, id=f"{page.relative_to(ROOT)}: {section.partition(chr(10))[0]}")
    for page in PAGES
    for section in sections(page)
    if SOURCE.search(section) and "Measured" in section.partition("\n")[0]
]


@pytest.mark.parametrize("section", CITING)
def test_every_number_of_a_section_is_in_the_file_that_it_names(section: str) -> None:
    """A row of a table that begins with the name of a network has the numbers of that network."""
    found = [entry for name in SOURCE.findall(section) for entry in entries(ROOT / name)]
    wrong = []
    for line in section.splitlines():
        written = NUMBER.findall(CODE.sub("", line))
        about = [cell.strip(" `") for cell in line.split("|")[1:3]] if line.startswith("|") else []
        own = [known for text, known in found if any(cell and text.startswith(f"{cell}:") for cell in about)]
        known = set().union(*own) if own else {value for _, values in found for value in values}
        wrong += [f"{text} in {line}" for text in written if not is_there(text, known)]
    assert not wrong


def test_there_are_such_sections() -> None:
    assert len(CITING) >= 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = set(NAMED.findall(page.read_text(encoding="utf-8")))
    assert not [name for name in named - TO_BE_MADE if not (ROOT / name).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_number_of_a_page_is_without_a_source(page: Path) -> None:
    """Decimals stand in what a script has written, in a section that names the file of its numbers, or are known."""
    elsewhere = ELSEWHERE.get(str(page.relative_to(ROOT)), set())
    if elsewhere is None:
        return
    parts = re.split(r"^## ", MADE.sub("", page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    rest = [part for part in parts if not (SOURCE.search(part) and "Measured" in part.partition("\n")[0])]
    assert {text for part in rest for text in NUMBER.findall(CODE.sub("", part))} - elsewhere == set()


def test_measured_numbers_name_their_source() -> None:
    without = {
        str(page.relative_to(ROOT))
        for page in PAGES
        for section in sections(page)
        if section.startswith("Measured") and NUMBER.search(CODE.sub("", section)) and not SOURCE.search(section)
    }
    assert not without


def test_the_readme_s_table_is_that_of_the_demo_s_numbers() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == runpy.run_path(str(ROOT / "benchmarks" / "readme.py"))["with_table"](text)


def test_the_readme_s_headlines_on_speed_are_those_of_the_benchmark() -> None:
    page = (ROOT / "docs/guides/performance.md").read_text(encoding="utf-8")
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    ahead = sorted(float(found) for found in re.findall(r"takes \*\*([\d.]+) times\*\* as long", page))
    assert f"it is {ahead[0]:.0f} to {ahead[-1]:.0f} times faster" in text
    (one_pass,) = re.findall(r"takes \*\*([\d.]+) times\*\* the network's own time", page)
    assert f"takes {one_pass} times the plain network's time" in text


def test_the_mutants_that_tests_have_seen_are_those_of_the_last_run() -> None:
    folders = json.loads((ROOT / "benchmarks" / "mutants.json").read_text(encoding="utf-8")).values()
    tried, killed = (sum(folder[what] for folder in folders) for what in ("tried", "killed"))
    later, same = (sum(len(folder[what]) for folder in folders) for what in ("killed_later", "equivalent"))
    page = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    seen = f"Of {tried} mutants of seven folders, the tests saw {killed - later} at first and see {killed} now"
    assert f"{seen}; the other {same} cannot be told" in page
    assert len(folders) == 7
    for folder in folders:
        assert folder["tried"] - folder["killed"] == len(folder["survived"]) + len(folder["equivalent"])
        assert all((folder["survived"] | folder["equivalent"]).values())
        assert folder["killed"] >= 0.9 * (folder["tried"] - len(folder["equivalent"]))
