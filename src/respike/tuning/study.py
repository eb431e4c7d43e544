"""A study: the trials of one search, kept in a database that many machines can share and that survives a kill."""

from __future__ import annotations

import json
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import optuna
from optuna.samplers import PartialFixedSampler, TPESampler
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from respike.errors import Argument, InvalidFile, InvalidOption, RespikeError
from respike.measure.fingerprint import difference
from respike.tuning.spaces import METHOD, Space

T = TypeVar("T")
Direction: TypeAlias = Literal["minimize", "maximize"]
Evaluation: TypeAlias = Callable[[Space, dict[str, Any]], tuple[tuple[float, ...], dict[str, Any]]]
"""Converts and measures: from a method's space and its options to the objectives' values, and figures to keep."""

_IDENTITY, _REPORT, _ERROR, _WORKER, _LOSS = "identity", "report", "error", "worker", "loss"
_PATIENCE = (1.0, 3.0, 9.0)
"""Seconds to wait before a database that did not answer is asked again."""


@dataclass(frozen=True)
class Trial:
    """A conversion that was tried.

    Args:
        number: in the study, from 0.
        method: the name of the method.
        options: its options.
        values: the objectives' values.
        report: figures of its report, by name.
    """

    number: int
    method: str
    options: Mapping[str, Any]
    values: tuple[float, ...]
    report: Mapping[str, Any]


class Study:
    """Trials under one name in one database.

    Args:
        study: the study of optuna that keeps them.
        spaces: the search space of each method, by its name.
        allowed_loss: trials that lose more accuracy than this are on no front.
    """

    def __init__(self, study: optuna.Study, spaces: Mapping[str, Space], allowed_loss: float) -> None:
        self._study = study
        self._spaces = spaces
        self._allowed_loss = allowed_loss

    @classmethod
    def open(
        cls,
        storage: str | Path,
        name: str,
        identity: Mapping[str, str],
        directions: Sequence[Direction],
        spaces: Mapping[str, Space],
        allowed_loss: float,
    ) -> Study:
        """The study of that name, made where there is none.

        Raises `InvalidOption` where a study of that name is of something else (`identity`), `InvalidFile` where the
        database cannot be opened.
        """
        _check_kind(storage)
        with _quiet(), _database(storage, kept=""):
            engine = _made(storage)
            known = {summary.study_name for summary in optuna.get_all_study_summaries(engine, include_best_trial=False)}
            study = optuna.create_study(storage=engine, study_name=name, directions=directions, load_if_exists=True)
            if name not in known or _IDENTITY not in study.user_attrs:
                study.set_user_attr(_IDENTITY, dict(identity))
            elif differs := difference(study.user_attrs[_IDENTITY], dict(identity)):
                raise InvalidOption(
                    f"the study {name!r} in {storage} is of {differs}: give this search another ",
                    Argument("name"),
                    ", or another ",
                    Argument("storage"),
                )
            found = cls(study, spaces, allowed_loss)
            found._forget_the_killed()
            return found

    @classmethod
    def read(
        cls,
        storage: str | Path,
        name: str,
        spaces: Callable[[Mapping[str, str]], Mapping[str, Space]],
        allowed_loss: Callable[[Mapping[str, str]], float],
    ) -> Study:
        """A study that is there already; its identity says which spaces it has, and how much a trial may lose."""
        if "://" not in str(storage) and not Path(storage).exists():
            raise InvalidFile(f"there is no study database {storage}")
        _check_kind(storage)
        with _quiet(), _database(storage, kept=""):
            engine = RDBStorage(url(storage))
            known = sorted(summary.study_name for summary in optuna.get_all_study_summaries(engine))
            if name not in known:
                raise InvalidOption(f"there is no study {name!r} in {storage} (known: {', '.join(known) or 'none'})")
            study = optuna.load_study(study_name=name, storage=engine)
            identity = study.user_attrs[_IDENTITY]
            return cls(study, spaces(identity), allowed_loss(identity))

    @property
    def identity(self) -> Mapping[str, str]:
        """What it is a study of."""
        return dict(self._study.user_attrs[_IDENTITY])

    @property
    def trials(self) -> list[Trial]:
        """Those that are finished, in order."""
        with _database(self._study.study_name):
            return [self._trial(t) for t in self._study.get_trials(states=(TrialState.COMPLETE,))]

    @property
    def front(self) -> list[Trial]:
        """The Pareto front: what no other trial beats in one objective and equals in all others.

        Trials that lose more accuracy than is allowed are left out.
        """
        with _database(self._study.study_name):
            signs = [-1 if way == StudyDirection.MINIMIZE else 1 for way in self._study.directions]
        kept = [trial for trial in self.trials if lost(trial.report) <= self._allowed_loss + 1e-9]
        values = [tuple(sign * value for sign, value in zip(signs, trial.values, strict=True)) for trial in kept]
        return [trial for trial, ours in zip(kept, values, strict=True) if not any(_beats(one, ours) for one in values)]

    @property
    def failed(self) -> list[str]:
        """Why conversions failed."""
        with _database(self._study.study_name):
            failed = self._study.get_trials(states=(TrialState.FAIL,))
        return [t.user_attrs[_ERROR] for t in failed if _ERROR in t.user_attrs]

    @property
    def done(self) -> int:
        """How many trials were finished, also those whose conversion failed."""
        return len(self.trials) + len(self.failed)

    def run(self, evaluate: Evaluation, seed: int) -> None:
        """One more trial: what to try comes from the seed and the trials before it, whoever ran them and when.

        A `RespikeError` of `evaluate` is kept as the trial's end.
        """
        with _quiet(), _database(self._study.study_name):
            self._study.sampler = self._sampler(seed)
            trial = self._study.ask()
            trial.set_user_attr(_WORKER, _worker())
            space = self._spaces[trial.suggest_categorical(METHOD, tuple(self._spaces))]
            options = space.suggest(trial)
        try:
            values, figures = evaluate(space, options)
        except RespikeError as error:
            reason = f"{space.method.name}: {error}"
            self._retry(lambda: trial.set_user_attr(_ERROR, reason))
            self._retry(lambda: self._study.tell(trial, state=TrialState.FAIL))
            return
        except BaseException:
            self._retry(lambda: self._study.tell(trial, state=TrialState.FAIL))
            raise
        self._retry(lambda: trial.set_user_attr(_REPORT, json.dumps(figures)))
        # By how much it loses more than is allowed; above 0, the sampler turns away from its like.
        self._retry(lambda: trial.set_constraint(_LOSS, lost(figures) - self._allowed_loss - 1e-9))
        self._retry(lambda: self._study.tell(trial, values))

    def _sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        """The sampler of the next trial: first each method's own start, then Optuna's for several objectives."""
        alive = self._study.get_trials(deepcopy=False)
        number = sum(t.state in (TrialState.COMPLETE, TrialState.RUNNING) or _ERROR in t.user_attrs for t in alive)
        sampler = TPESampler(seed=(seed * 1_000_003 + number) % 2**32, multivariate=True, group=True)
        starts = [space.parameters() for space in self._spaces.values()]
        return PartialFixedSampler(starts[number], sampler) if number < len(starts) else sampler

    def _forget_the_killed(self) -> None:
        """Ends trials of processes of this machine that are no more, and earlier ones of this process.

        Of other machines nothing is known.
        """
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            host, _, process = trial.user_attrs.get(_WORKER, "").partition(":")
            if not host or (host == socket.gethostname() and not _alive(int(process))):
                self._study.tell(trial.number, state=TrialState.FAIL)

    def _trial(self, trial: FrozenTrial) -> Trial:
        space = self._spaces[trial.params[METHOD]]
        figures = json.loads(trial.user_attrs.get(_REPORT, "{}"))
        return Trial(trial.number, space.method.name, space.options(trial.params), tuple(trial.values), figures)

    def _retry(self, action: Callable[[], T]) -> T:
        """Waits for a database that is away for a while, so that a finished trial is not lost."""
        for seconds in _PATIENCE:
            try:
                with _quiet():
                    return action()
            except (SQLAlchemyError, optuna.exceptions.StorageInternalError):
                time.sleep(seconds)
        with _quiet(), _database(self._study.study_name):
            return action()


def lost(figures: Mapping[str, Any]) -> float:
    """The accuracy that a trial loses."""
    return float(figures["network_accuracy"] - figures["accuracy"])


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def _made(storage: str | Path) -> RDBStorage:
    """A database with its tables; where two machines make them at the same time, one of them comes second."""
    try:
        return RDBStorage(url(storage))
    except IntegrityError:
        time.sleep(_PATIENCE[0])
        return RDBStorage(url(storage))


def url(storage: str | Path) -> str:
    """A database's URL; a path is an SQLite file."""
    return str(storage) if "://" in str(storage) else f"sqlite:///{Path(storage).absolute()}"


def _worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _alive(process: int) -> bool:
    """Whether another process of that number runs."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


_KEPT = "; finished trials are kept in it, and the same command goes on from them"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's log; what is experimental in it is our choice, and the user can do nothing about it."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def _database(where: str | Path, kept: str = _KEPT) -> Iterator[None]:
    """Tells what a database does in a line, and what is `kept` in it."""
    try:
        yield
    except RespikeError:
        raise
    except ModuleNotFoundError as error:
        raise InvalidFile(f"{where} needs the database driver {error.name}: pip install {error.name}") from error
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, RuntimeError, LookupError, ValueError) as error:
        # The last two: rows that are missing, and JSON that is none, in a damaged database.
        reason = str(error.__cause__ or error).splitlines()[0]
        raise InvalidFile(f"the database of the study {where} cannot be used: {reason}{kept}") from error


def _check_kind(storage: str | Path) -> None:
    """Raises `InvalidFile` where a file is there that is no database of SQLite."""
    path = Path(storage)
    if "://" in str(storage) or not path.exists():
        return
    begins = b""
    if path.is_file():
        with path.open("rb") as file:
            begins = file.read(16)
    if not path.is_file() or begins not in (b"", b"SQLite format 3\0"):
        raise InvalidFile(f"{path} is no database of SQLite: name another file, or the URL of a database")
