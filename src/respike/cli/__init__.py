"""The command line: thin, over the public interface alone."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

INTERRUPTED = 130
"""The exit code after Ctrl-C, as in shells."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (that of the process unless given) and returns the exit code: 0, 2 or 130."""
    with _interrupts() as seen:
        try:
            from respike.cli import app  # takes its time, in which Ctrl-C has its answer already

            return app.main(arguments)
        except BaseException as error:
            stop = interrupt_behind(error)
            if stop is None and not (seen and isinstance(error, Exception)):
                raise
            print("\n".join(["interrupted", *getattr(stop, "__notes__", [])]), file=sys.stderr)
            return INTERRUPTED


def interrupt_behind(error: BaseException) -> KeyboardInterrupt | None:
    """The Ctrl-C that an error comes from: while a package is imported, Python makes other errors of it."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, KeyboardInterrupt):
        found = found.__cause__ or found.__context__
    return found


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """The interrupts of the process while it runs a command, which raise `KeyboardInterrupt` as ever.

    Compiled code that is interrupted while it imports a package may swallow that, and leave the package half imported.
    What runs while an object is thrown away cannot raise anything: an interrupt that falls there comes again.
    """
    seen: list[int] = []
    usual, usual_hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    if usual is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def stop(number: int, _: object) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    def cannot_raise(found: sys.UnraisableHookArgs) -> None:
        if issubclass(found.exc_type, KeyboardInterrupt):
            threading.Timer(0.01, _interrupt_main).start()
        else:
            usual_hook(found)

    signal.signal(signal.SIGINT, stop)
    sys.unraisablehook = cannot_raise
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, usual)
        sys.unraisablehook = usual_hook


def _interrupt_main() -> None:
    """Ctrl-C for the main thread, from another one."""
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:  # a signal of its own ends what it waits for, too: a download, another process
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


__all__ = ["INTERRUPTED", "interrupt_behind", "main"]
