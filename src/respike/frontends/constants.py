"""Constants that are computed while a network is read: which operators may, and how many elements.

A file of a few bytes can ask for any amount of memory, so what it computes is bounded before it is computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from respike.frontends.semantics import Refused

LARGEST = 2**28
"""Elements that constants may have together, and any value for one sample; VGG-16's first dense layer has 2^26.6."""
GROWTH = 8
"""How many elements may be computed, besides, for each that the model holds."""

EVALUATED = frozenset(
    (
        *("arange", "linspace", "zeros", "ones", "full", "eye", "scalar_tensor", "empty", "zeros_like", "ones_like"),
        *("full_like", "new_zeros", "new_ones", "new_full", "fill", "lift_fresh_copy", "clone", "detach", "alias"),
        *("contiguous", "_to_copy", "to", "type_as", "add", "sub", "rsub", "mul", "div", "neg", "pow", "sqrt", "rsqrt"),
        *("exp", "log", "sin", "cos", "tan", "abs", "sign", "sgn", "floor", "ceil", "round", "trunc", "reciprocal"),
        *("square", "sigmoid", "tanh", "relu", "softplus", "erf", "clamp", "clamp_min", "clamp_max", "clip"),
        *("minimum", "maximum", "max", "min", "amax", "amin", "sum", "mean", "prod", "var", "std", "norm", "cumsum"),
        *("floor_divide", "remainder", "fmod", "where", "eq", "ne", "lt", "le", "gt", "ge", "logical_not"),
        *("logical_and", "logical_or", "bitwise_and", "bitwise_or", "bitwise_not", "masked_fill", "view", "reshape"),
        *("_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "t", "expand"),
        *("expand_as", "repeat", "repeat_interleave", "slice", "select", "narrow", "cat", "stack", "split", "chunk"),
        *("split_with_sizes", "tensor_split", "unbind", "index", "index_select", "gather", "flip", "roll", "tril"),
        *("triu", "diag", "diag_embed", "diagonal", "meshgrid", "outer", "matmul", "mm", "bmm", "mv", "dot", "linear"),
        *("addmm", "einsum", "softmax", "_softmax", "pad", "constant_pad_nd", "linalg_vector_norm", "linalg_norm"),
        *("linalg_matrix_norm", "linalg_matrix_exp", "linalg_householder_product", "linalg_solve", "_weight_norm"),
        *("_weight_norm_interface", "getitem", "sym_size", "conv1d", "conv2d", "conv3d", "batch_norm", "embedding"),
        *("layer_norm", "gelu", "silu", "leaky_relu", "slice_scatter", "select_scatter", "index_put", "copy"),
        *("one_hot", "bucketize", "searchsorted", "logical_xor", "unfold", "vstack", "hstack", "log1p", "expm1"),
        *("__and", "__or", "__xor", "diff"),
    )
)
"""The operators of PyTorch that are evaluated where all they read is constant: each gives the same every time."""


class Allowance:
    """How many elements may still be computed for a model that holds so many."""

    def __init__(self, held: int) -> None:
        self._left = LARGEST + GROWTH * held

    def take(self, shape: Sequence[int]) -> None:
        """Count a constant of this shape; `Refused` where it is too large, or too much together with the others."""
        elements = math.prod(shape)
        if elements > self._left:
            raise Refused(
                f"computes a constant of {elements} elements, more than a model of this size may "
                f"({self._left} are left); store it as a weight"
            )
        self._left -= elements
