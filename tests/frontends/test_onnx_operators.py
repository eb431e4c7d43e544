"""Every operator against onnxruntime, at every opset from 13 on in which its meaning changed, and at the one before."""

from __future__ import annotations

import math
from typing import Any

import onnx
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper
from torch import Tensor

from frontends.onnx_models import NEWEST, check, expected, graph, numbers, one, written
from respike.errors import UnsupportedOperator
from respike.frontends.onnx import onnx_network
from respike.frontends.onnx.operators import OPERATORS
from respike.frontends.onnx.operators.recurrent import RECURRENT
from respike.ir import GELU, Activation, Function, Hardswish, Network, ReLU, SiLU
from respike.passes import prepare

OPSETS = (13, NEWEST)
HISTORY = {
    (schema.name, schema.since_version) for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""
}
Case = tuple[str, tuple[int, ...], tuple[Tensor | None, ...], dict[str, Any]]


def ints(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


def number(value: float) -> Tensor:
    return torch.tensor(value)


WEIGHTED: list[Case] = [
    ("Conv", (3, 9), (numbers(4, 3, 3), numbers(4)), {"pads": [1, 1], "strides": [2]}),
    ("Conv", (4, 7, 8), (numbers(6, 2, 3, 2),), {"group": 2, "dilations": [2, 1], "pads": [1, 0, 2, 1]}),
    ("Conv", (4, 7, 8), (numbers(4, 1, 3, 3), numbers(4)), {"group": 4, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ("Conv", (2, 8, 6), (numbers(3, 2, 4, 2), numbers(3)), {"auto_pad": "SAME_LOWER"}),
    ("Conv", (2, 8, 6), (numbers(3, 2, 4, 2), numbers(3)), {"auto_pad": "VALID"}),
    ("Conv", (2, 5, 5, 4), (numbers(3, 2, 2, 3, 2), numbers(3)), {"pads": [1, 0, 1, 1, 0, 1]}),
    ("ConvTranspose", (3, 6), (numbers(3, 4, 3), numbers(4)), {"strides": [2], "output_padding": [1]}),
    ("ConvTranspose", (4, 5, 4), (numbers(4, 3, 3, 3), numbers(6)), {"group": 2, "pads": [1, 1, 1, 1]}),
    ("ConvTranspose", (2, 5, 4), (numbers(2, 3, 3, 2), numbers(3)), {"strides": [2, 3], "pads": [1, 0, 0, 1]}),
    ("ConvTranspose", (2, 5, 4), (numbers(2, 3, 3, 3),), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ("ConvTranspose", (2, 5, 4), (numbers(2, 3, 3, 3),), {"strides": [2, 2], "output_shape": [10, 8]}),
    ("Gemm", (5,), (numbers(5, 4), numbers(4)), {}),
    ("Gemm", (5,), (numbers(4, 5), numbers(1, 4)), {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    ("Gemm", (5,), (numbers(4, 5), numbers(1)), {"transB": 1}),
    ("Gemm", (5,), (numbers(5, 4),), {}),
    ("MatMul", (5,), (numbers(5, 4),), {}),
    ("MatMul", (3, 5), (numbers(5, 4),), {}),
    ("MatMul", (2, 3, 5), (numbers(1, 5, 4),), {}),
    ("MatMul", (3, 5), (numbers(5),), {}),
    ("BatchNormalization", (4, 3), (numbers(4), numbers(4), numbers(4), numbers(4, low=0.1)), {"epsilon": 0.1}),
    ("BatchNormalization", (4, 3, 2), (numbers(4), numbers(4), numbers(4), numbers(4, low=0.1)), {}),
]

NORMS: list[Case] = [
    ("InstanceNormalization", (4, 5, 3), (numbers(4), numbers(4)), {"epsilon": 1e-2}),
    ("Softmax", (4, 3), (), {}),
    ("Softmax", (4, 3), (), {"axis": 1}),
    ("LogSoftmax", (4, 3), (), {"axis": 1}),
]

POOLS: list[Case] = [
    ("MaxPool", (2, 9), (), {"kernel_shape": [3], "strides": [2]}),
    ("MaxPool", (2, 8, 8), (), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("MaxPool", (2, 8, 8), (), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}),
    ("MaxPool", (2, 9, 8), (), {"kernel_shape": [3, 2], "strides": [2, 1], "auto_pad": "SAME_UPPER"}),
    ("MaxPool", (2, 9, 8), (), {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"}),
    ("MaxPool", (2, 9, 8), (), {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [2, 0, 2, 1]}),
    ("MaxPool", (2, 9, 8), (), {"kernel_shape": [2, 2], "strides": [2, 3], "ceil_mode": 1}),
    ("MaxPool", (2, 9, 8), (), {"kernel_shape": [2, 2], "dilations": [2, 3]}),
    ("MaxPool", (2, 4, 5, 6), (), {"kernel_shape": [2, 2, 2], "strides": [2, 2, 2]}),
    ("AveragePool", (2, 9), (), {"kernel_shape": [3], "strides": [2]}),
    ("AveragePool", (2, 8, 7), (), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("AveragePool", (2, 8, 7), (), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    ("AveragePool", (2, 8, 7), (), {"kernel_shape": [3, 2], "pads": [0, 1, 2, 0]}),
    ("AveragePool", (2, 8, 7), (), {"kernel_shape": [3, 2], "pads": [0, 1, 2, 0], "count_include_pad": 1}),
    ("AveragePool", (2, 8, 7), (), {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ("AveragePool", (2, 8, 7), (), {"kernel_shape": [3, 2], "strides": [3, 2], "ceil_mode": 1}),
    ("AveragePool", (2, 4, 5, 6), (), {"kernel_shape": [2, 2, 3]}),
    ("GlobalAveragePool", (2, 4, 5), (), {}),
    ("GlobalAveragePool", (2, 4), (), {}),
    ("GlobalMaxPool", (2, 4, 5), (), {}),
    ("ReduceSum", (2, 4, 5), (ints(-1),), {}),
    ("ReduceSum", (2, 4, 5), (ints(1, 3),), {"keepdims": 0}),
]

REDUCED: list[tuple[str, tuple[int, ...], tuple[int, ...], int]] = [
    ("ReduceMean", (2, 4, 5), (2, 3), 0),
    ("ReduceMean", (2, 4, 5), (-1,), 1),
    ("ReduceMean", (2, 4, 5), (1,), 1),
    ("ReduceMean", (6,), (1,), 1),
    ("ReduceMax", (2, 4, 5), (2, 3), 0),
    ("ReduceMax", (2, 4, 5), (1, 3), 0),
    ("ReduceMax", (2, 4), (1,), 1),
    ("ReduceMin", (2, 4, 5), (2,), 0),
    ("ReduceL1", (2, 4, 5), (1, 2), 1),
    ("ReduceSumSquare", (2, 4, 5), (3,), 0),
]

ELEMENTWISE: list[Case] = [
    ("Relu", (4, 3), (), {}),
    ("LeakyRelu", (4, 3), (), {"alpha": 0.2}),
    ("PRelu", (4, 3), (numbers(4, 1),), {}),
    ("PRelu", (4, 3), (numbers(1),), {}),
    ("Sigmoid", (4, 3), (), {}),
    ("Tanh", (4, 3), (), {}),
    ("Erf", (4, 3), (), {}),
    ("Softplus", (4, 3), (), {}),
    ("Elu", (4, 3), (), {"alpha": 0.7}),
    ("Selu", (4, 3), (), {}),
    ("Celu", (4, 3), (), {"alpha": 0.5}),
    ("Abs", (4, 3), (), {}),
    ("HardSigmoid", (4, 3), (), {"alpha": 1.5, "beta": 0.4}),
    ("Clip", (4, 3), (number(0.0), number(0.5)), {}),
    ("Clip", (4, 3), (number(-0.3), number(0.5)), {}),
    ("Clip", (4, 3), (None, number(0.5)), {}),
    ("Clip", (4, 3), (number(-0.5),), {}),
    ("Clip", (4, 3), (), {}),
    ("PRelu", (4, 3), (numbers(4, 3),), {}),
    ("PRelu", (4, 3), (numbers(1, 4, 1),), {}),
    ("ThresholdedRelu", (4, 3), (), {"alpha": 0.0}),
    ("Shrink", (4, 3), (), {"lambd": 0.3, "bias": 0.3}),
    ("Reciprocal", (4, 3), (), {}),
    ("Max", (4, 3), (number(0.1),), {}),
    ("Min", (4, 3), (number(0.1),), {}),
    ("Add", (4, 3), (numbers(4, 1),), {}),
    ("Add", (4, 3), (numbers(1, 4, 3),), {}),
    ("Sub", (4, 3), (numbers(3),), {}),
    ("Mul", (4, 3), (numbers(4, 1),), {}),
    ("Div", (4, 3), (numbers(3, low=0.5),), {}),
    ("Neg", (4, 3), (), {}),
    ("Pow", (4, 3), (number(2.0),), {}),
    ("Floor", (4, 3), (), {}),
    ("Ceil", (4, 3), (), {}),
    ("Round", (4, 3), (), {}),
]

SHAPES: list[Case] = [
    ("Reshape", (4, 3), (ints(-1, 12),), {}),
    ("Reshape", (4, 3), (ints(0, -1),), {}),
    ("Reshape", (4, 3), (ints(0, 0, 3, 1),), {}),
    ("Reshape", (4, 3), (ints(-1, 2, 2, 3),), {}),
    ("Flatten", (4, 3, 2), (), {}),
    ("Flatten", (4, 3), (), {"axis": -2}),
    ("Flatten", (1, 3), (), {"axis": 2}),
    ("Transpose", (4, 3, 2), (), {"perm": [0, 2, 3, 1]}),
    ("Squeeze", (4, 1, 3), (ints(2),), {}),
    ("Squeeze", (4, 1, 3), (ints(-2),), {}),
    ("Unsqueeze", (4, 3), (ints(1, -1),), {}),
    ("Slice", (6, 5), (ints(1, -3), ints(5, 2**62), ints(1, 2), ints(2, 1)), {}),
    ("Slice", (6, 5), (ints(0, 1), ints(2**62, 3)), {}),
    ("Gather", (6, 5), (torch.tensor(-1),), {"axis": 1}),
    ("Gather", (6, 5), (ints(1, 2, 3),), {"axis": 2}),
    ("Gather", (6, 5), (ints(4, 0),), {"axis": 1}),
    ("Pad", (4, 3), (ints(0, 1, 0, 0, 0, 2), number(0.5)), {}),
    ("Pad", (4, 3), (ints(0, 0, 1, 0, -1, 2),), {}),
    ("Pad", (4, 3), (ints(0, 1, 0, 0, 2, 1),), {"mode": "reflect"}),
    ("Pad", (4, 3), (ints(0, 0, 3, 0, 1, 2),), {"mode": "edge"}),
    ("Tile", (4, 3), (ints(1, 3, 2),), {}),
    ("CumSum", (4, 3), (number(1).long(),), {}),
    ("CumSum", (4, 3), (number(-1).long(),), {"reverse": 1, "exclusive": 1}),
    ("Slice", (6, 5), (ints(-1), ints(-(2**62)), ints(1), ints(-2)), {}),
    ("Gather", (6, 5), (ints(4, 0, 0, 2),), {"axis": 2}),
    ("Expand", (4, 1), (ints(1, 4, 3),), {}),
    ("Identity", (4, 3), (), {}),
    ("Dropout", (4, 3), (), {}),
    ("Cast", (4, 3), (), {"to": 1}),
    ("DepthToSpace", (8, 3, 2), (), {"blocksize": 2}),
    ("DepthToSpace", (8, 3, 2), (), {"blocksize": 2, "mode": "CRD"}),
    ("SpaceToDepth", (2, 4, 6), (), {"blocksize": 2}),
]

RESIZES: list[dict[str, Any]] = [
    *({"mode": m, "coordinate_transformation_mode": c} for m in ("nearest", "linear")
      for c in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")),
    *({"nearest_mode": m} for m in ("round_prefer_ceil", "floor", "ceil")),
]  # fmt: skip


def opsets(kind: str) -> list[int]:
    """13, the newest, and those in which an operator was defined anew, with the ones before them."""
    changes = {version for name, version in HISTORY if name == kind and 13 < version <= NEWEST}
    return sorted({*OPSETS, *changes, *(version - 1 for version in changes)})


@pytest.mark.parametrize("cases", [WEIGHTED, NORMS, POOLS, ELEMENTWISE, SHAPES])
def test_operators(cases: list[Case]) -> None:
    for kind, shape, constants, attributes in cases:
        for opset in opsets(kind):
            model = one(kind, shape, *constants, opset=opset, **attributes)
            check(model, numbers(3, *shape, seed=1))


def test_reductions() -> None:
    for kind, shape, axes, keepdims in REDUCED:
        for opset in opsets(kind):
            given: Any = {"axes": list(axes)} if opset < 18 else {}
            constants = () if opset < 18 else (ints(*axes),)
            check(one(kind, shape, *constants, opset=opset, keepdims=keepdims, **given), numbers(3, *shape, seed=1))


@pytest.mark.parametrize("opset", range(13, NEWEST + 1))
def test_a_network_at_every_opset(opset: int) -> None:
    weights = "w = Constant<value = float[4, 3, 1] {1, -2, 3, -4, 5, -6, 7, -8, 9, 1, -2, 3}>()"
    body = (
        f"{weights} a = Conv(x, w) b = Relu(a) c = AveragePool<kernel_shape = [2], strides = [2]>(b) "
        "d = Sigmoid(c) e = Mul(c, d) f = MaxPool<kernel_shape = [2]>(e) g = Softmax<axis = 1>(f) y = Flatten(g)"
    )
    check(written(body, "float[N, 3, 9] x", opset), numbers(2, 3, 9))


def test_operators_that_came_later() -> None:
    x = numbers(3, 4, 6, seed=1)
    check(one("HardSwish", (4, 6), opset=14), 4 * x)
    check(one("Mish", (4, 6), opset=18), 3 * x)
    check(one("LayerNormalization", (4, 6), numbers(6), numbers(6), opset=17), x)
    check(one("LayerNormalization", (4, 6), numbers(4, 6), opset=17, axis=1, epsilon=0.1), x)
    check(one("Gelu", (4, 6), opset=20), 3 * x)
    check(one("Gelu", (4, 6), opset=20, approximate="tanh"), 3 * x)
    check(one("RMSNormalization", (4, 6), numbers(6), opset=23), x)
    check(one("RMSNormalization", (4, 6), numbers(4, 6), opset=23, axis=1, epsilon=0.1), x)
    check(one("GroupNormalization", (4, 6), numbers(4), numbers(4), opset=21, num_groups=2), x)
    check(one("Split", (4, 6), opset=18, outputs=2, axis=1, num_outputs=2), x)
    check(one("Split", (5, 6), opset=18, outputs=2, axis=1, num_outputs=2), numbers(3, 5, 6))
    check(one("Pad", (4, 6), ints(1, 2), None, ints(-1), opset=18), x)


def test_operators_of_older_opsets() -> None:
    x = numbers(3, 4, 6, seed=1)
    check(one("Clip", (4, 6), opset=9, min=-0.5, max=0.25), x)
    check(one("Pad", (4, 6), opset=9, pads=[0, 1, 0, 0, 0, 2], value=0.5), x)
    check(one("Slice", (4, 6), opset=9, starts=[1, 2], ends=[3, 9], axes=[1, 2]), x)
    check(one("Unsqueeze", (4, 6), opset=12, axes=[1]), x)
    check(one("ReduceSum", (4, 6), opset=12, axes=[1], keepdims=0), x)
    check(one("Split", (4, 6), opset=12, outputs=2, split=[1, 3], axis=1), x)
    check(one("Softmax", (4,), opset=12), x[..., 0])
    check(one("Upsample", (4, 5, 6), torch.tensor([1.0, 1.0, 2.0, 3.0]), opset=9), numbers(3, 4, 5, 6))
    check(one("Resize", (4, 5, 6), torch.tensor([1.0, 1.0, 2.0, 1.5]), opset=10, mode="linear"), numbers(3, 4, 5, 6))
    check(one("Softmax", (4, 6), opset=12), x)  # over both dimensions, together


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("attributes", RESIZES)
def test_resize(attributes: dict[str, Any], opset: int) -> None:
    x = numbers(2, 2, 5, 7, seed=1)
    odd = [1.0, 1.0, 0.6, 2.0] if "align_corners" in attributes.values() else [1.0, 1.0, 0.6, 1.7]
    for scales in ([1.0, 1.0, 2.0, 3.0], odd):
        check(one("Resize", (2, 5, 7), None, torch.tensor(scales), opset=opset, **attributes), x)


def test_aligned_corners_of_a_broken_size_are_refused() -> None:
    """Onnx and onnxruntime differ there."""
    given: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    with pytest.raises(UnsupportedOperator, match="give it sizes in the place of scales"):
        onnx_network(one("Resize", (2, 5, 7), None, torch.tensor([1.0, 1.0, 1.0, 1.7]), **given))
    check(one("Resize", (2, 5, 7), None, None, ints(2, 2, 5, 11), **given), numbers(2, 2, 5, 7))


@pytest.mark.parametrize("opset", OPSETS)
def test_resize_to_sizes(opset: int) -> None:
    x = numbers(2, 2, 5, 7, seed=1)
    for mode in ("nearest", "linear"):
        check(one("Resize", (2, 5, 7), None, None, ints(2, 2, 8, 3), opset=opset, mode=mode), x)


@pytest.mark.parametrize(
    "body",
    [
        "y = Add(x, z)",
        "y = Sub(x, z)",
        "y = Mul(x, z)",
        "w = Relu(z) one = Constant<value_float = 1.0>() v = Add(w, one) y = Div(x, v)",
        "y = Sum(x, z, x)",
        "y = Mean(x, z, x)",
        "y = Max(x, z)",
        "y = Min(x, z)",
        "t = Transpose<perm = [0, 2, 1]>(z) y = MatMul(x, t)",
        "y = Concat<axis = 1>(x, z)",
        "y = Concat<axis = -1>(x, z, x)",
        "c = Constant<value = float[1, 1, 3] {1, 2, 3}>() a = Shape(x) "
        "i = Constant<value_ints = [0]>() s = Gather(a, i) "
        "t = Constant<value_ints = [1, 3]>() w = Concat<axis = 0>(s, t) e = Expand(c, w) y = Concat<axis = 1>(e, x, z)",
        "c = Constant<value_float = 1.0>() y = Sub(c, x)",
        "c = Constant<value = float[2, 4] {1, 2, 3, 4, 5, 6, 7, 8}>() y = MatMul(c, x)",
    ],
)
@pytest.mark.parametrize("opset", OPSETS)
def test_combinations_of_signals(body: str, opset: int) -> None:
    model = written(body, "float[N, 4, 3] x, float[N, 4, 3] z", opset, "float[N, ?, ?] y")
    x, z = numbers(2, 4, 3), numbers(2, 4, 3, seed=1)
    check(model, x, z)


ONE_ACTIVATION: list[tuple[str, Function]] = [
    ("s = Sigmoid(x) y = Mul(x, s)", SiLU()),
    ("s = Sigmoid(x) y = Mul(s, x)", SiLU()),
    ("s = HardSigmoid<alpha = 0.1666667, beta = 0.5>(x) y = Mul(x, s)", Hardswish()),
    ("a = Add(x, three) b = Clip(a, zero, six) c = Mul(x, b) y = Div(c, six)", Hardswish()),
    ("a = Add(three, x) b = Clip(a, zero, six) c = Div(b, six) y = Mul(c, x)", Hardswish()),
    ("a = Div(x, root) b = Erf(a) c = Add(b, one) d = Mul(x, c) y = Mul(d, half)", GELU()),
    ("a = Div(x, root) b = Erf(a) c = Add(one, b) d = Mul(x, half) y = Mul(d, c)", GELU()),
    ("a = Mul(inverse, x) b = Erf(a) c = Add(b, one) d = Mul(half, c) y = Mul(x, d)", GELU()),
    (
        "a = Pow(x, three) b = Mul(a, cubic) c = Add(x, b) d = Mul(c, slope) e = Tanh(d) f = Add(e, one) "
        "g = Mul(x, f) y = Mul(half, g)",
        GELU(approximate=True),
    ),
    (
        "s = Mul(x, x) a = Mul(x, s) b = Mul(cubic, a) c = Add(b, x) d = Mul(slope, c) e = Tanh(d) f = Add(one, e) "
        "h = Mul(half, x) y = Mul(h, f)",
        GELU(approximate=True),
    ),
]
NUMBERS = {"zero": 0, "half": 0.5, "one": 1, "two": 2, "three": 3, "six": 6, "root": math.sqrt(2),
           "inverse": math.sqrt(0.5), "cubic": 0.044715, "slope": math.sqrt(2 / math.pi)}  # fmt: skip
CONSTANTS = " ".join(f"{name} = Constant<value = float {{{value}}}>()" for name, value in NUMBERS.items())


@pytest.mark.parametrize(("body", "function"), ONE_ACTIVATION)
def test_activations_written_as_several_operators_are_one(body: str, function: Function) -> None:
    network = prepare(check(written(f"{CONSTANTS} {body}", "float[N, 4] x"), 3 * numbers(50, 4)))
    assert [type(node).__name__ for node in network.nodes] == ["Input", "Activation"]
    (activation,) = network.activations
    assert activation.function == function


@pytest.mark.parametrize(
    "body",
    [
        "s = Pow(x, two) m = ReduceMean<axes = [-1]>(s) e = Add(m, half) r = Sqrt(e) y = Div(x, r)",
        "s = Mul(x, x) m = ReduceMean<axes = [2]>(s) e = Add(half, m) r = Sqrt(e) d = Reciprocal(r) y = Mul(d, x)",
        "s = Pow(x, two) m = ReduceMean<axes = [-1]>(s) e = Add(m, half) r = Sqrt(e) d = Div(one, r) y = Mul(x, d)",
    ],
)
def test_norms_without_a_mean_are_one_node(body: str) -> None:
    network = prepare(check(written(f"{CONSTANTS} {body}", "float[N, 4, 5] x", 13), numbers(6, 4, 5)))
    assert [type(node).__name__ for node in network.nodes] == ["Input", "RMSNorm"]


@pytest.mark.parametrize(
    "body",
    [
        "s = Sigmoid(x) y = Mul(s, s)",
        "s = Sigmoid(x) a = Add(x, one) y = Mul(a, s)",
        "a = Add(x, three) b = Clip(a, zero, six) y = Mul(x, b)",
    ],
)
def test_what_only_looks_like_an_activation_is_read_as_it_is_written(body: str) -> None:
    network = prepare(check(written(f"{CONSTANTS} {body}", "float[N, 4] x"), 3 * numbers(50, 4)))
    assert not {type(node.function) for node in network.activations} & {SiLU, Hardswish, GELU}


SHAPE_ARITHMETIC = [
    "s = Shape(x) i = Constant<value_ints = [0]>() n = Gather<axis = 0>(s, i) "
    "m = Constant<value_ints = [-1]>() t = Concat<axis = 0>(n, m) y = Reshape(x, t)",
    "s = Shape(x) i = Constant<value_int = 0>() n = Gather(s, i) a = Constant<value_ints = [0]>() "
    "u = Unsqueeze(n, a) m = Constant<value_ints = [12]>() t = Concat<axis = 0>(u, m) y = Reshape(x, t)",
    "s = Shape<start = 0, end = 1>(x) r = Shape<start = 1>(x) p = ReduceProd(r) t = Concat<axis = 0>(s, p) "
    "y = Reshape(x, t)",
    "s = Shape(x) a = Constant<value_ints = [1]>() b = Constant<value_ints = [3]>() c = Slice(s, a, b) "
    "two = Constant<value_ints = [2]>() d = Mul(c, two) e = Div(d, two) z = Constant<value_ints = [0]>() "
    "t = Concat<axis = 0>(z, e) r = Reshape(x, t) y = Flatten(r)",
    "t = Constant<value_ints = [-1, 12]>() y = Reshape(x, t)",
    "s = Shape(x) f = Cast<to = 1>(s) g = Floor(f) t = Cast<to = 7>(g) i = Constant<value_ints = [1]>() "
    "n = Gather(t, i) k = Constant<value_ints = [3]>() z = Constant<value_ints = [0]>() "
    "w = Concat<axis = 0>(z, k, n) r = Reshape(x, w) y = Flatten(r)",
    "s = Shape(x) o = ConstantOfShape<value = float[1] {2}>(s) r = Add(x, o) y = Flatten(r)",
    "s = Shape(x) c = Constant<value = float[1, 4, 1] {1, 2, 3, 4}>() o = Expand(c, s) r = Add(x, o) y = Flatten(r)",
    "n = Size(x) s = Shape<start = 0, end = 1>(x) q = Div(n, s) t = Concat<axis = 0>(s, q) y = Reshape(x, t)",
]


@pytest.mark.parametrize("body", SHAPE_ARITHMETIC)
def test_shape_arithmetic_is_folded_for_any_batch(body: str) -> None:
    model = written(body, "float[N, 4, 3] x", 15)
    network = check(model, numbers(3, 4, 3))
    x = numbers(7, 4, 3, seed=2)
    torch.testing.assert_close(network(x), expected(model, x)[0])


def test_weights_are_computed_where_the_file_computes_them() -> None:
    body = (
        "w = Constant<value = float[2, 3] {1, 2, 3, 4, 5, 6}>() t = Transpose(w) two = Constant<value_float = 2.0>() "
        "s = Mul(t, two) n = Neg(s) q = Sqrt(two) d = Div(n, q) y = MatMul(x, d)"
    )
    network = check(written(body, "float[N, 3] x"), numbers(2, 3))
    assert [type(node).__name__ for node in network.nodes] == ["Input", "Linear"]


def test_a_table_is_looked_up() -> None:
    body = "w = Constant<value = float[3, 2] {1, 2, 3, 4, 5, 6}>() y = Gather(w, x)"
    model = written(body, "int64[N, 4] x", outputs="float[N, 4, 2] y")
    x = torch.tensor([[0, 1, 2, 1], [2, 2, 0, 0]])
    torch.testing.assert_close(onnx_network(model)(x.float()), expected(model, x)[0])


def test_a_graph_fixed_to_one_sample_is_read_for_any_batch() -> None:
    model = written("s = Constant<value_ints = [1, -1]>() r = Reshape(x, s) y = Relu(r)", "float[1, 4, 3] x")
    x = numbers(5, 4, 3)
    torch.testing.assert_close(onnx_network(model)(x), x.flatten(1).relu())


@st.composite
def _pools(draw: st.DrawFn) -> tuple[str, tuple[int, int, int], dict[str, Any]]:
    kind = draw(st.sampled_from(["MaxPool", "AveragePool", "Conv"]))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    strides = draw(st.tuples(*(st.integers(1, k) for k in kernel)))  # onnxruntime fails on larger ones with "same"
    size = draw(st.tuples(st.integers(4, 11), st.integers(4, 11)))
    attributes: dict[str, Any] = {"kernel_shape": list(kernel), "strides": list(strides)}
    if draw(st.booleans()):
        attributes["auto_pad"] = draw(st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]))
    else:
        sides = [draw(st.integers(0, k - 1)) for k in (*kernel, *kernel)]
        attributes["pads"] = sides
    if kind != "Conv" and "auto_pad" not in attributes:
        attributes["ceil_mode"] = draw(st.integers(0, 1))
    if kind == "AveragePool":
        attributes["count_include_pad"] = draw(st.integers(0, 1))
    return kind, (2, *size), attributes


@given(_pools(), st.sampled_from(OPSETS))
@settings(max_examples=60, deadline=None)
def test_windows_of_any_shape(case: tuple[str, tuple[int, int, int], dict[str, Any]], opset: int) -> None:
    kind, shape, attributes = case
    weight = (numbers(3, 2, *attributes["kernel_shape"]),) if kind == "Conv" else ()
    check(one(kind, shape, *weight, opset=opset, **attributes), numbers(2, *shape, seed=1))


@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.data())
@settings(max_examples=25, deadline=None)
def test_slices_and_reshapes_of_any_shape(shape: list[int], data: st.DataObject) -> None:
    dim = data.draw(st.integers(1, len(shape)))
    start, stop = data.draw(st.integers(-6, 6)), data.draw(st.integers(-6, 6))
    step = data.draw(st.integers(1, 3))
    assume(len(range(shape[dim - 1])[start:stop:step]) > 0)
    parts = (ints(start), ints(stop), ints(dim - len(shape) - 1), ints(step))
    check(one("Slice", tuple(shape), *parts), numbers(2, *shape))
    split = data.draw(st.integers(0, len(shape)))
    wanted = [*shape[:split], -1, *shape[split:]]
    check(one("Reshape", tuple(shape), ints(0, *wanted)), numbers(2, *shape))


def recurrent(kind: str, direction: str, gates: int, **attributes: Any) -> onnx.ModelProto:
    """A recurrent layer of two neurons whose outputs are put back with the batch in front."""
    ways = 2 if direction == "bidirectional" else 1
    constants = {"w": numbers(ways, gates * 2, 3), "r": numbers(ways, gates * 2, 2), "b": numbers(ways, gates * 4)}
    results = ["sequence", "last"] + (["cell"] if kind == "LSTM" else [])
    layer = helper.make_node(
        kind, ["time", "w", "r", "b"], results, name="rnn", hidden_size=2, direction=direction, **attributes
    )
    nodes = [
        helper.make_node("Transpose", ["x"], ["time"], perm=[1, 0, 2]),
        layer,
        helper.make_node("Transpose", ["sequence"], ["outputs"], perm=[2, 0, 1, 3]),
        *(helper.make_node("Transpose", [name], [f"{name}_first"], perm=[1, 0, 2]) for name in results[1:]),
    ]
    return graph(nodes, {"x": ["N", 4, 3]}, constants, ["outputs", *(f"{name}_first" for name in results[1:])], 22)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(
    ("kind", "gates", "attributes"),
    [("RNN", 1, {}), ("LSTM", 4, {}), ("GRU", 3, {"linear_before_reset": 1})],
)
def test_recurrent_layers_are_unrolled(direction: str, kind: str, gates: int, attributes: dict[str, Any]) -> None:
    check(recurrent(kind, direction, gates, **attributes), numbers(3, 4, 3, seed=1))


def test_recurrent_layers_that_pytorch_does_not_have_are_refused() -> None:
    refused: list[tuple[str, int, dict[str, Any], str]] = [
        ("GRU", 3, {}, "linear_before_reset = 1"),
        ("RNN", 1, {"activations": ["Sigmoid"]}, "has the activations"),
        ("LSTM", 4, {"clip": 1.0}, "leave clip out"),
        ("LSTM", 4, {"input_forget": 1}, "input_forget"),
    ]
    for kind, gates, attributes, reason in refused:
        with pytest.raises(UnsupportedOperator, match=f"rnn .*{reason}"):
            onnx_network(recurrent(kind, "forward", gates, **attributes))


def test_masks_choose_between_values() -> None:
    mask = "i = Constant<value_floats = [0.0, 1.0, 2.0, 3.0]>() o = Constant<value_float = 1.5>() "
    x = numbers(5, 4, seed=1)
    for compared in ("Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Equal"):
        check(written(f"{mask} m = {compared}(i, o) a = Neg(x) y = Where(m, x, a)", "float[N, 4] x"), x)
        check(written(f"{mask} m = {compared}(i, o) n = Not(m) k = Xor(m, n) y = Where(k, x, o)", "float[N, 4] x"), x)
        check(written(f"{mask} m = {compared}(i, o) y = Where(m, i, x)", "float[N, 4] x"), x)
    for upper, place in ((0, 0), (1, 1), (0, -1)):
        check(one("Trilu", (4, 3), torch.tensor(place), upper=upper), numbers(3, 4, 3, seed=1))
    square = "s = Constant<value_ints = [4, 4]>() o = ConstantOfShape(s) t = Trilu<upper = 0>(o) "
    check(written(f"{square} b = Trilu(o) c = Add(t, b) y = MatMul(x, c)", "float[N, 4] x"), x)


def test_the_largest_and_smallest_of_any_number() -> None:
    x = numbers(5, 4, seed=1)
    check(written("a = Neg(x) b = Mul(x, x) y = Max(a, x, b, a)", "float[N, 4] x"), x)
    check(written("c = Constant<value_float = 0.2>() a = Neg(x) y = Min(c, a, x)", "float[N, 4] x"), x)
    check(written("y = Max(x)", "float[N, 4] x"), x)


def test_every_operator_that_is_read_is_tested() -> None:
    tested = {case[0] for cases in (WEIGHTED, NORMS, POOLS, ELEMENTWISE, SHAPES) for case in cases}
    tested |= {case[0] for case in REDUCED} | {"Resize", "Upsample", "Split", "Gelu", "HardSwish", "Swish", "Mish"}
    tested |= {
        "LayerNormalization",
        "RMSNormalization",
        "Sqrt",
        "GroupNormalization",
        "QuantizeLinear",
        "DequantizeLinear",
        "Sum",
        "Mean",
        "Concat",
        "Shape",
        "Size",
        "Where",
        "Trilu",
        *RECURRENT,
    }
    assert tested == set(OPERATORS)


def test_swish_is_read() -> None:
    """Too new for onnxruntime."""
    x = 3 * numbers(5, 4)
    network: Network = onnx_network(one("Swish", (4,), opset=24), x)
    torch.testing.assert_close(network(x), torch.nn.functional.silu(x))
    assert isinstance(network.nodes[-1], Activation)
    assert network.activations[0].function != ReLU()


STRIDED = ("strides", "dilations")


@pytest.mark.parametrize("value", [[0, 1], [1, -1]])
@pytest.mark.parametrize(
    ("kind", "attribute"),
    [
        *((kind, name) for kind in ("Conv", "ConvTranspose") for name in STRIDED),
        *((kind, name) for kind in ("MaxPool", "AveragePool") for name in ("kernel_shape", *STRIDED)),
    ],
)
@pytest.mark.parametrize("padding", [{}, {"auto_pad": "SAME_UPPER"}], ids=["", "same"])
def test_windows_of_nothing_are_refused_by_name(
    kind: str, attribute: str, value: list[int], padding: dict[str, str]
) -> None:
    weights = [numbers(1, 1, 3, 3)] if "Conv" in kind else []
    given: dict[str, Any] = {attribute: value} if "Conv" in kind else {"kernel_shape": [2, 2], attribute: value}
    with pytest.raises(UnsupportedOperator, match=rf"{kind.lower()} \({kind}\): its {attribute} are .* 1 or more"):
        onnx_network(one(kind, (1, 8, 8), *weights, **given | padding), torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
def test_weights_of_nothing_are_refused_by_name(kind: str) -> None:
    with pytest.raises(UnsupportedOperator, match=rf"{kind.lower()} \({kind}\): its weights .* are empty"):
        onnx_network(one(kind, (1, 8, 8), torch.zeros(1, 1, 0, 3)), torch.zeros(1, 1, 8, 8))
