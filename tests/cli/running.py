"""Runs a command line in this process."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from respike.cli import main


@dataclass(frozen=True)
class Outcome:
    """How a run ended. Lines of stderr are what the user is told."""

    code: int
    out: str
    err: str


class Runner:
    """Runs command lines; whatever happens, nobody may see a traceback."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *words: object) -> Outcome:
        self._capture.readouterr()
        code = main([str(word) for word in words])
        out, err = self._capture.readouterr()
        assert "Traceback" not in out + err
        return Outcome(code, out, err)

    def refused(self, *words: object) -> str:
        """The one line of a run that must end in an error."""
        outcome = self(*words)
        assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1), outcome
        assert outcome.err.startswith("error: ")
        return outcome.err.removeprefix("error: ").rstrip()
