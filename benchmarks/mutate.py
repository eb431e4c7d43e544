"""Mutation testing: small faults put into a copy of the package, one at a time; how many do the tests see?

python benchmarks/mutate.py [--sample 100] [--seed 0] [--only FOLDER] [--minutes 10]

A copy of the package lies in build/mutants. Python runs without site (`-S`), so that no import hook of an editable
install can stand in front of it, and the tests of a folder run against it: first as it is, when all must pass, then
with a line that raises in the file, when they must fail. Only then does a mutant that survives mean anything. What was
tried stands in build/mutants/results.json, and the same command goes on from there.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPY = ROOT / "build" / "mutants"
RESULTS = COPY / "results.json"
TESTS = {
    "neurons": ("tests/neurons", "tests/laws/test_dynamics.py"),
    "engines": ("tests/laws", "tests/engines"),
    "cost": ("tests/cost", "tests/measure/test_measure.py"),
    "methods": ("tests/methods", "tests/laws"),
    "calibrate": ("tests/calibrate", "tests/methods"),
    "lower": ("tests/lower",),
    "passes": ("tests/passes",),
    "intervals.py": ("tests/test_intervals.py",),
}
"""The folders (or files) that are mutated, and the tests that are to see it."""
COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}
OPPOSITE = {"maximum": "minimum", "minimum": "maximum", "max": "min", "min": "max", "amax": "amin", "floor": "ceil",
            "any": "all", "all": "any", "ceil": "floor"}  # fmt: skip
LIMIT = 4.0
"""How many times as long as without a mutant the tests may take."""


@dataclass(frozen=True)
class Mutant:
    """A file of the package with one thing changed."""

    file: str
    line: int
    column: int
    what: str
    source: str

    @property
    def name(self) -> str:
        """Which one it is."""
        return f"{self.file}:{self.line}:{self.column} {self.what}"


def mutants(file: Path) -> Iterator[Mutant]:
    """All mutants of a file: comparisons, arithmetic, opposites, numbers and switches."""
    text = file.read_text(encoding="utf-8")
    for place, node in enumerate(ast.walk(ast.parse(text))):
        for what in _changes(node):
            tree = ast.parse(text)
            _change(list(ast.walk(tree))[place])
            where = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
            yield Mutant(str(file.relative_to(ROOT / "src")), *where, what, ast.unparse(tree))


def _changes(node: ast.AST) -> list[str]:
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            return [f"{type(op).__name__} to {COMPARISONS[type(op)].__name__}"]
        case ast.BinOp(op=op) if type(op) in ARITHMETIC and not _is_text(node):
            return [f"{type(op).__name__} to {ARITHMETIC[type(op)].__name__}"]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in OPPOSITE:
            return [f"{name} to {OPPOSITE[name]}"]
        case ast.Constant(value=bool(value)):
            return [f"{value} to {not value}"]
        case ast.Constant(value=int(value) | float(value)):
            return [f"{value} to {value + 1}"]
        case ast.UnaryOp(op=ast.Not()):
            return ["not left out"]
        case _:
            return []


def _is_text(node: ast.BinOp) -> bool:
    return any(isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str))
               for part in ast.walk(node))  # fmt: skip


def _change(node: ast.AST) -> None:
    match node:
        case ast.Compare(ops=[op]):
            node.ops = [COMPARISONS[type(op)]()]
        case ast.BinOp(op=op):
            node.op = ARITHMETIC[type(op)]()
        case ast.Call(func=ast.Name(id=name) as function):
            function.id = OPPOSITE[name]
        case ast.Call(func=ast.Attribute(attr=name) as function):
            function.attr = OPPOSITE[name]
        case ast.Constant(value=bool(value)):
            node.value = not value
        case ast.Constant(value=int(value) | float(value)):
            node.value = value + 1
        case ast.UnaryOp(operand=operand):
            node.op, node.operand = ast.Not(), ast.UnaryOp(ast.Not(), operand)
        case _:
            raise AssertionError(node)


def run(tests: tuple[str, ...], limit: float | None) -> tuple[bool, float]:
    """Whether the tests pass against the copy, and how long they took."""
    started = time.monotonic()
    command = [*_python(), "-m", "pytest", "-x", "-n", "0", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return False, time.monotonic() - started
    return done.returncode == 0, time.monotonic() - started


def _python() -> list[str]:
    return [sys.executable, "-S"]


def _environment() -> dict[str, str]:
    packages = [path for path in sys.path if Path(path).name == "site-packages"]
    paths = os.pathsep.join((str(COPY), *packages))
    return os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def check(folder: str, file: Path) -> float:
    """Seconds that the tests of a folder take; ends the program unless they pass as it is, and fail where it raises."""
    found = subprocess.run([*_python(), "-c", "import respike.intervals as i; print(i.__file__)"], cwd=ROOT,
                           env=_environment(), capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    if not Path(found).is_relative_to(COPY):
        raise SystemExit(f"the tests would import {found}, and not the copy that is mutated")
    passed, seconds = run(TESTS[folder], None)
    if not passed:
        raise SystemExit(f"the tests of {folder} fail without any mutant: nothing could be told by them")
    text = file.read_text(encoding="utf-8")
    file.write_text(f'{text}\nraise RuntimeError("planted")\n', encoding="utf-8")
    survived, _ = run(TESTS[folder], None)
    file.write_text(text, encoding="utf-8")
    if survived:
        raise SystemExit(f"the tests of {folder} pass although {file} raises: they do not import it")
    return seconds


def main() -> None:
    """Tries a sample of the mutants and says which survive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=100, help="mutants to try, drawn from all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=TESTS, help="one folder alone")
    parser.add_argument("--minutes", type=float, default=60.0, help="start no further mutant after so long")
    given = parser.parse_args()
    package = COPY / "respike"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "src" / "respike", package, ignore=shutil.ignore_patterns("__pycache__"))
    known: dict[str, bool] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    folders = [given.only] if given.only else list(TESTS)
    every = [(folder, one) for folder in folders for file in _files(folder) for one in mutants(file)]
    chosen = random.Random(given.seed).sample(every, min(given.sample, len(every)))
    seconds: dict[str, float] = {}
    end = time.monotonic() + 60 * given.minutes
    for folder, mutant in sorted(chosen, key=lambda pair: pair[0]):
        if mutant.name in known or time.monotonic() > end:
            continue
        file = COPY / mutant.file
        if folder not in seconds:
            seconds[folder] = check(folder, file)
        text = file.read_text(encoding="utf-8")
        file.write_text(mutant.source, encoding="utf-8")
        survived, _ = run(TESTS[folder], LIMIT * seconds[folder] + 20)
        file.write_text(text, encoding="utf-8")
        known[mutant.name] = not survived
        RESULTS.write_text(json.dumps(known, indent=1) + "\n")
        print(f"{'survived' if survived else 'killed'}: {mutant.name}", flush=True)
    tried = [mutant.name for _, mutant in chosen if mutant.name in known]
    killed = sum(known[name] for name in tried)
    print(f"{killed} of {len(tried)} mutants killed (of {len(every)} there are); seed {given.seed}")
    print("\n".join(f"survived: {name}" for name in tried if not known[name]))


def _files(folder: str) -> list[Path]:
    place = ROOT / "src" / "respike" / folder
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


if __name__ == "__main__":
    main()
