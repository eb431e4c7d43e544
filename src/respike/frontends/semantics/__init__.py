"""What each operator means on our own signals: one short function for each, whichever framework wrote it."""

from respike.frontends.semantics.advice import ADVICE, BRANCHES, DEFAULT
from respike.frontends.semantics.call import MIXES, Call, Condition, Layout, Refused, Result, Signal, Translator

__all__ = [
    "ADVICE",
    "BRANCHES",
    "DEFAULT",
    "MIXES",
    "Call",
    "Condition",
    "Layout",
    "Refused",
    "Result",
    "Signal",
    "Translator",
]
