"""What each operator of ONNX means; `OPERATORS` is the closed list of what is read."""

from respike.frontends.onnx.operators.activations import ACTIVATIONS
from respike.frontends.onnx.operators.advice import advice
from respike.frontends.onnx.operators.arithmetic import ARITHMETIC
from respike.frontends.onnx.operators.layers import LAYERS
from respike.frontends.onnx.operators.pooling import POOLING
from respike.frontends.onnx.operators.recurrent import RECURRENT
from respike.frontends.onnx.operators.resizing import RESIZING
from respike.frontends.onnx.operators.shaping import SHAPING
from respike.frontends.semantics.call import Translator

OPERATORS: dict[str, Translator] = {
    **LAYERS,
    **POOLING,
    **ACTIVATIONS,
    **ARITHMETIC,
    **RECURRENT,
    **SHAPING,
    **RESIZING,
}

__all__ = ["OPERATORS", "advice"]
