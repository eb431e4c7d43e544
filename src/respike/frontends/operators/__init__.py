"""One short function for each operator of a torch.export graph; `OPERATORS` is the closed list of what is supported."""

from respike.frontends.operators.activations import ACTIVATIONS
from respike.frontends.operators.advice import ADVICE, DEFAULT
from respike.frontends.operators.arithmetic import ARITHMETIC
from respike.frontends.operators.call import Call, Refused, Result, Signal, Translator
from respike.frontends.operators.layers import LAYERS
from respike.frontends.operators.shaping import SHAPING

OPERATORS: dict[object, Translator] = {**LAYERS, **ACTIVATIONS, **ARITHMETIC, **SHAPING}

__all__ = ["ADVICE", "DEFAULT", "OPERATORS", "Call", "Refused", "Result", "Signal", "Translator"]
