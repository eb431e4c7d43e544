"""One short function for each operator of a torch.export graph; `OPERATORS` is the closed list of what is supported."""

from respike.frontends.operators.activations import ACTIVATIONS
from respike.frontends.operators.advice import ADVICE, DEFAULT
from respike.frontends.operators.arithmetic import ARITHMETIC
from respike.frontends.operators.call import MIXES, Call, Layout, Refused, Result, Signal, Translator
from respike.frontends.operators.layers import LAYERS
from respike.frontends.operators.matrices import MATRICES
from respike.frontends.operators.pooling import POOLING
from respike.frontends.operators.products import PRODUCTS
from respike.frontends.operators.recurrent import RECURRENT
from respike.frontends.operators.shaping import SHAPING

OPERATORS: dict[object, Translator] = {
    **LAYERS,
    **POOLING,
    **ACTIVATIONS,
    **ARITHMETIC,
    **PRODUCTS,
    **MATRICES,
    **RECURRENT,
    **SHAPING,
}

__all__ = ["ADVICE", "DEFAULT", "MIXES", "OPERATORS", "Call", "Layout", "Refused", "Result", "Signal", "Translator"]
