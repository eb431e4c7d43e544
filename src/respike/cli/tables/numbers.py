"""Numbers for people."""

from __future__ import annotations


def human(number: float) -> str:
    """A number with three figures and its unit: 1234567 is `1.23 M`."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= 0.9995 * size:
            return f"{_three_figures(number / size)}\N{NO-BREAK SPACE}{unit}"
    return _three_figures(number)


def _three_figures(number: float) -> str:
    size = abs(number)
    decimals = 2 if size < 9.995 else 1 if size < 99.95 else 0
    return f"{number:.{decimals}f}"
