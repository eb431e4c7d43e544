"""What `module:name` means on the command line: a function of the user's own."""

from __future__ import annotations

import functools
import importlib
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from respike.errors import InvalidOption, RespikeError, UnknownName

_NAMED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_own(name: str) -> bool:
    """Whether a name is of the form `module:name`."""
    return _NAMED.fullmatch(name) is not None


def imported(name: str, kind: str) -> Callable[..., Any]:
    """The function that `module:name` names; `kind` says what it should be (a factory, a method)."""
    module_name, function_name = name.split(":")
    with own_code(name):
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise  # the module is there, and imports another one that is not
            raise InvalidOption(
                f"{name}: there is no module {error.name} in this folder or among the installed packages"
            ) from error
    found = getattr(module, function_name, None)
    if found is None:
        known = [other for other, value in vars(module).items() if callable(value)]
        raise UnknownName(f"{kind} in {module_name}", function_name, known)
    if not callable(found):
        raise InvalidOption(f"{name} is a {type(found).__name__}, and a {kind} must be a function")
    return found  # type: ignore[no-any-return]


def guarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose errors are told in one line, as those of `own_code`."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with own_code(name):
            return function(*args, **kwargs)

    return call


@contextmanager
def own_code(name: str) -> Iterator[None]:
    """Runs code of the user's: modules of the current folder come first, and an error is told in one line."""
    before = sys.path[:]
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    except RespikeError:
        raise
    except (Exception, SystemExit) as error:
        *_, last = traceback.extract_tb(error.__traceback__)
        called_wrongly = Path(last.filename).parent == Path(__file__).parent  # as a factory that needs arguments
        place = "" if called_wrongly else f" ({Path(last.filename).name}:{last.lineno})"
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InvalidOption(f"{name} failed with {reason}{place}") from error
    finally:
        sys.path[:] = before
