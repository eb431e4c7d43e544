"""One rule for the files that all commands write."""

from __future__ import annotations

import errno
import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cli.running import Runner

EVALUATE = ("evaluate", "mnist-mlp", "--method", "fit", "--input-steps", 5, "--drain-steps", 4, "--limit", 64)
COMPARE = ("compare", "mnist-mlp", "--methods", "direct_copy,max_norm", "--steps", 3, "--limit", 64)
DIAGNOSE = ("diagnose", "mnist-mlp", "--method", "max_norm", "--steps", 3, "--limit", 64, "--no-try")
CONVERT = ("convert", "mnist-mlp", "--method", "max_norm", "--steps", 3)
REPORT = ("report", "mnist-mlp", "--methods", "max_norm", "--steps", 3, "--limit", 64)
DEMO = ("demo", "--limit", 1)

WRITING = {
    "evaluate --json": (*EVALUATE, "--json", "net.json"),
    "evaluate --plot": (*EVALUATE, "--plot", "net.png"),
    "compare --json": (*COMPARE, "--json", "net.json"),
    "diagnose --json": (*DIAGNOSE, "--json", "net.json"),
    "convert --out": (*CONVERT, "--out", "net.respike"),
    "convert --to .nir": (*CONVERT, "--allow-metadata", "--to", "net.nir"),
    "convert --to .pt2": (*CONVERT, "--to", "net.pt2"),
    "report --out": (*REPORT, "--out", "net.html"),
}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WRITING)
def test_a_file_is_replaced_with_force_alone_and_through_links(name: str, respike: Runner) -> None:
    words = WRITING[name]
    path, real = Path(str(words[-1])), Path("somewhere")
    real.write_bytes(b"mine")
    path.symlink_to(real)
    assert f"{path} is there already: --force" in respike.refused(*words)
    assert real.read_bytes() == b"mine"
    assert respike(*words, "--force").code == 0
    assert path.is_symlink()
    assert len(real.read_bytes()) > 100


@pytest.mark.parametrize("name", WRITING)
def test_what_is_no_plain_file_is_refused(name: str, respike: Runner) -> None:
    words = WRITING[name]
    path = Path(str(words[-1]))
    for kind in ("pipe", "device"):
        os.mkfifo(path) if kind == "pipe" else path.symlink_to(os.devnull)
        assert "no plain file" in respike.refused(*words, "--force")
        path.unlink()
    path.mkdir()
    assert "it is a folder" in respike.refused(*words, "--force")


def test_the_demo_replaces_nothing_unless_told(respike: Runner) -> None:
    Path("out").mkdir()
    Path("out/demo.json").write_text("mine")
    assert "demo.json is there already: --force" in respike.refused(*DEMO)
    assert Path("out/demo.json").read_text() == "mine"


def test_two_options_cannot_name_one_file(respike: Runner) -> None:
    Path("link.png").symlink_to("same.png")
    for other in ("same.png", "./same.png", "link.png"):
        wrong = respike.refused(*EVALUATE, "--json", "same.png", "--plot", other, "--force")
        assert wrong.startswith("--json and --plot both name same.png")
    assert "--storage is the database" in respike.refused(
        "tune", "mnist-mlp", "--storage", "a.db", "--json", "a.db", "--force"
    )


@pytest.mark.parametrize("words", [EVALUATE, COMPARE, DIAGNOSE], ids=lambda words: words[0])
def test_a_dash_is_standard_output(words: tuple[object, ...], respike: Runner) -> None:
    outcome = respike(*words, "--json", "-")
    assert outcome.code == 0
    found = json.loads(outcome.out)  # nothing else goes there
    assert (found[0] if isinstance(found, list) else found)["images"] == 64
    assert "mnist-mlp" in outcome.err  # the table
    assert not Path("-").exists()


def test_a_page_may_go_to_standard_output(respike: Runner) -> None:
    assert respike(*REPORT, "--out", "-").out.lower().startswith("<!doctype html>")


def test_what_cannot_go_to_standard_output_says_so(respike: Runner) -> None:
    assert "must end in .png or .svg, not '-'" in respike.refused(*EVALUATE, "--plot", "-")
    assert "must end in .respike, not '-'" in respike.refused(*CONVERT, "--out", "-")
    assert "--resume needs --json FILE" in respike.refused(*EVALUATE, "--json", "-", "--resume")


def test_results_are_kept_where_somebody_else_has_written_the_file_meanwhile(
    respike: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluating: Any = import_module("respike.cli.evaluating")
    measured = evaluating.measured

    def slow(*arguments: object, **options: object) -> object:
        Path("net.json").write_text("theirs")
        return measured(*arguments, **options)

    monkeypatch.setattr(evaluating, "measured", slow)
    outcome = respike(*EVALUATE, "--json", "net.json")
    assert (outcome.code, Path("net.json").read_text()) == (0, "theirs")
    assert "net-new.json was written in its place" in outcome.err
    assert json.loads(Path("net-new.json").read_text())["images"] == 64


@pytest.mark.parametrize("name", ["net.respike", "net.pt2", "folder/"])
def test_a_conversion_leaves_what_somebody_else_has_written_meanwhile(
    name: str, respike: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    converting: Any = import_module("respike.cli.converting")
    convert = converting._spiking

    def slow(*arguments: object, **options: object) -> object:
        if name.endswith("/"):
            Path(name).mkdir()
        (Path(name, "file") if name.endswith("/") else Path(name)).write_text("theirs")
        return convert(*arguments, **options)

    monkeypatch.setattr(converting, "_spiking", slow)
    words = ("convert", "mnist-mlp", "--method", "direct_copy", "--steps", 2, "--to", name)
    assert f"{name.rstrip('/')} is there already: --force writes over it" in respike.refused(*words)
    assert (Path(name, "file") if name.endswith("/") else Path(name)).read_text() == "theirs"


def test_an_output_that_cannot_be_written_in_the_end_is_named_as_it_was_given(
    respike: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk also refuses the file that results go to where somebody else has taken their name."""

    def full(partial: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        outcome = respike(*EVALUATE, "--json", "net.json")
    assert (outcome.code, outcome.err) == (2, "error: cannot write net.json: No space left on device\n")
    assert not list(Path().iterdir())
