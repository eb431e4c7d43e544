"""What each operator of a torch.export graph means; `OPERATORS` is the closed list of what is supported."""

from respike.frontends.semantics.call import Translator
from respike.frontends.torch.operators.activations import ACTIVATIONS
from respike.frontends.torch.operators.arithmetic import ARITHMETIC
from respike.frontends.torch.operators.layers import LAYERS
from respike.frontends.torch.operators.matrices import MATRICES
from respike.frontends.torch.operators.pooling import POOLING
from respike.frontends.torch.operators.products import PRODUCTS
from respike.frontends.torch.operators.recurrent import RECURRENT
from respike.frontends.torch.operators.shaping import SHAPING

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

__all__ = ["OPERATORS"]
