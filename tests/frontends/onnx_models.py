"""Small ONNX models, and their values by onnxruntime, which the tests of the ONNX frontend compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper
from torch import Tensor

from respike.frontends.onnx import onnx_network
from respike.ir import Network

NEWEST = 26
"""The newest opset that onnxruntime runs."""


def numbers(*shape: int, seed: int = 0, low: float = -1.0) -> Tensor:
    """Uniform numbers between `low` and 1."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * (1 - low) + low


def graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    constants: Mapping[str, Tensor],
    outputs: Sequence[str] = ("y",),
    opset: int = NEWEST,
    kind: int = onnx.TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model of these nodes; inputs have the shapes given, with the batch."""
    weights = [onnx.numpy_helper.from_array(value.numpy(), name) for name, value in constants.items()]
    made = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        weights,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    return model


def written(body: str, inputs: str, opset: int = NEWEST, outputs: str = "float[N,?] y") -> onnx.ModelProto:
    """A model in onnx's own text form."""
    return onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["" : {opset}]> test ({inputs}) => ({outputs}) {{ {body} }}'
    )


def one(
    kind: str, shape: Sequence[int], *constants: Tensor | None, opset: int = NEWEST, outputs: int = 1, **attributes: Any
) -> onnx.ModelProto:
    """A model of one node that reads the input `x` first."""
    named = {f"c{i}": value for i, value in enumerate(constants) if value is not None}
    reads = ["x", *(f"c{i}" if value is not None else "" for i, value in enumerate(constants))]
    results = [f"y{i}" if i else "y" for i in range(outputs)]
    node = helper.make_node(kind, reads, results, name=kind.lower(), **attributes)
    return graph([node], {"x": ["N", *shape]}, named, results, opset)


def expected(model: onnx.ModelProto, *inputs: Tensor) -> list[Tensor]:
    """The outputs by onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    feed = {name: x.numpy() for name, x in zip(names, inputs, strict=True)}
    return [torch.from_numpy(np.array(value)) for value in session.run(None, feed)]


def check(model: onnx.ModelProto, *inputs: Tensor, tolerance: float = 2e-6) -> Network:
    """Assert that the network of a model computes what onnxruntime computes; return it."""
    network = onnx_network(model, inputs)
    values = network.values(inputs, network.outputs)
    wanted = expected(model, *inputs)
    assert len(wanted) == len(network.outputs)
    for name, value in zip(network.outputs, wanted, strict=True):
        assert values[name].shape == value.shape, name
        assert (values[name] - value).abs().max() <= tolerance * (1 + value.abs().max()), name
    return network
