"""Running the original: onnxruntime where it is installed and can, else the reference evaluator of onnx itself."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator
from torch import Tensor

from respike.errors import CannotRun, InvalidData

Array: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.generic]]"
Runner: TypeAlias = Callable[[dict[str, Array]], Sequence[Array]]


def run(model: onnx.ModelProto, inputs: tuple[Tensor, ...], batch: int | None) -> tuple[Tensor, ...]:
    """The model's outputs for a batch of inputs."""
    names = [output.name for output in model.graph.output]
    return _in_batches(model, _onnxruntime(model) or _reference(model, names), inputs, batch)


def evaluate(
    model: onnx.ModelProto, inputs: tuple[Tensor, ...], batch: int | None, names: Sequence[str]
) -> tuple[Tensor, ...]:
    """The values of these names, by onnx's own evaluator."""
    return _in_batches(model, _reference(model, names), inputs, batch)


def _in_batches(
    model: onnx.ModelProto, runner: Runner, inputs: tuple[Tensor, ...], batch: int | None
) -> tuple[Tensor, ...]:
    """All samples; a file that is fixed to a batch size gets as many at a time, the last ones filled up."""
    count = inputs[0].shape[0]
    each = batch or count
    parts: list[tuple[Tensor, ...]] = []
    for start in range(0, count, each):
        samples = torch.arange(start, start + each).clamp(max=count - 1)
        try:
            given = runner(_feed(model, [x[samples] for x in inputs]))
        except InvalidData:
            raise
        except Exception as error:  # both evaluators raise whatever their kernels raise
            shapes = " and ".join(str(list(x.shape)) for x in inputs)
            first = (str(error).splitlines() or [""])[0]
            raise CannotRun(f"the network cannot run on a batch of shape {shapes} (batch first): {first}") from None
        parts.append(tuple(_tensor(value) for value in given))
    return tuple(torch.cat(values)[:count] for values in zip(*parts, strict=True))


def _feed(model: onnx.ModelProto, inputs: list[Tensor]) -> dict[str, Array]:
    """The inputs by name, in the types that the model asks for."""
    weights = {tensor.name for tensor in model.graph.initializer}
    wanted = [value for value in model.graph.input if value.name not in weights]
    feed = {}
    for value, x in zip(wanted, inputs, strict=True):
        kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        if kind.kind in "iu" and not bool((x == x.round()).all()):
            raise InvalidData(f"input {value.name!r} takes whole numbers ({kind}); round the example first")
        feed[value.name] = x.detach().cpu().numpy().astype(kind)
    return feed


def _tensor(value: Array) -> Tensor:
    array = np.array(value)
    if array.dtype.name == "bfloat16":  # which numpy knows by an extension alone
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
    return torch.from_numpy(array)


def _onnxruntime(model: onnx.ModelProto) -> Runner | None:
    """A session of onnxruntime; None where it is not installed, or has no kernel for something in the model."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:  # its exceptions have no common type
        return None
    return lambda feed: session.run(None, feed)


def _reference(model: onnx.ModelProto, names: Sequence[str]) -> Runner:
    evaluator = ReferenceEvaluator(model)

    def runner(feed: dict[str, Array]) -> Sequence[Array]:
        with np.errstate(all="ignore"):
            return list(evaluator.run(list(names), feed))

    return runner
