"""What each operator means on our own signals: one short function for each, whichever framework wrote it."""

from respike.frontends.semantics.advice import ADVICE, BRANCHES, DEFAULT, MASKS
from respike.frontends.semantics.call import MIXES, Call, Condition, Layout, Refused, Result, Signal, Translator

__all__ = [
    "ADVICE",
    "BRANCHES",
    "DEFAULT",
    "MASKS",
    "MIXES",
    "Call",
    "Condition",
    "Layout",
    "Refused",
    "Result",
    "Signal",
    "Translator",
]
