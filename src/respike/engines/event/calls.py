"""The kernels, called so that a `Watcher` can see the calls: whoever wants to repeat them (`replay.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.dlpack import to_dlpack  # type: ignore[attr-defined]  # public, but not listed

from respike.engines.event import _native


class Watcher(Protocol):
    """Sees the calls of kernels, and makes them."""

    def kernel(self, function: Callable[..., Any], arguments: tuple[Any, ...], writes: tuple[int, ...]) -> Any:
        """One call; `writes` are the places of the tensors that it writes to."""
        ...


watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)
"""Who sees the calls of this thread."""


_threads: ContextVar[int | None] = ContextVar("threads", default=None)
"""Those of PyTorch, while it has one itself."""


def threads() -> int:
    """How many threads a kernel runs on."""
    return _threads.get() or torch.get_num_threads()


@contextmanager
def kernels_alone() -> Iterator[None]:
    """Operators of PyTorch run on one thread, and kernels on as many as it had.

    PyTorch's other threads wait for their next work in a loop, on the processors that kernels need: with them, two
    threads are slower than one.
    """
    given = torch.get_num_threads()
    token = _threads.set(threads())
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(given)
        _threads.reset(token)


@contextmanager
def all_threads() -> Iterator[None]:
    """Within `kernels_alone`: gives PyTorch its threads for operators that take longer than its threads wait."""
    given = torch.get_num_threads()
    torch.set_num_threads(threads())
    try:
        yield
    finally:
        torch.set_num_threads(given)


def lent(tensor: Tensor) -> Any:
    """A tensor as the kernels take it most cheaply: PyTorch's own `__dlpack__` takes longer than a small kernel."""
    return to_dlpack(tensor) if watcher.get() is None else tensor


def _seen(function: Callable[..., Any], *writes: int) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        seeing = watcher.get()
        return function(*arguments) if seeing is None else seeing.kernel(function, arguments, writes)

    return call


fire = _seen(_native.fire, 6, 7, 8)
complete = _seen(_native.complete, 0)
currents = _seen(_native.currents, 5)
linear = _seen(_native.linear, 3)
tally = _seen(_native.tally, 4)
add_counts = _seen(_native.add_counts, 1)
decode = _seen(_native.decode, 3)
encode = _seen(_native.encode, 2)
pool = _seen(_native.pool, 2)
