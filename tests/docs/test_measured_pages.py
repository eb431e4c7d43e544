"""The numbers in pages are those of the files that benchmarks have written."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from docs.test_numbers import NUMBER, is_there, numbers

ROOT = Path(__file__).parents[2]


def measured() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measured", ROOT / "benchmarks" / "measured.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", sorted(measured().TABLES))
def test_tables_have_the_measured_numbers(page: str) -> None:
    module = measured()
    text = (ROOT / "docs" / "methods" / f"{page}.md").read_text()
    assert module.wanted(page) in text.partition(module.MARK)[2].partition(module.END)[0]


def test_early_exits_are_those_that_were_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    program = importlib.import_module("early_exit")
    written = program.PAGE.read_text(encoding="utf-8").partition(program.MARK)[2].partition(program.END)[0]
    assert written.strip() == program.table(json.loads(program.RESULT.read_text(encoding="utf-8"))).strip()


def test_recurrent_networks_lose_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    program = importlib.import_module("recurrent")
    written = program.PAGE.read_text(encoding="utf-8").partition(program.START)[2].partition(program.END)[0]
    rows = json.loads(program.ROWS.read_text(encoding="utf-8"))
    assert written.strip() == program.table(rows).strip()
    assert len(rows) == len(program.NAMES) * len(program.STEPS)
    assert len({row["images"] for row in rows.values()}) == 1


@pytest.mark.parametrize("name", ["simulators", "onnx_backend"])
def test_tables_are_made_of_what_their_scripts_have_written(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    program = importlib.import_module(name)
    mark = f"<!-- made by benchmarks/{name}.py -->"
    written = program.PAGE.read_text(encoding="utf-8").partition(mark)[2].partition("<!-- end -->")[0]
    assert written.strip() == program.table(json.loads(program.ROWS.read_text(encoding="utf-8"))).strip()


def test_architectures_load_and_convert_as_their_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    program = importlib.import_module("support")
    text, rows = program.PAGE.read_text(encoding="utf-8"), json.loads(program.ROWS.read_text(encoding="utf-8"))
    for start, table in ((program.LOADS, program.loading(rows)), (program.EVERY_EDGE, program.spiking_edges(rows))):
        assert text.partition(f"{start}\n")[2].partition(program.END)[0].strip() == table.strip()
    assert rows.keys() <= {entry.name for entry in program.NETWORKS}
    assert all(row["difference"] < 1e-4 for row in rows.values())
    assert all(0 < row["every_edge"]["error"] < 1 for row in rows.values() if "every_edge" in row)


def test_the_errors_of_fits_are_those_that_the_package_has() -> None:
    page = (ROOT / "docs" / "methods" / "fitting.md").read_text(encoding="utf-8")
    head, _, *rows = (
        [cell.strip(" ") for cell in line.strip("|").split("|")]
        for line in page.partition("## Errors")[2].splitlines()
        if line.startswith("|")
    )
    written = {
        (name, int(steps.removeprefix("K = "))): error
        for name, _, *errors in rows
        for steps, error in zip(head[2:], errors, strict=True)
        if error
    }
    shipped = json.loads((ROOT / "src" / "respike" / "fitting" / "fits.json").read_text(encoding="utf-8"))
    found = {}
    for key, fit in shipped.items():
        function, steps = key.partition("(")[0], re.search(r" steps=(\d+) ", key)
        assert steps is not None
        mantissa, exponent = f"{float.fromhex(fit['error'][0]):.1e}".split("e")
        found[function, int(steps[1])] = f"{mantissa}e{int(exponent)}"
    assert written == found


def test_the_example_of_a_diagnosis_is_what_the_command_has_written() -> None:
    """Every number of the example, and of the sentences below it, but those that the command line has."""
    page = (ROOT / "docs" / "guides" / "diagnose.md").read_text(encoding="utf-8")
    example = page.partition("```\n$ ")[2].partition("Advice that takes")[0].partition("\n")[2]
    found = json.loads((ROOT / "benchmarks" / "diagnosed.json").read_text(encoding="utf-8"))
    known = {*numbers(found), *numbers(" ".join(str(one) for one in found["findings"]))}
    known |= {100 * (found["before"]["accuracy"] - found["after"]["accuracy"]), 99.9}
    assert [text for text in NUMBER.findall(example) if not is_there(text, known)] == []


def test_the_network_trained_by_others_is_as_right_as_its_page_says() -> None:
    page = (ROOT / "docs" / "networks" / "keras.md").read_text(encoding="utf-8")
    test = (ROOT / "tests" / "frontends" / "test_keras_third_party.py").read_text(encoding="utf-8")
    assert "classifies 80.14 % of CIFAR-10's 10,000 test images correctly" in page
    assert "== 8014" in test


@pytest.mark.parametrize(("name", "made"), [("gpu", "page"), ("recommended", "table")])
def test_pages_have_the_measured_numbers(name: str, made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    program = importlib.import_module(name)
    written = program.PAGE.read_text(encoding="utf-8").partition(program.START)[2].partition(program.END)[0]
    assert written.strip() == getattr(program, made)(json.loads(program.ROWS.read_text(encoding="utf-8"))).strip()
