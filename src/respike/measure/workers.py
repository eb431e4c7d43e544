"""Who shares a measurement: one process alone, or those that torchrun started, over machines and GPUs.

Each worker claims the next batch that nobody has claimed, so fast and slow machines are done at the same time. What the
batches contribute adds up exactly in any order (`Tally`), so the report does not depend on who simulated what.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor

from respike.errors import RespikeError
from respike.measure.fingerprint import difference
from respike.measure.tally import Tally

TIMEOUT = timedelta(minutes=30)
"""For how long a worker that is done waits for another one."""


class WorkerLost(RespikeError):
    """Another worker ended before it was done, does not answer, or measures something else."""


class Workers(Protocol):
    """Those that share a measurement, seen from one of them."""

    @property
    def rank(self) -> int:
        """The number of this one; 0 prints and writes."""
        ...

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    @property
    def device(self) -> torch.device:
        """Where this one computes."""
        ...

    def claims(self, run: Mapping[str, str]) -> Iterator[int]:
        """Numbers of batches that are this one's to simulate, rising; `WorkerLost` where others have another run."""
        ...

    def together(self, tally: Tally) -> Tally:
        """The tally of all, given this one's; every worker gets it."""
        ...


@dataclass(frozen=True)
class Alone:
    """One process, which simulates every batch."""

    rank = 0
    size = 1
    device = torch.device("cpu")

    def claims(self, run: Mapping[str, str]) -> Iterator[int]:
        """All numbers."""
        return itertools.count()

    def together(self, tally: Tally) -> Tally:
        """The tally as it is."""
        return tally


ALONE = Alone()


class Torchrun:
    """The processes of `torchrun`, joined by `torch.distributed`.

    Results are a few numbers on the CPU, so gloo gathers them whatever computes; GPUs have nothing to tell one another.

    Args:
        timeout: for how long one that is done waits for the others.
    """

    def __init__(self, timeout: timedelta = TIMEOUT) -> None:
        from torch.distributed.rendezvous import rendezvous  # some builds of torch have none

        self._store, self.rank, self.size = next(iter(rendezvous("env://", timeout=timeout)))
        self._timeout = timeout
        self._measured = 0
        dist.init_process_group("gloo", store=self._store, rank=self.rank, world_size=self.size, timeout=timeout)

    @property
    def device(self) -> torch.device:
        """The GPU of the process's number on its host, or the CPU."""
        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())

    def claims(self, run: Mapping[str, str]) -> Iterator[int]:
        """The next number that no worker has, each time."""
        self._measured += 1
        store, key = self._store, f"measure {self._measured}"
        with self._blaming(0):
            if self.rank == 0:
                store.set(f"{key} run", json.dumps(dict(run)))
            elif other := difference(json.loads(store.get(f"{key} run")), run):
                raise WorkerLost(f"rank {self.rank} differs from rank 0, which has {other}")
        while True:
            with self._blaming(0):
                number = store.add(f"{key} claimed", 1) - 1
            yield number

    def together(self, tally: Tally) -> Tally:
        """Rank 0 collects, adds up, and sends the sum to all."""
        if self.rank:
            self._send(tally, 0)
            return self._receive(0)
        total = sum((self._receive(other) for other in range(1, self.size)), start=tally)
        for other in range(1, self.size):
            self._send(total, other)
        return total

    def _send(self, tally: Tally, rank: int) -> None:
        content = torch.frombuffer(bytearray(tally.to_bytes()), dtype=torch.uint8)
        with self._blaming(rank):
            dist.send(torch.tensor([len(content)]), rank)
            dist.send(content, rank)

    def _receive(self, rank: int) -> Tally:
        length = torch.zeros(1, dtype=torch.int64)
        with self._blaming(rank):
            dist.recv(length, rank)
            content: Tensor = torch.empty(int(length), dtype=torch.uint8)
            dist.recv(content, rank)
        return Tally.from_bytes(content.numpy().tobytes())

    @contextmanager
    def _blaming(self, rank: int) -> Iterator[None]:
        """What goes wrong here is that a worker is gone: its connection closed, or it let the time pass."""
        try:
            yield
        except RuntimeError as error:
            raise WorkerLost(
                f"rank {self.rank} waits for rank {rank} in vain: it ended before it was done, or was silent for "
                f"{self._timeout.total_seconds():g} seconds"
            ) from error


@contextmanager
def workers(timeout: timedelta = TIMEOUT) -> Iterator[Workers]:
    """Those that torchrun started, where it did; this process alone otherwise.

    Under torchrun a process computes with one thread, unless `OMP_NUM_THREADS` says something else.
    """
    if "WORLD_SIZE" not in os.environ or "RANK" not in os.environ:
        yield ALONE
        return
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    try:
        joined = Torchrun(timeout)
    except (RuntimeError, ValueError) as error:
        raise WorkerLost(f"rank {os.environ['RANK']} did not find the others: {error}") from error
    try:
        yield joined
    finally:
        dist.destroy_process_group()
