"""Evaluations in processes that are killed, or that share the work: run by test_scale in a fresh interpreter.

    python processes.py FOLDER

A process is forked off one that has imported everything and computed nothing yet, so it costs no time to start.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from respike import simulate
from respike.cli import main
from respike.measure import Tally, workers
from respike.measure.workers import WorkerLost

IMAGES = 1280
BATCHES = IMAGES // 64


def evaluate(folder: Path, name: str, *more: str) -> int:
    """The command line of all evaluations here."""
    file = str(folder / f"{name}.json")
    return main(["evaluate", str(folder / "net.respike"), "-n", str(IMAGES), "--json", file, *more])


def forked(work: Callable[[], int], log: Path, **environment: object) -> int:
    """The number of a new process that does the work and ends with its code; `log` gets what it says."""
    if number := os.fork():
        return number
    os.environ.update({name: str(value) for name, value in environment.items()})
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    code = 99
    try:
        code = work()
    finally:
        os._exit(code)


def ended(number: int) -> int:
    """How a process ended: its exit code, or the signal, negative."""
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def pair(work: Callable[[], int], folder: Path) -> list[int]:
    """Two processes with the environment that torchrun gives them."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
    shared |= {"CUDA_VISIBLE_DEVICES": ""}  # the undisturbed run is on the CPU, too
    return [forked(work, folder / f"rank{rank}", RANK=rank, LOCAL_RANK=rank, **shared) for rank in range(2)]


def slow(work: Callable[[], int]) -> Callable[[], int]:
    """The work with a pause before each batch, so that there is time to end it before it is done."""

    def paused(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.03)
        return simulate(*arguments, **options)

    def slowed() -> int:
        vars(sys.modules["respike.measure.measure"])["simulate"] = paused
        return work()

    return slowed


def finished(folder: Path, name: str) -> int:
    """How many batches are kept."""
    return len(list((folder / f"{name}.json.partial").glob("*.safetensors")))


def whole(folder: Path, name: str) -> None:
    """Every batch that is kept is whole, and no report is there yet."""
    for file in (folder / f"{name}.json.partial").glob("*.safetensors"):
        assert Tally.from_bytes(file.read_bytes()).images == 64
    assert 3 <= finished(folder, name) <= BATCHES
    assert not (folder / f"{name}.json").exists()


def same(folder: Path, name: str) -> None:
    """The report is that of an undisturbed run, but for the seconds, and nothing else is left."""
    found, wanted = (_text(folder / f"{which}.json") for which in (name, "undisturbed"))
    assert found == wanted
    assert not (folder / f"{name}.json.partial").exists()


def _text(file: Path) -> str:
    return "\n".join(line for line in file.read_text().splitlines() if '"seconds"' not in line)


def wait_for(reached: Callable[[], bool]) -> None:
    """Waits, a minute at most."""
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def kill(folder: Path) -> None:
    """Kills an evaluation at random moments; the one that is left to end gives the report of an undisturbed run."""
    moments = random.Random(int(time.time()))
    for _ in range(3):
        wanted = finished(folder, "killed") + moments.randint(1, 3)
        number = forked(slow(lambda: evaluate(folder, "killed", "--resume")), folder / "log")
        wait_for(lambda wanted=wanted: finished(folder, "killed") >= wanted)  # type: ignore[misc]
        time.sleep(moments.uniform(0, 0.05))
        os.kill(number, signal.SIGKILL)
        assert ended(number) == -signal.SIGKILL
    whole(folder, "killed")
    assert ended(forked(lambda: evaluate(folder, "killed", "--resume"), folder / "log")) == 0
    same(folder, "killed")


def share(folder: Path) -> None:
    """Two processes give the report of one, and only the first one speaks."""
    first, second = pair(lambda: evaluate(folder, "shared"), folder)
    assert (ended(first), ended(second)) == (0, 0)
    same(folder, "shared")
    assert "images of mnist" in (folder / "rank0").read_text()
    assert (folder / "rank1").read_text() == ""


def lose(folder: Path) -> None:
    """A worker that is killed is missed by name; what is finished is kept, and resumed by two or by one."""
    first, second = pair(slow(lambda: evaluate(folder, "lost", "--resume")), folder)
    wait_for(lambda: finished(folder, "lost") >= 3)
    os.kill(second, signal.SIGKILL)
    assert (ended(second), ended(first)) == (-signal.SIGKILL, 2)
    said = (folder / "rank0").read_text()
    assert "error: rank 0 waits for rank 1 in vain" in said, said
    assert "lost.json.partial: the same command goes on from there" in said, said
    whole(folder, "lost")
    assert [ended(number) for number in pair(lambda: evaluate(folder, "lost", "--resume"), folder)] == [0, 0]
    same(folder, "lost")


def silent(folder: Path) -> None:
    """A worker that says nothing is not waited for without end, and one that measures something else is refused."""

    def work() -> int:
        with workers(timedelta(seconds=1)) as those:
            try:
                claims = those.claims({"network": os.environ["RANK"]})
                if those.rank == 0:
                    next(claims)
                    those.together(Tally())
                next(claims)
            except WorkerLost as lost:
                print(lost, flush=True)
                time.sleep(0 if those.rank == 0 else 2)
                return 7
        return 0

    assert [ended(number) for number in pair(work, folder)] == [7, 7]
    assert "rank 0 waits for rank 1 in vain" in (folder / "rank0").read_text()
    assert "rank 1 differs from rank 0, which has another network (0, not 1)" in (folder / "rank1").read_text()


if __name__ == "__main__":
    where = Path(sys.argv[1])
    assert ended(forked(lambda: evaluate(where, "undisturbed"), where / "log")) == 0
    for part in (kill, share, lose, silent):
        part(where)
    print("done")
