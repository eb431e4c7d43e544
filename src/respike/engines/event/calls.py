"""The kernels, called so that a `Watcher` can see the calls: whoever wants to repeat them (`replay.py`)."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils.dlpack import to_dlpack  # type: ignore[attr-defined]  # public, but not listed

from respike.engines.event import _native

T = TypeVar("T")


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
    if given == 1:
        yield
        return
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


def shared(run: Callable[[int, int], T], items: int, workers: int) -> list[T]:
    """What `run(item, worker)` gives for each item, by threads of Python that share the kernels' threads.

    To be called within `kernels_alone`. Kernels and operators of PyTorch do not hold Python's lock, so they run side by
    side. An item that no other thread has begun is done by this one, so that threads that get no processor delay
    nothing.
    """
    if workers == 1:
        return [run(item, 0) for item in range(items)]
    results: dict[int, T] = {}
    left = iter(range(items))
    each = max(1, threads() // workers)
    modes = (torch.is_inference_mode_enabled(), torch.is_grad_enabled())

    def work(worker: int) -> None:
        token = _threads.set(each)
        try:
            with torch.inference_mode(modes[0]), torch.set_grad_enabled(modes[1]):
                torch.set_num_threads(1)  # of this thread
                for item in left:
                    results[item] = run(item, worker)
        finally:
            _threads.reset(token)

    started = [_others().submit(copy_context().run, work, worker) for worker in range(1, workers)]
    try:
        work(0)
    finally:
        begun = [other for other in started if not other.cancel()]
        wait(begun)
    for other in begun:
        other.result()
    return [results[item] for item in range(items)]


@functools.cache
def _others() -> ThreadPoolExecutor:
    """Threads that sleep until there is work; a fork has none of them, and makes its own."""
    return ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="respike")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_others.cache_clear)


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
