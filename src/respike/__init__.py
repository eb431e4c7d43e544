"""respike: turns a trained network into a spiking one, without training, and tells what it costs and gains.

Five verbs, each returning a new value and touching nothing it was given: `load`, `prepare`, a method of
`respike.methods`, `simulate`, `measure`.
"""

from respike import calibrate, coding, cost, data, engines, errors, fitting, ir, methods, neurons, passes, report, zoo
from respike.diagnosis import Diagnosis, diagnose
from respike.load import load
from respike.measure import Report, measure
from respike.passes import prepare
from respike.plan import AccumulatedMax, Membrane, MomentaryMax, Plan, Site, SpikeCount
from respike.record import Probe, Recording
from respike.schedule import InputThenDrain, Steady
from respike.simulate import simulate
from respike.spiking import SpikingNetwork
from respike.version import __version__

__all__ = [
    "AccumulatedMax",
    "Diagnosis",
    "InputThenDrain",
    "Membrane",
    "MomentaryMax",
    "Plan",
    "Probe",
    "Recording",
    "Report",
    "Site",
    "SpikeCount",
    "SpikingNetwork",
    "Steady",
    "__version__",
    "calibrate",
    "coding",
    "cost",
    "data",
    "diagnose",
    "engines",
    "errors",
    "fitting",
    "ir",
    "load",
    "measure",
    "methods",
    "neurons",
    "passes",
    "prepare",
    "report",
    "simulate",
    "zoo",
]
