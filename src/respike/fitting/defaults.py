"""The fits in the package. `python -m respike.fitting.defaults` makes those that are missing (minutes)."""

from __future__ import annotations

from dataclasses import dataclass

from respike.fitting.activation import RESTARTS, fit_activation
from respike.fitting.store import SHIPPED, fit_key, write_fit
from respike.ir.functions import ELU, GELU, Function, Hardswish, Sigmoid, SiLU, Tanh

STEPS = (4, 6, 8)
"""K of the fits of every function."""


@dataclass(frozen=True)
class FitRange:
    """A function and the range of inputs that it is fitted to, with a uniform density."""

    function: Function
    low: float
    high: float


RANGES = (
    FitRange(SiLU(), -8.0, 12.0),
    FitRange(Sigmoid(), -10.0, 10.0),
    FitRange(GELU(), -8.0, 12.0),
    FitRange(Tanh(), -5.0, 5.0),
    FitRange(Hardswish(), -8.0, 12.0),
    FitRange(ELU(), -8.0, 12.0),
)
"""Functions of the fits in the package; SiLU and sigmoid have the ranges of the published fits."""


SHIPPED_FITS = (*((at, steps) for at in RANGES for steps in STEPS), (RANGES[0], 16), (RANGES[1], 12))
"""All of them; the last two have the steps of the published fits."""


def main() -> None:
    """Makes every fit with the default options and adds it to the package's file."""
    for at, steps in SHIPPED_FITS:
        fit = fit_activation(at.function, steps, low=at.low, high=at.high)
        write_fit(SHIPPED, fit_key(at.function, steps, at.low, at.high, "uniform", 0, RESTARTS), fit)


if __name__ == "__main__":
    main()
