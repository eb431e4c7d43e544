"""Searching methods and their options for the best conversions: `tune`, its objectives, and studies in databases."""

from __future__ import annotations

from respike.errors import InvalidOption

try:
    from respike.tuning import objectives
    from respike.tuning.front import pareto
    from respike.tuning.objectives import ACCURACY, ENERGY, LATENCY, MARGIN, SPIKES, Objective
    from respike.tuning.search import Tuned, from_study, tune
    from respike.tuning.study import Study, Trial
except ModuleNotFoundError as error:
    raise InvalidOption(f'tuning needs {error.name}: pip install "respike[tune]"') from error

__all__ = [
    "ACCURACY",
    "ENERGY",
    "LATENCY",
    "MARGIN",
    "SPIKES",
    "Objective",
    "Study",
    "Trial",
    "Tuned",
    "from_study",
    "objectives",
    "pareto",
    "tune",
]
