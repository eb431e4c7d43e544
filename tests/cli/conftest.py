"""The command line, in this process."""

from __future__ import annotations

import functools

import pytest
from torch import Tensor, nn

from cli.running import Runner
from respike import load, zoo
from respike.cli import console, networks
from respike.ir import Network

_weights = functools.cache(zoo.load)
_networks: dict[tuple[object, ...], Network] = {}


def _load_once(source: nn.Module, *examples: Tensor) -> Network:
    if not isinstance(source, nn.Module):
        return load(source, *examples)
    key = (source, *(example.shape[1:] for example in examples))
    if key not in _networks:
        _networks[key] = load(source, *examples)
    return _networks[key]


@pytest.fixture(autouse=True)
def _networks_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading and checking a network takes a second, and is tested elsewhere."""
    monkeypatch.setattr(zoo, "load", _weights)
    monkeypatch.setattr(networks, "load", _load_once)


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    # Consoles keep the width that the environment says when they are made; xdist says one to its workers.
    for drawn in (console.OUT, console.ERR):
        monkeypatch.setattr(drawn, "_width", None)


@pytest.fixture
def respike(capsys: pytest.CaptureFixture[str]) -> Runner:
    """Runs a command line."""
    return Runner(capsys)
