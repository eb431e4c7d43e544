"""A new method, added as docs/development/add-a-method.md says to the letter, works in every command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import respike

pytest.importorskip("optuna", reason="optuna is not installed")

PAGE = (Path(__file__).parents[2] / "docs" / "development" / "add-a-method.md").read_text()
COMMANDS = """
import sys
from respike import data
from respike.cli import main

load = data.load
data.load = lambda name, split, *more: load(name, "test" if split == "train" else split, *more)

def run(*words):
    assert main(list(words)) == 0, words

method = sys.argv[1]
run("methods", method)
run("evaluate", "mnist-mlp", "--method", method, "--steps", "8", "--share", "0.25", "--limit", "20")
run("compare", "mnist-mlp", "--methods", "max_norm," + method, "--steps", "8", "--share", "0.25", "--limit", "20")
run("diagnose", "mnist-mlp", "--method", method, "--steps", "8", "--share", "0", "--limit", "20", "--allowed-loss", "0")
run("report", "mnist-mlp", "--methods", method, "--steps", "8", "--limit", "20", "--out", "page.html")
run("convert", "mnist-mlp", "--method", method, "--steps", "8", "--share", "0.25", "--out", "net.respike")
run("evaluate", "net.respike", "--limit", "20")
search = ("--images", "20", "--longest", "8", "--trials", "3", "--storage", "study.db", "--json", "front.json")
run("tune", "mnist-mlp", "--methods", "max_norm," + method, *search)
own = ("--method", method) if ":" in method else ()
run("convert", "mnist-mlp", "--from-study", "study.db", "--trial", "1", *own, "--out", "tuned.respike")
"""


def written() -> str:
    """The file of the page's worked example."""
    return re.search(r"## A worked example.*?```python\n(.*?)```", PAGE, re.DOTALL)[1]  # type: ignore[index]


def registered(init: str) -> str:
    """`methods/__init__.py` with the lines of the page's second step."""
    imported, listed = re.search(r"```text\n   (from .*)\n\n   (    \w+,)\n", PAGE).groups()  # type: ignore[union-attr]
    assert init.count("\n)\n") == 1
    return init.replace("from respike.methods.max_norm", f"{imported}\nfrom respike.methods.max_norm").replace(
        "\n)\n", f"\n{listed}\n)\n"
    )


def run(method: str, folder: Path, *path: Path) -> str:
    """What the commands print for a method, run in a folder."""
    # Without `site`, whose hook for an editable install would find the installed package before the one in `path`.
    searched = os.pathsep.join(map(str, (*path, *filter(None, sys.path))))
    environment = os.environ | {"PYTHONPATH": searched, "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", COMMANDS, method], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(folder: Path, printed: str) -> None:
    """That each command has done its work with the method and its option."""
    assert "--share X" in printed
    assert "--share 0.5, which rounds to the nearest" in printed
    plan = respike.SpikingNetwork.load(folder / "net.respike").plan
    assert (plan.method, dict(plan.options)) == ("half_start", {"steps": 8, "share": 0.25})
    assert "Optimized potential initialization" in plan.cites[0]
    tuned = respike.SpikingNetwork.load(folder / "tuned.respike").plan
    assert (tuned.method, tuned.options["share"]) == ("half_start", 0.5)
    assert "half_start" in (folder / "page.html").read_text()


def test_in_the_package(tmp_path: Path) -> None:
    package = Path(respike.__file__).parent
    shutil.copytree(package, tmp_path / "respike", copy_function=os.symlink)
    methods = tmp_path / "respike" / "methods"
    (methods / "half_start.py").write_text(written())
    init = methods / "__init__.py"
    changed = registered(init.read_text())
    init.unlink()
    init.write_text(changed)
    check(tmp_path, run("half_start", tmp_path, tmp_path))


def test_as_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "half_start.py").write_text(written())
    check(tmp_path, run("half_start:half_start", tmp_path, Path(respike.__file__).parents[1]))
