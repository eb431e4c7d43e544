"""Kills a command again and again at random moments, and looks whether what it leaves is whole.

    python benchmarks/kill.py evaluate [--times 20] [--network mnist-mlp] [--steps 32] [--limit 10000] [--seed 0]
    python benchmarks/kill.py tune     [--times 20] [--network mnist-mlp] [--trials 30] [--images 500] [--seed 0]

The command runs undisturbed once; then it is started, killed (SIGKILL, with all that it started) after a random time,
and started again, until it was killed so many times. It is forked off a process that has imported everything, so that
kills hit the command and not its imports. After each kill no file may be broken, after the last one the command runs to
its end, and the result must be that of the undisturbed run, but for the seconds and the numbers of trials. Where a
command is done before it is killed, its result is compared at once, and it starts anew.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from respike.cli import main as respike
from respike.measure import Tally


class Victim(Protocol):
    """A command that can go on where it was killed."""

    def prepare(self, folder: Path) -> list[str]:
        """A command line that makes what the command needs in `folder`."""
        ...

    def words(self, file: Path) -> list[str]:
        """The command line that writes `file`."""
        ...

    def check(self, file: Path) -> str:
        """Says what is kept after a kill; AssertionError where something is broken."""
        ...

    def kept(self, file: Path) -> list[Path]:
        """What stays beside `file` when the command is done."""
        ...


@dataclass(frozen=True)
class Evaluate:
    """`respike evaluate --resume`."""

    network: str
    steps: int
    limit: int

    def prepare(self, folder: Path) -> list[str]:
        """Converts the network."""
        options = ["--method", "data_norm", "--steps", str(self.steps), "--out", str(folder / "net.respike")]
        return ["convert", self.network, *options]

    def words(self, file: Path) -> list[str]:
        """The command line."""
        network = str(file.with_name("net.respike"))
        return ["evaluate", network, "--limit", str(self.limit), "--json", str(file), "--resume"]

    def check(self, file: Path) -> str:
        """Every batch that is there can be read."""
        batches = sorted(file.with_name(f"{file.name}.partial").glob("*.safetensors"))
        assert all(Tally.from_bytes(batch.read_bytes()).images for batch in batches)
        return f"{len(batches)} batches kept"

    def kept(self, file: Path) -> list[Path]:
        """Nothing."""
        return []


@dataclass(frozen=True)
class Tune:
    """`respike tune`."""

    network: str
    trials: int
    images: int

    def prepare(self, folder: Path) -> list[str]:
        """Nothing but a command that ends."""
        return ["methods"]

    def words(self, file: Path) -> list[str]:
        """The command line."""
        (study,) = self.kept(file)
        options = ["--trials", str(self.trials), "--images", str(self.images), "--longest", "16"]
        return ["tune", self.network, *options, "--storage", str(study), "--json", str(file)]

    def check(self, file: Path) -> str:
        """The database is whole, and every trial that is finished has its values."""
        (study,) = self.kept(file)
        if not study.exists():
            return "nothing kept"
        with sqlite3.connect(study) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'trial_values'").fetchone():
                return "no trial kept"
            finished = "SELECT count(*) FROM trials WHERE state = 'COMPLETE'"
            without = f"{finished} AND trial_id NOT IN (SELECT trial_id FROM trial_values)"
            assert database.execute(without).fetchone() == (0,)
            return f"{database.execute(finished).fetchone()[0]} trials kept"

    def kept(self, file: Path) -> list[Path]:
        """The study."""
        return [file.with_suffix(".db")]


def main() -> None:
    """Prints a line for each kill, and whether all was well."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    evaluate, tune = commands.add_parser("evaluate"), commands.add_parser("tune")
    for command in (evaluate, tune):
        command.add_argument("--times", type=int, default=20)
        command.add_argument("--network", default="mnist-mlp")
        command.add_argument("--seed", type=int, default=0)
    evaluate.add_argument("--steps", type=int, default=32)
    evaluate.add_argument("--limit", type=int, default=10_000)
    tune.add_argument("--trials", type=int, default=30)
    tune.add_argument("--images", type=int, default=500)
    options = parser.parse_args()
    victim: Victim
    if options.command == "evaluate":
        victim = Evaluate(options.network, options.steps, options.limit)
    else:
        victim = Tune(options.network, options.trials, options.images)
    with tempfile.TemporaryDirectory() as folder:
        _torment(victim, Path(folder), options.times, random.Random(options.seed))


def _torment(victim: Victim, folder: Path, times: int, moments: random.Random) -> None:
    undisturbed, file = folder / "undisturbed.json", folder / "killed.json"
    _run(victim.prepare(folder), None)
    before = {path.name for path in folder.iterdir()}
    longest = _run(victim.words(undisturbed), None) or 0.0
    print(f"undisturbed: {longest:.1f} seconds", flush=True)
    killed = 0
    while killed < times:
        after = moments.uniform(0, longest)
        if _run(victim.words(file), after) is not None:
            _compare(file, undisturbed)
            for path in (file, *victim.kept(file)):
                path.unlink()
            print("done before it was killed: the same result", flush=True)
            continue
        killed += 1
        print(f"kill {killed} after {after:.2f} seconds: {victim.check(file)}", flush=True)
        if file.exists():
            _compare(file, undisturbed)
    _run(victim.words(file), None)
    _compare(file, undisturbed)
    wanted = {path.name for one in (file, undisturbed) for path in (one, *victim.kept(one))}
    left = {path.name for path in folder.iterdir()} - before - wanted
    assert not left, f"left behind: {left}"
    print(f"killed {killed} times; resumed, the result is that of the undisturbed run")


def _run(words: Sequence[str], after: float | None) -> float | None:
    """Runs a command and says how many seconds it took; None where it was killed after so many."""
    started = time.monotonic()
    child = os.fork()
    if not child:
        _become(words)
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if after is not None and time.monotonic() - started >= after:
            with suppress(ProcessLookupError):  # it is not yet the head of its group
                os.killpg(child, signal.SIGKILL)
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.001)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == -signal.SIGKILL and after is not None:
        return None
    assert code == 0, f"{' '.join(words)} ended with {code}"
    return time.monotonic() - started


def _become(words: Sequence[str]) -> NoReturn:
    """Runs a command in this process, at the head of a group, and ends it."""
    code = 99
    try:
        os.setsid()
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        code = respike(words)
    finally:
        os._exit(code)


def _compare(file: Path, wanted: Path) -> None:
    one, other = (
        [line for line in path.read_text().splitlines() if '"seconds"' not in line and '"number"' not in line]
        for path in (file, wanted)
    )
    assert one == other, f"{file} differs from {wanted}"


if __name__ == "__main__":
    main()
