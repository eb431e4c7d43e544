"""One short function for each operator of ONNX; `OPERATORS` is the closed list of what is read."""

from respike.frontends.onnx.call import Translator
from respike.frontends.onnx.operators.activations import ACTIVATIONS
from respike.frontends.onnx.operators.advice import advice
from respike.frontends.onnx.operators.arithmetic import ARITHMETIC
from respike.frontends.onnx.operators.layers import LAYERS
from respike.frontends.onnx.operators.norms import NORMS
from respike.frontends.onnx.operators.pooling import POOLING
from respike.frontends.onnx.operators.resizing import RESIZING
from respike.frontends.onnx.operators.shaping import SHAPING

OPERATORS: dict[str, Translator] = {
    **LAYERS,
    **POOLING,
    **NORMS,
    **ACTIVATIONS,
    **ARITHMETIC,
    **SHAPING,
    **RESIZING,
}

__all__ = ["OPERATORS", "advice"]
