"""Files that are read whole, and files and folders that are written in one step: whole or not at all.

One rule for all outputs: what is there is replaced only where that is wanted, links are written through, and what is no
plain file (a device, a pipe) is refused.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from respike.errors import Argument, InvalidFile


def read(path: Path) -> bytes:
    """The content of a plain file.

    Raises `InvalidFile` where it cannot be read, or is something else: reading a pipe or a device might never end.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise InvalidFile(f"cannot read {path}: it is no plain file")
            return file.read(found.st_size)
    except FileNotFoundError as error:
        raise InvalidFile(f"there is no file {path}") from error
    except (OSError, MemoryError, ValueError) as error:
        raise InvalidFile(f"cannot read {path}: {_reason(error)}") from error


def check_plain(path: Path) -> None:
    """Raises `InvalidFile` unless there is a plain file: a pipe or a device might never end.

    For libraries that open files themselves; `read` looks by itself.
    """
    if not path.exists():
        raise InvalidFile(f"there is no file {path}")
    if not path.is_file():
        raise InvalidFile(f"cannot read {path}: it is {'a folder' if path.is_dir() else 'no plain file'}")


def check_new(path: Path, *, force: bool, folder: bool = False) -> None:
    """Raises `InvalidFile` where nothing could be written, or where something is there that is not to be replaced.

    Called before long computations, so that they need not end in that.
    """
    target = _target(path)
    _check_folder_above(target)
    if not target.exists():
        return
    if target.is_dir() != folder:
        raise InvalidFile(f"cannot write {path}: it is a {'folder' if target.is_dir() else 'file'}")
    if not folder and not target.is_file():
        raise InvalidFile(f"cannot write {path}: it is no plain file")
    if not force:
        raise InvalidFile(f"{path} is there already: ", Argument("force", True), " writes over it")


def check_folder(path: Path, *, force: bool) -> None:
    """Raises `InvalidFile` where a folder could not be made or written to, or has something in it already."""
    target = _target(path)
    if target.exists() and not target.is_dir():
        raise InvalidFile(f"cannot write into {path}: it is no folder")
    if not target.exists():
        _check_folder_above(target)
        return
    _check_folder_above(target / "file")
    if any(target.iterdir()) and not force:
        raise InvalidFile(f"the folder {path} is not empty: ", Argument("force", True), " writes into it")


def write(path: Path, content: bytes, *, force: bool = True) -> None:
    """Writes a file in one step: whoever reads it sees the old content or the new one, never a part.

    Raises `InvalidFile` where that cannot be done, or where a file is there and `force` is False; then nothing has
    changed.
    """
    with new(path, force=force) as partial:
        partial.write_bytes(content)


@contextmanager
def new(path: Path, *, force: bool, folder: bool = False) -> Iterator[Path]:
    """A place to write to, which takes the name `path` in one step once all is written; if that fails, nothing stays.

    A file keeps the permissions of the one that it replaces. Libraries that do not take a failing disk well (HDF5,
    torch) should write to memory, and `write` what they gave.
    """
    check_new(path, force=force, folder=folder)
    target = _target(path)
    # Of a long name a part: the name of a part must not be longer than a file system takes.
    partial = target.with_name(f".{target.name[:40]}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        if folder:
            partial.mkdir()
        yield partial
        if target.exists():
            check_new(path, force=force, folder=folder)  # somebody else may have written it meanwhile
            _replace(partial, target)
        else:
            partial.rename(target)
    except OSError as error:
        raise InvalidFile(f"cannot write {path}: {_reason(error)}") from error
    finally:
        if folder:
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def _replace(partial: Path, target: Path) -> None:
    if not target.is_dir():
        shutil.copymode(target, partial)
        partial.replace(target)
    elif not _exchanged(partial, target):
        aside = _aside(target)
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
        try:
            partial.rename(target)
        except OSError:
            aside.rename(target)
            raise
        shutil.rmtree(aside)


def _exchanged(one: Path, other: Path) -> bool:
    """Gives two files or folders each other's names, in one step, and tells whether the system can."""
    exchange = getattr(ctypes.CDLL(None), "renameat2", None) if os.name == "posix" else None
    if exchange is None:
        return False
    here, flag = -100, 2  # Linux: AT_FDCWD, RENAME_EXCHANGE
    return bool(exchange(here, os.fsencode(one.absolute()), here, os.fsencode(other.absolute()), flag) == 0)


def _aside(target: Path) -> Path:
    """Where a folder waits until the one that replaces it has its name."""
    return target.with_name(f".{target.name[:40]}.old")


def _target(path: Path) -> Path:
    """What is written to: the end of all links. A folder that a killed process has left aside is put back."""
    try:
        target = path.resolve()
        if not target.exists() and _aside(target).is_dir():
            _aside(target).rename(target)
    except (OSError, RuntimeError, ValueError) as error:  # a RuntimeError for links in a circle
        raise InvalidFile(f"cannot write {path}: {_reason(error)}") from error
    return target


def _without_waiting(path: str, flags: int) -> int:
    """Opens a pipe that nobody writes to without waiting for somebody."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _check_folder_above(path: Path) -> None:
    above = path.absolute().parent
    if not above.is_dir():
        raise InvalidFile(f"cannot write {path}: there is no folder {above}")
    if not os.access(above, os.W_OK):
        raise InvalidFile(f"cannot write {path}: the folder {above} is not writable")
