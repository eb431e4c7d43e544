"""Fingerprints: whether two runs measure the same thing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from respike.spiking import SpikingNetwork
from respike.version import __version__

if TYPE_CHECKING:
    from hashlib import _Hash


def fingerprint(value: object) -> str:
    """A digest of a value of respike's: of tensors by their bytes, of dataclasses by the fields they are made with."""
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()


def run_of(spiking: SpikingNetwork, **choices: object) -> dict[str, str]:
    """What a run is, by name: all that its numbers depend on, but for the images, which every batch has itself."""
    network, plan = spiking.network, spiking.plan
    return {
        "respike version": __version__,
        "torch version": str(torch.__version__),
        "network": f"{network.origin} {fingerprint(network)}",
        "conversion": f"{plan.method} {fingerprint(plan)}",
        "device": network.device.type,
        **{name.replace("_", " "): str(choice) for name, choice in choices.items()},
    }


def difference(found: Mapping[str, object], wanted: Mapping[str, str]) -> str:
    """The first thing in which two runs differ, in words; empty where they are the same."""
    for name, value in wanted.items():
        if found.get(name) != value:
            return f"another {name} ({_short(found.get(name))}, not {_short(value)})"
    return ""


def _short(value: object) -> str:
    """A digest is told by its first characters."""
    return " ".join(word[:12] if len(word) == 64 else word for word in str(value).split())


def _feed(digest: _Hash, value: Any) -> None:
    match value:
        case Tensor():
            digest.update(f"{value.dtype}{list(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        case Mapping():
            _feed(digest, list(value.items()))
        case tuple() | list():
            digest.update(f"({len(value)}".encode())
            for item in value:
                _feed(digest, item)
        case _ if is_dataclass(value):
            digest.update(type(value).__name__.encode())
            _feed(digest, [(part.name, getattr(value, part.name)) for part in fields(value) if part.init])
        case _:
            digest.update(f"{type(value).__name__} {value!r};".encode())
