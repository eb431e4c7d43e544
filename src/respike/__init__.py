"""respike: turns a trained network into a spiking one, without training, and tells what it costs and gains.

Five verbs, each returning a new value and touching nothing it was given: `load`, `prepare`, a method of
`respike.methods`, `simulate`, `measure`.

Everything here is imported when it is first used, so that `import respike` and the command line's help are quick.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

# As in `typing`, which takes long to import, and until the command line begins Ctrl-C shows a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from respike import (
        calibrate,
        coding,
        cost,
        data,
        engines,
        errors,
        export,
        fitting,
        hardware,
        ir,
        lower,
        methods,
        metrics,
        neurons,
        passes,
        refine,
        report,
        tuning,
        zoo,
    )
    from respike.comparing import Comparison, compare
    from respike.diagnosis import Diagnosis, diagnose
    from respike.intervals import wilson
    from respike.load import load
    from respike.measure.measure import measure
    from respike.measure.report import Report
    from respike.measure.scoring import Score, score
    from respike.passes import prepare
    from respike.plan import AccumulatedMax, Membrane, MomentaryMax, Plan, Site, SpikeCount
    from respike.recommending import Recommendation, recommend
    from respike.record import Probe, Recording
    from respike.schedule import InputThenDrain, Layerwise, Steady
    from respike.simulate import simulate
    from respike.spiking import SpikingNetwork
    from respike.version import __version__

__all__ = [
    "AccumulatedMax",
    "Comparison",
    "Diagnosis",
    "InputThenDrain",
    "Layerwise",
    "Membrane",
    "MomentaryMax",
    "Plan",
    "Probe",
    "Recommendation",
    "Recording",
    "Report",
    "Score",
    "Site",
    "SpikeCount",
    "SpikingNetwork",
    "Steady",
    "__version__",
    "calibrate",
    "coding",
    "compare",
    "cost",
    "data",
    "diagnose",
    "engines",
    "errors",
    "export",
    "fitting",
    "hardware",
    "ir",
    "load",
    "lower",
    "measure",
    "methods",
    "metrics",
    "neurons",
    "passes",
    "prepare",
    "recommend",
    "refine",
    "report",
    "score",
    "simulate",
    "tuning",
    "wilson",
    "zoo",
]

_HOMES = {
    "comparing": ("Comparison", "compare"),
    "diagnosis": ("Diagnosis", "diagnose"),
    "intervals": ("wilson",),
    "load": ("load",),
    "measure": ("Report", "Score", "measure", "score"),
    "passes": ("prepare",),
    "plan": ("AccumulatedMax", "Membrane", "MomentaryMax", "Plan", "Site", "SpikeCount"),
    "recommending": ("Recommendation", "recommend"),
    "record": ("Probe", "Recording"),
    "schedule": ("InputThenDrain", "Layerwise", "Steady"),
    "simulate": ("simulate",),
    "spiking": ("SpikingNetwork",),
    "version": ("__version__",),
}
"""The names that each module gives to the package; all other names in `__all__` are modules themselves."""

_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Imports a public name when it is first used (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_HOME.get(name, name)}")
    except AttributeError as error:  # `from respike import ...` would take it for a name that is not there
        raise ImportError(f"{__name__}.{name} cannot be imported: {error}") from error
    value = getattr(module, name) if name in _HOME else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """A package in which `load`, `measure` and `simulate` stay verbs when the modules of these names are imported.

    Importing a submodule sets it as an attribute of its package; here that would hide the function of the same name.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and _HOME.get(name) == name):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
