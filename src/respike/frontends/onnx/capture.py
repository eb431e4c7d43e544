"""Capturing an ONNX model: its inputs, its network, and the original to compare it with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from torch import Tensor

from respike.errors import InvalidData, InvalidNetwork
from respike.frontends.constants import LARGEST
from respike.frontends.examples import Example, check_examples
from respike.frontends.onnx.original import evaluate, run
from respike.frontends.onnx.reading import check_model, needed_part, read_model
from respike.frontends.onnx.translate import translate
from respike.ir import Network

_FLOATS = {"FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"}
_INTEGERS = {"UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64"}


@dataclass(frozen=True, eq=False)
class CapturedOnnx:
    """A network beside the ONNX model it was read from.

    `sources` names for each node of `network` the value of the graph that is the same; `batch` is the batch size that
    the file is fixed to, where it is.
    """

    network: Network
    model: onnx.ModelProto
    sources: Mapping[str, str]
    examples: tuple[Tensor, ...]
    batch: int | None

    def outputs(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What onnxruntime gives for a batch of inputs, or onnx's own evaluator where there is no onnxruntime.

        Of a model that rounds to half precision on the way, they are in half precision, so that they are compared so.
        """
        outputs = run(self.model, inputs, self.batch)
        if not _rounds_to_half(self.model):
            return outputs
        return tuple(y.to(torch.bfloat16) if y.is_floating_point() else y for y in outputs)

    def values(self, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """What the model computes on the way, by the names of the network's nodes."""
        names = list(dict.fromkeys(self.sources.values()))
        values = dict(zip(names, evaluate(self.model, inputs, self.batch, names), strict=True))
        return {node: values[source] for node, source in self.sources.items()}


def onnx_network(source: onnx.ModelProto | str | Path, example: Example | None = None) -> Network:
    """Read an ONNX model, or a file, into a `Network`.

    `example` is a batch `[batch, ...]` of inputs (a tuple if there are several); its values do not matter. It is needed
    where the file leaves sizes other than the batch open. Node names are those of the file.

    Raises `UnsupportedOperator` listing every operator that cannot be converted, `InvalidFile` for a file that is
    missing, damaged or refused, `InvalidNetwork` for an opset that is not read, operators that are not ONNX's own or
    weights that are not finite, and `InvalidData` for a bad example.
    """
    return capture_onnx(source, example).network


def capture_onnx(source: onnx.ModelProto | str | Path, example: Example | None = None) -> CapturedOnnx:
    """Like `onnx_network`, keeping what is needed to check the network against the original."""
    if isinstance(source, onnx.ModelProto):
        origin = source.graph.name or "ONNX"
        model = needed_part(check_model(source, origin))
    else:
        origin = Path(source).name
        model = needed_part(read_model(Path(source)))
    inputs = _inputs(model)
    given = None if example is None else check_examples(example)
    if given is not None and len(given) != len(inputs):
        raise InvalidData(f"the network has {len(inputs)} inputs, {len(given)} were given")
    shapes = {value.name: _sample_shape(value, None if given is None else given[i]) for i, value in enumerate(inputs)}
    kinds = [_kind(value) for value in inputs]
    dtype = torch.float64 if "DOUBLE" in kinds else torch.float32
    batch = _fixed_batch(inputs)
    whole = [kind in _INTEGERS for kind in kinds]
    given_inputs = {name: (shape, is_index) for (name, shape), is_index in zip(shapes.items(), whole, strict=True)}
    network, sources = translate(model, given_inputs, dtype, batch, origin)
    examples = given or tuple(_random(shape, is_index) for shape, is_index in zip(shapes.values(), whole, strict=True))
    return CapturedOnnx(network, model, sources, examples, batch)


def _rounds_to_half(model: onnx.ModelProto) -> bool:
    """Whether a model has weights of half precision, or casts to it."""
    attributes = [(node, attribute) for node in model.graph.node for attribute in node.attribute]
    kinds = [tensor.data_type for tensor in model.graph.initializer]
    kinds += [attribute.t.data_type for _, attribute in attributes if attribute.HasField("t")]
    kinds += [attribute.i for node, attribute in attributes if node.op_type == "Cast" and attribute.name == "to"]
    return any(kind in (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16) for kind in kinds)


def _inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that are no weights (older files list these too)."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    for value in inputs:
        if _kind(value) not in _FLOATS | _INTEGERS:
            raise InvalidNetwork(f"input {value.name!r} holds {_kind(value) or 'no tensor'}; numbers are read")
        if value.type.tensor_type.HasField("shape") and len(value.type.tensor_type.shape.dim) < 2:
            raise InvalidNetwork(f"input {value.name!r} has no dimension beside the batch")
    return inputs


def _kind(value: onnx.ValueInfoProto) -> str:
    kind = value.type.tensor_type.elem_type
    return onnx.TensorProto.DataType.Name(kind) if value.type.HasField("tensor_type") else ""


def _sample_shape(value: onnx.ValueInfoProto, example: Tensor | None) -> tuple[int, ...]:
    """The shape of one sample, by the file and, where it leaves sizes open, by the example."""
    sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim]
    if example is None:
        known = tuple(n for n in sizes[1:] if n is not None)
        if len(sizes) < 2 or len(known) < len(sizes) - 1:
            raise InvalidData(
                f"the file leaves sizes of input {value.name!r} open; give an example: load(path, images[:2])"
            )
        if min(known) < 1 or math.prod(known) > LARGEST:
            raise InvalidNetwork(f"input {value.name!r} has the shape {list(known)}, which no network has")
        return known
    fits = len(sizes) == example.ndim and all(n in (None, m) for n, m in zip(sizes[1:], example.shape[1:], strict=True))
    if sizes and not fits:
        wanted = ", ".join(["batch", *(str(n or "any") for n in sizes[1:])])
        raise InvalidData(f"input {value.name!r} takes a batch [{wanted}], got {list(example.shape)}")
    return tuple(example.shape[1:])


def _fixed_batch(inputs: list[onnx.ValueInfoProto]) -> int | None:
    """The batch size, where the file fixes it."""
    for value in inputs:
        dims = value.type.tensor_type.shape.dim
        if dims and dims[0].HasField("dim_value") and dims[0].dim_value > 0:
            return int(dims[0].dim_value)
    return None


def _random(shape: tuple[int, ...], whole: bool) -> Tensor:
    """Two samples to compare with the original where none are given: normal numbers, always the same ones."""
    generator = torch.Generator().manual_seed(0)
    if whole:
        return torch.randint(0, 2, (2, *shape), generator=generator).float()
    return torch.randn(2, *shape, generator=generator)
