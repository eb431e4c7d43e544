"""From a file to a checked `onnx.ModelProto` that holds all its weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx

from respike.errors import InvalidFile, InvalidNetwork
from respike.files import check_plain
from respike.frontends.onnx.external import embed

OLDEST, NEWEST = 9, 28
"""The versions of ONNX's operator set that are read."""
LARGEST_FILE = 2**31 - 1
"""What a protobuf message may hold, in bytes."""


def read_model(path: Path) -> onnx.ModelProto:
    """The model in a file, its external weights read from the file's own folder.

    Raises `InvalidFile` if it is missing, damaged, too large, or names weights anywhere else, and `InvalidNetwork` for
    what `check_model` refuses.
    """
    check_plain(path)
    if path.stat().st_size > LARGEST_FILE:
        raise InvalidFile(f"{path.name!r} is larger than an ONNX file can be (2 GiB); store its weights beside it")
    try:
        model = onnx.ModelProto.FromString(path.read_bytes())
    except Exception:  # protobuf has errors of its own, which onnx does not name
        raise InvalidFile(f"{path.name!r} is damaged, or not an ONNX file") from None
    embed(model, tensors(model), path.parent)
    return check_model(model, path.name)


def check_model(model: onnx.ModelProto, place: str) -> onnx.ModelProto:
    """`model`, if it is sound and uses nothing but ONNX's own operators; `place` names it in messages."""
    if any(tensor.external_data or tensor.data_location == tensor.EXTERNAL for tensor in tensors(model)):
        raise InvalidFile(f"{place!r} keeps weights in another file; give the path, so that its folder is known")
    if model.functions:
        names = ", ".join(function.name for function in model.functions)
        raise InvalidNetwork(f"{place!r} defines operators of its own ({names}); inline them (onnx.inliner) first")
    if foreign := sorted({node.domain for node in model.graph.node if node.domain not in ("", "ai.onnx")}):
        wrong = next(node for node in model.graph.node if node.domain == foreign[0])
        raise InvalidNetwork(
            f"{place!r} uses operators that are not ONNX's own, of {', '.join(map(repr, foreign))} "
            f"(first at {wrong.name!r}, {wrong.op_type}); export it with standard operators only"
        )
    if model.graph.sparse_initializer:
        raise InvalidNetwork(f"{place!r} holds sparse weights, which are not read; store them dense")
    if model.ir_version and not OLDEST <= opset(model) <= NEWEST:
        raise InvalidNetwork(
            f"{place!r} is of opset {opset(model)}; opsets {OLDEST} to {NEWEST} are read "
            "(onnx.version_converter changes it, or the opset_version of the exporter)"
        )
    try:
        onnx.checker.check_model(_with_shapes(model))
    except Exception as error:  # the checker's, and protobuf's, have no common type
        reason = (str(error).strip().splitlines() or [""])[0]
        raise InvalidFile(f"{place!r} is not a valid ONNX model, or is damaged: {reason}") from None
    return model


def _with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose inputs and outputs all name a shape, which the checker demands and nobody needs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in (*copy.graph.input, *copy.graph.output):
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.shape.SetInParent()
    return copy


def opset(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that the model asks for."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def needed_part(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with the nodes that the outputs depend on, and nothing that those who run it could look at besides."""
    wanted = {output.name for output in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            wanted.update(node.input)
            kept.append(node)
    part = onnx.ModelProto()
    part.CopyFrom(model)
    for field in ("node", "value_info", "quantization_annotation"):
        part.graph.ClearField(field)
    part.ClearField("training_info")
    part.graph.node.extend(reversed(kept))
    return part


def tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of the model: weights, and constants among the nodes."""
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        yield from graph.initializer
        for node in graph.node:
            for attribute in node.attribute:
                yield from (attribute.t, *attribute.tensors)
                graphs.extend((attribute.g, *attribute.graphs))
