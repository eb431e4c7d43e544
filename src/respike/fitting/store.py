"""Fits that were made before: those in the package, and the user's cache.

A file is a JSON object from a fit's key to its numbers as hexadecimal floats, so that they are read back bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

from platformdirs import user_cache_path

from respike.errors import InvalidOption
from respike.files import write
from respike.ir import Function
from respike.neurons import FittedFewSpikes

SHIPPED = Path(__file__).with_name("fits.json")
"""The fits in the package, made by `fit_activation` with its default options."""


_ALGORITHM = 1  # raise it with every change of the search, so that older fits are not taken for new ones


def fit_key(function: Function, steps: int, low: float, high: float, density: str, seed: int, restarts: int) -> str:
    """Everything that a fit depends on, as text."""
    bounds = f"low={float(low).hex()} high={float(high).hex()}"
    return (
        f"{function!r} steps={steps} {bounds} density={density} seed={seed} restarts={restarts} algorithm={_ALGORITHM}"
    )


def cached_at(key: str, directory: Path | None) -> Path:
    """The cache file of a key, in the user's cache folder where no other is given."""
    folder = user_cache_path("respike") / "fits" if directory is None else directory
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def read_fit(path: Path, key: str, function: Function, low: float, high: float) -> FittedFewSpikes | None:
    """The fit of this key in a file; None where it has none, or is missing or corrupted."""
    try:
        record = json.loads(path.read_bytes())[key]
        thresholds, resets, values, (error,) = (
            tuple(_finite(number) for number in record[name]) for name in ("thresholds", "resets", "values", "error")
        )
        return FittedFewSpikes(function, thresholds, resets, values, low, high, error)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, InvalidOption):
        return None


def write_fit(path: Path, key: str, fit: FittedFewSpikes) -> None:
    """Adds a fit to a file; the file is replaced whole, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        records = dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        records = {}
    numbers = {"thresholds": fit.thresholds, "resets": fit.resets, "values": fit.values, "error": (fit.error,)}
    records[key] = {name: [number.hex() for number in row] for name, row in numbers.items()}
    write(path, json.dumps(records, indent=1, sort_keys=True).encode())


def _finite(number: str) -> float:
    value = float.fromhex(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is no number of a neuron")
    return value
