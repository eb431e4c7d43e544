"""Mutation testing: small faults put into a copy of the package, one at a time; how many do the tests see?

python benchmarks/mutate.py [--sample 25] [--seed 0 1] [--only FOLDER] [--minutes 10] [--again] [--write FILE]

A copy of the package lies in build/mutants. A process without site (`-S`, so that no import hook of an editable install
can stand in front of the copy) imports torch once, and runs every set of tests in a fork. The tests of a folder run
once against the copy as it is, when all must pass, and coverage.py keeps which of them executes which line. A mutant
is then shown only the tests that execute its line, the quick ones first; what happens at import (defaults, constants)
is shown those that execute anything of its file. One that survives them is shown the rest of the files with such
tests. A test may use so much processor time, however busy the machine is. What was tried stands in
build/mutants/results.json, and the same command goes on from there; with `--again` survivors are tried again, those
that FILE names among them, which new tests may have killed. `--write` puts the counts of each folder into a file, with
the survivors; reasons that stand there are kept. A survivor that cannot be told from the code as it is may be moved to
"equivalent" there, with the proof: the score is killed of (tried - equivalent). Those that lived when they were
written, and that tests see now, stand under "killed_later": how many the tests killed at first is killed - those.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import hashlib
import json
import os
import py_compile
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[1]
COPY = ROOT / "build" / "mutants"
RESULTS = COPY / "results.json"
TESTS = {
    "neurons": ("tests/neurons", "tests/laws/test_dynamics.py"),
    "engines": (
        "tests/laws",
        "tests/engines",
        "tests/lower/test_lower_fixed_point.py",
        "tests/calibrate/test_over_time.py",
    ),
    "cost": ("tests/cost", "tests/measure/test_measure.py"),
    "metrics": ("tests/measure/test_scoring.py",),
    "methods": ("tests/methods", "tests/laws/test_few_spikes.py", "tests/laws/test_edges.py"),
    "calibrate": ("tests/calibrate", "tests/methods"),
    "lower": ("tests/lower",),
    "passes": ("tests/passes", "tests/laws/test_edges.py", "tests/frontends/test_transformer_parts.py"),
    "intervals.py": ("tests/test_intervals.py",),
}
"""The folders (or files) that are mutated, and the tests that are to see it."""
ALWAYS = ("tests/test_values.py",)
"""Tests of what the whole package holds to, which any mutant is shown first."""
COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}
OPPOSITE = {"maximum": "minimum", "minimum": "maximum", "max": "min", "min": "max", "amax": "amin", "floor": "ceil",
            "any": "all", "all": "any", "ceil": "floor"}  # fmt: skip
LIMIT, EXTRA = 4, 30
"""How many times as much processor time as without a mutant tests may take, and how many seconds more."""
WAITING = 3600
"""Seconds after which tests that wait for something are ended."""


@dataclass(frozen=True)
class Mutant:
    """A file of the package with one thing changed."""

    file: str
    line: int
    column: int
    what: str
    lines: range
    """Of the statement that it stands in."""
    source: str

    @property
    def name(self) -> str:
        """Which one it is."""
        return f"{self.file}:{self.line}:{self.column} {self.what}"


def mutants(file: Path) -> Iterator[Mutant]:
    """All mutants of a file: comparisons, arithmetic, opposites, numbers and switches."""
    text = file.read_text(encoding="utf-8")
    whole = ast.parse(text)
    statements = _statements(whole)
    for place, node in enumerate(ast.walk(whole)):
        for what in _changes(node):
            tree = ast.parse(text)
            _change(list(ast.walk(tree))[place])
            where = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
            lines = statements.get(id(node), range(0))
            yield Mutant(str(file.relative_to(ROOT / "src")), *where, what, lines, ast.unparse(tree))


def _statements(tree: ast.AST) -> dict[int, range]:
    """For each node, by identity, the lines of the statement that it stands in; of `if` and its kin the head."""
    found: dict[int, range] = {}

    def visit(node: ast.AST, lines: range) -> None:
        if isinstance(node, ast.stmt):
            inside = getattr(node, "body", None)
            end = inside[0].lineno if isinstance(inside, list) and inside else (node.end_lineno or node.lineno) + 1
            lines = range(node.lineno, max(end, node.lineno + 1))
        found[id(node)] = lines
        for child in ast.iter_child_nodes(node):
            visit(child, lines)

    visit(tree, range(0))
    return found


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


@dataclass(frozen=True)
class Outcome:
    """How tests ended: whether they passed, and how many seconds of the processor they took."""

    passed: bool
    seconds: float


class Runner:
    """A process that has imported what is slow to import, and runs each set of tests in a fork."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-S", __file__, "--serve"], cwd=ROOT, env=_environment(),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip

    def __call__(self, tests: Sequence[str], limit: float = 3600.0, lines: Path | None = None) -> Outcome:
        """Runs tests; with `lines`, that file gets which test executes which line."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = {"tests": list(tests), "limit": limit, "lines": None if lines is None else str(lines)}
        print(json.dumps(order), file=self.process.stdin, flush=True)
        return Outcome(**json.loads(self.process.stdout.readline()))


def serve() -> None:
    """What the process of a `Runner` does."""
    import hypothesis
    import pytest
    import torch
    import torch._dynamo
    import torch.export

    assert all((hypothesis, pytest))
    torch.set_num_threads(1)
    for order in map(json.loads, sys.stdin):
        child = os.fork()
        if not child:
            _run_tests(**order)
        end = time.monotonic() + WAITING
        while not (ended := os.wait4(child, os.WNOHANG))[0]:
            if time.monotonic() > end and order["lines"] is None:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.01)
        used = ended[2].ru_utime + ended[2].ru_stime
        print(json.dumps({"passed": ended[1] == 0, "seconds": used}), flush=True)


def _run_tests(tests: list[str], limit: float, lines: str | None) -> NoReturn:
    code = 99
    try:
        said = os.open(COPY / "tests.log", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        for stream in range(3):
            os.dup2(said, stream)
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 2))
        code = _watched(tests, Path(lines)) if lines is not None else _plain(tests, [])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _plain(tests: list[str], plugins: list[Any]) -> int:
    import pytest

    return int(pytest.main(["-x", "-p", "no:cacheprovider", *tests], plugins=plugins))


def _watched(tests: list[str], lines: Path) -> int:
    """Runs tests under coverage.py, and writes which of them executes which line, and how long each takes."""
    import coverage
    import pytest

    measuring = coverage.Coverage(data_file=None, config_file=False, source=[str(COPY / "respike")])
    seconds: dict[str, float] = {}

    class Contexts:
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
            measuring.switch_context(item.nodeid)
            started = time.process_time()
            result = yield
            seconds[item.nodeid] = time.process_time() - started
            measuring.switch_context("")
            return result

    measuring.start()
    code = _plain(tests, [Contexts()])
    measuring.stop()
    data = measuring.get_data()
    by_line = {
        str(Path(file).relative_to(COPY)): {line: [one for one in contexts if one] for line, contexts in found.items()}
        for file in data.measured_files()
        if (found := data.contexts_by_lineno(file))
    }
    lines.write_text(json.dumps({"lines": by_line, "seconds": seconds}))
    return code


def _environment() -> dict[str, str]:
    packages = [path for path in sys.path if Path(path).name == "site-packages"]
    paths = os.pathsep.join((str(COPY), *packages))
    wanted = {
        "PYTHONPATH": paths,
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(COPY / "hypothesis"),
    }
    return os.environ | wanted


@dataclass(frozen=True)
class Tests:
    """The tests of a folder: which of them execute which line, and how many seconds each takes."""

    lines: Mapping[str, Mapping[str, Sequence[str]]]
    seconds: Mapping[str, float]

    @classmethod
    def of(cls, folder: str, run: Runner) -> Tests:
        """Runs them all; ends the program unless they pass."""
        shown = (*ALWAYS, *TESTS[folder])
        file = COPY / f"{folder}-{_digest(ROOT / 'src' / 'respike', *(ROOT / one for one in shown))}.json"
        if not file.exists():
            for old in COPY.glob(f"{folder}-*.json"):
                old.unlink()
            part = file.with_suffix(".part")
            if not run(shown, lines=part).passed:
                raise SystemExit(
                    f"the tests of {folder} fail without any mutant, as {COPY}/tests.log tells: nothing is learnt"
                )
            part.rename(file)
        return cls(**json.loads(file.read_text()))

    def that_execute(self, mutant: Mutant) -> list[str]:
        """The tests that execute a mutant's line, quick ones first; of a line that is executed at import its file's."""
        by_line = self.lines.get(mutant.file, {})
        found = {test for line in mutant.lines for test in by_line.get(str(line), ())}
        if not found:
            found = {test for tests in by_line.values() for test in tests}
        return sorted(found, key=lambda test: self.seconds[test])


def _digest(*places: Path) -> str:
    """Of everything written in Python in files and folders."""
    digest = hashlib.sha256()
    for place in places:
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def survives(mutant: Mutant, tests: Tests, run: Runner) -> bool:
    """Whether a mutant, which is in its place, is seen by none of the tests that execute it."""
    chosen = tests.that_execute(mutant)
    if not chosen:
        return True
    files = sorted({test.partition("::")[0] for test in chosen})
    rest = [test for test in tests.seconds if test.partition("::")[0] in files and test not in chosen]
    for shown in (ALWAYS, chosen, rest):
        used = sum(tests.seconds.get(test, 0.0) for test in shown)
        if shown and not run(shown, LIMIT * used + EXTRA).passed:
            return False
    return True


def main() -> None:
    """Tries a sample of the mutants and says which survive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=25, help="mutants of each folder to try, drawn from all")
    parser.add_argument("--seed", type=int, nargs="+", default=[0], help="one sample of each seed")
    parser.add_argument("--only", choices=TESTS, action="append", help="these folders alone")
    parser.add_argument("--minutes", type=float, default=60.0, help="start no further mutant after so long")
    parser.add_argument("--again", action="store_true", help="try survivors again")
    parser.add_argument("--write", type=Path, help="a JSON file for the counts and the survivors")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
        return
    package = COPY / "respike"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "src" / "respike", package, ignore=shutil.ignore_patterns("__pycache__"))
    # Compiled once; by content, so that a mutant is never taken for what was there before.
    compileall.compile_dir(package, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    known: dict[str, bool] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    written = json.loads(given.write.read_text()) if given.write is not None and given.write.exists() else {}
    run, end = Runner(), time.monotonic() + 60 * given.minutes
    for folder in given.only or TESTS:
        every = [one for file in _files(folder) for one in mutants(file)]
        before = written.get(folder, {})
        same = before.get("equivalent", {})
        named = [one for one in every if given.again and one.name in (*before.get("survived", {}), *same)]
        size = min(given.sample, len(every))
        samples = (random.Random(f"{seed} {folder}").sample(every, size) for seed in given.seed)
        chosen = list({_key(mutant): mutant for mutant in (*named, *chain.from_iterable(samples))}.values())
        tests: Tests | None = None
        for mutant in chosen:
            key = _key(mutant)
            if mutant.name in same:
                known[key] = False
                continue
            if key in known and (known[key] or not given.again):
                continue
            if time.monotonic() > end:
                break
            tests = tests or Tests.of(folder, run)
            file = COPY / mutant.file
            text = file.read_text(encoding="utf-8")
            file.write_text(mutant.source, encoding="utf-8")
            try:
                known[key] = not survives(mutant, tests, run)
            finally:
                file.write_text(text, encoding="utf-8")
            RESULTS.write_text(json.dumps(known, indent=1) + "\n")
            print(f"{'killed' if known[key] else 'survived'}: {mutant.name}", flush=True)
        _tell(folder, [mutant for mutant in chosen if _key(mutant) in known], known, len(every), given)


def _key(mutant: Mutant) -> str:
    """A mutant and the file that it is of, as that is now."""
    return f"{mutant.name} ({hashlib.sha256(mutant.source.encode()).hexdigest()[:12]})"


def _tell(folder: str, tried: Sequence[Mutant], known: Mapping[str, bool], of: int, given: argparse.Namespace) -> None:
    """Prints what became of a folder's sample, and writes it where that is wanted."""
    if not tried:
        return
    from respike.intervals import wilson

    written = json.loads(given.write.read_text()) if given.write is not None and given.write.exists() else {}
    before = written.get(folder, {})
    alive = [mutant.name for mutant in tried if not known[_key(mutant)]]
    same = {name: reason for name, reason in before.get("equivalent", {}).items() if name in alive}
    survived = {name: before.get("survived", {}).get(name, "") for name in alive if name not in same}
    lived = {*before.get("survived", {}), *before.get("killed_later", ())}
    later = [mutant.name for mutant in tried if mutant.name in lived and mutant.name not in alive]
    killed, asked = len(tried) - len(alive), len(tried) - len(same)
    low, high = wilson(killed / asked, asked)
    print(f"{folder}: {killed} of {asked} killed ({100 * low:.0f} to {100 * high:.0f} %), drawn from {of:,}; "
          f"{len(same)} equivalent, {len(later)} lived at first")  # fmt: skip
    print("".join(f"  survived: {name}\n" for name in survived), end="")
    if given.write is not None:
        written[folder] = {"mutants": of, "seeds": given.seed, "tried": len(tried), "killed": killed,
                           "killed_later": later, "equivalent": same, "survived": survived}  # fmt: skip
        given.write.write_text(json.dumps(written, indent=1) + "\n")


def _files(folder: str) -> list[Path]:
    place = ROOT / "src" / "respike" / folder
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


if __name__ == "__main__":
    main()
