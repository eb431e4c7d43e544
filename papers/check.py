"""Executes what docs/science/papers.md names: its tests, and each paper's program on a few images.

python papers/check.py [--paper NAME]

A claim is contradicted where the few images decide the opposite of what `claims.toml` says of many. The exit status is
not 0 where a test fails or a claim is contradicted. Results go into a temporary folder.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).parents[1]))

from papers.claims import Claim, Verdict

from papers import claims

ROOT = Path(__file__).parents[1]

ARGUMENTS = {
    "fit": ["--limit", "200"],
    "diehl2015": ["--limit", "200", "--long-limit", "2", "--network", "mnist-cnn-diehl"],
    "few_spikes": ["--limit", "200", "--network", "cifar10-resnet8"],
    "ecc": ["--limit", "100", "--long-limit", "20"],
}
"""Few enough images that all four take some minutes on one core."""


def named_tests() -> list[str]:
    """The tests that docs/science/papers.md names, as pytest wants them."""
    text = (ROOT / "docs" / "science" / "papers.md").read_text("utf-8")
    return [f"tests/{file}::{test}" for file, test in dict.fromkeys(re.findall(r"`([\w/]+\.py)::(\w+)`", text))]


def program(paper: str) -> ModuleType:
    """The program of a paper, as a module."""
    spec = importlib.util.spec_from_file_location(f"{paper}_run", ROOT / "papers" / paper / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def contradicted(published: Sequence[Claim], found: Sequence[Claim]) -> list[str]:
    """The names of claims that are decided one way in the one and the other way in the other."""
    decided = {Verdict.HOLDS, Verdict.FAILS}
    verdicts = {one.id: one.verdict for one in published if one.verdict in decided}
    return [one.id for one in found if one.verdict in decided and verdicts.get(one.id, one.verdict) is not one.verdict]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--paper", action="append", choices=list(ARGUMENTS), help="only this one (may be repeated)")
    chosen = parser.parse_args(arguments).paper
    status = 0
    if chosen is None:
        pytest = [sys.executable, "-m", "pytest", "-q", *named_tests()]
        status = subprocess.run(pytest, cwd=ROOT, check=False).returncode
    for paper in chosen or ARGUMENTS:
        with tempfile.TemporaryDirectory() as folder:
            if program(paper).main([*ARGUMENTS[paper], "--out", folder]):
                return 1
            wrong = contradicted(
                claims.read(ROOT / "papers" / paper / "claims.toml"), claims.read(Path(folder) / "claims.toml")
            )
        print(f"{paper}: {', '.join(wrong) if wrong else 'no claim'} contradicted")
        status = status or bool(wrong)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
