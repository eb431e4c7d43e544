"""Networks in ONNX's QDQ format: weights and activations in pairs of QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from frontends.onnx_models import written
from respike import load
from respike.errors import UnsupportedOperator
from respike.ir import QuantisedReLU

KINDS = {"uint8": (TensorProto.UINT8, 0, 255), "int8": (TensorProto.INT8, -128, 127)}


def whole(name: str, values: Any, kind: int) -> onnx.TensorProto:
    values = torch.as_tensor(values)
    return helper.make_tensor(name, kind, list(values.shape), values.flatten().tolist())


def real(name: str, values: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(torch.as_tensor(values, dtype=torch.float32).numpy(), name)


def pair(x: str, y: str, scale: str, zero: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("QuantizeLinear", [x, scale, zero], [f"{y}.whole"], name=f"{y}.quantise"),
        helper.make_node("DequantizeLinear", [f"{y}.whole", scale, zero], [y], name=f"{y}.back"),
    ]


def network(kind: str, zero: int, *, per_channel: bool) -> onnx.ModelProto:
    """A convolution, a ReLU, an average pool and a linear layer, with a pair behind each of the first three."""
    generator = torch.Generator().manual_seed(3)
    code = KINDS[kind][0]
    weight = torch.randint(-127, 128, (4, 2, 3, 3), generator=generator)
    scale: Any = [0.004, 0.002, 0.003, 0.005] if per_channel else 0.004
    axis: dict[str, Any] = {"axis": 0} if per_channel else {}
    nodes = [
        *pair("x", "a", "s0", "z"),
        helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["weight"], **axis),
        helper.make_node("Conv", ["a", "weight"], ["b"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["b"], ["c"], name="relu"),
        *pair("c", "d", "s1", "z"),
        helper.make_node("AveragePool", ["d"], ["e"], kernel_shape=[2, 2], strides=[2, 2]),
        *pair("e", "f", "s1", "z"),
        helper.make_node("Flatten", ["f"], ["g"]),
        *pair("g", "h", "s1", "z"),
        helper.make_node("Gemm", ["h", "fc"], ["y"], name="fc"),
    ]
    constants = [
        *(real("s0", 0.02), real("s1", 0.02), real("sw", scale), real("fc", torch.randn(16, 3, generator=generator))),
        *(whole("w", weight, TensorProto.INT8), whole("z", zero, code)),
        whole("zw", [0] * 4 if per_channel else 0, TensorProto.INT8),
    ]
    made = helper.make_graph(
        nodes,
        "quantised",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        constants,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("kind", "zero"), [("uint8", 0), ("uint8", 100), ("int8", 0), ("int8", -128), ("int8", 7)])
def test_pairs_are_activations_with_levels(kind: str, zero: int, per_channel: bool, seed: int) -> None:
    """`load` compares with onnxruntime, whose kernels compute with whole numbers; means of four often lie halfway."""
    images = torch.randn(50, 2, 4, 4, generator=torch.Generator().manual_seed(seed))
    loaded = load(network(kind, zero, per_channel=per_channel), images)
    functions = [node.function for node in loaded.activations]
    assert all(isinstance(function, QuantisedReLU) for function in functions)
    _, low, high = KINDS[kind]
    levels = [function.levels for function in functions if isinstance(function, QuantisedReLU)]
    positive = high - max(zero, low)
    assert levels[0] == high - low
    assert levels[1] == positive  # the ReLU is part of the second
    if zero == low:
        assert len(levels) == 3  # what is flattened is rounded already


def test_a_scale_that_depends_on_the_data_is_refused() -> None:
    body = "s = ReduceMax<keepdims = 1>(x, a) q = QuantizeLinear(x, s) y = DequantizeLinear(q, s)"
    axes = "a = Constant<value_ints = [1]>()"
    with pytest.raises(UnsupportedOperator, match="use static quantisation"):
        load(written(f"{axes} {body}", "float[N,4] x"))
    constant = body.replace("ReduceMax<keepdims = 1>(x, a)", "Constant<value = float {0.1}>()")
    load(written(constant, "float[N,4] x"))
