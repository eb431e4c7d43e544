"""What each operator means on our own signals: one short function for each, whichever framework wrote it."""

from respike.frontends.semantics.advice import ADVICE, DEFAULT
from respike.frontends.semantics.call import MIXES, Call, Layout, Refused, Result, Signal, Translator

__all__ = ["ADVICE", "DEFAULT", "MIXES", "Call", "Layout", "Refused", "Result", "Signal", "Translator"]
