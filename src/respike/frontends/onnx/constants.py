"""Constants: reading them, and the arithmetic that exporters leave in the graph, mostly on shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import onnx
import torch
from torch import Tensor

from respike.frontends.onnx.call import BATCH, Operator, broadcast, whole_numbers
from respike.frontends.semantics import Refused

Fold: TypeAlias = Callable[..., Tensor]
_FLOATS = {"FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"}
_INTEGERS = {"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}


def read(tensor: onnx.TensorProto, dtype: torch.dtype) -> Tensor:
    """A tensor of the file: real numbers in `dtype`, whole numbers as int64."""
    target = _type(tensor.data_type, dtype)
    if any(n < 0 for n in tensor.dims):
        raise Refused("a constant of negative size; the file is damaged")
    try:
        array = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as error:
        raise Refused(f"a constant that does not fill its shape {list(tensor.dims)}; the file is damaged") from error
    if target.is_floating_point:
        array = array.astype(np.float64 if target == torch.float64 else np.float32)
    return torch.from_numpy(np.array(array)).to(target)  # a copy: the file's bytes cannot be written to


def check_range(value: Tensor, kind: int) -> None:
    """Refuses whole numbers that their type does not hold: they would start again from its other end."""
    name = type_name(kind)
    if value.dtype == torch.int64 and name in _INTEGERS - {"INT64", "UINT64"} and value.numel():
        low, high = whole_range(name)
        if int(value.min()) < low or int(value.max()) > high:
            raise Refused(f"computes whole numbers that {name.lower()} does not hold; compute them as int64")


def type_name(kind: int) -> str:
    """What ONNX calls a number type."""
    return onnx.TensorProto.DataType.Name(kind) if kind in onnx.TensorProto.DataType.values() else str(kind)


def _type(kind: int, dtype: torch.dtype) -> torch.dtype:
    name = type_name(kind)
    if name in _FLOATS:
        return dtype
    if name in _INTEGERS:
        return torch.int64
    if name == "BOOL":
        return torch.bool
    raise Refused(f"holds numbers of type {name}; respike reads networks of real numbers")


def constant(op: Operator) -> Tensor:
    """The constant that a node holds."""
    for name, value in op.attributes.items():
        match name, value:
            case "value", onnx.TensorProto():
                return read(value, op.dtype)
            case "value_float" | "value_floats", _:
                return torch.tensor(value, dtype=op.dtype)
            case "value_int" | "value_ints", _:
                return torch.tensor(value, dtype=torch.int64)
            case _:
                pass
    raise Refused("holds a constant that is neither dense nor a number")


def constant_of_shape(op: Operator, shape: Tensor) -> Tensor:
    """One value in a computed shape; for one sample, where the shape begins with the batch."""
    value = op.attributes.get("value")
    filling = read(value, op.dtype) if value is not None else torch.zeros(1, dtype=op.dtype)
    sizes = _for_one_sample(shape)
    op.allowance.take(sizes)
    return filling.reshape(()).expand(sizes).contiguous()


def expand(op: Operator, x: Tensor, shape: Tensor) -> Tensor:
    """A constant repeated; for one sample, where the shape begins with the batch."""
    wanted = broadcast(x.shape, _for_one_sample(shape))
    op.allowance.take(wanted)
    return x.expand(wanted).contiguous()


def _for_one_sample(shape: Tensor) -> tuple[int, ...]:
    sizes = whole_numbers(shape, "sizes")
    sizes = (1, *sizes[1:]) if sizes[:1] == (BATCH,) else sizes
    if min(sizes, default=1) < 0:
        raise Refused(f"a constant of shape {list(sizes)}")
    return sizes


def range_(op: Operator, start: Tensor, limit: Tensor, step: Tensor) -> Tensor:
    """`start, start + step, … < limit`."""
    if float(step) == 0:
        raise Refused("a range with steps of zero")
    op.allowance.take((max(0, math.ceil((float(limit) - float(start)) / float(step))),))
    return torch.arange(start.item(), limit.item(), step.item(), dtype=start.dtype)


def cast(op: Operator, x: Tensor) -> Tensor:
    """Another number type."""
    op.allowance.take(x.shape)
    return x.to(_type(op.integer("to", 0), op.dtype))


def gather(op: Operator, x: Tensor, index: Tensor) -> Tensor:
    """Elements along an axis, by their places."""
    axis = op.integer("axis", 0) % x.ndim
    shape = (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])
    op.allowance.take(shape)
    places = torch.where(index < 0, index + x.shape[axis], index)
    if bool(((places < 0) | (places >= x.shape[axis])).any()):
        raise Refused("gathers what lies outside of its constant")
    return x.index_select(axis, places.reshape(-1)).reshape(shape)


def slice_(
    op: Operator, x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None
) -> Tensor:
    """A part of a constant."""
    first, last = whole_numbers(starts, "starts"), whole_numbers(ends, "ends")
    along = op.integers("axes", axes) or tuple(range(len(first)))
    by = (1,) * len(first) if steps is None else whole_numbers(steps, "steps")
    for axis, start, stop, step in zip(along, first, last, by, strict=True):
        op.allowance.take(x.shape)
        places = range(*slice(start, stop, step).indices(x.shape[axis]))
        x = x.index_select(axis, torch.tensor(list(places), dtype=torch.int64))
    return x


def squeeze(op: Operator, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Without dimensions of size one."""
    wanted = op.integers("axes", axes)
    dims = {axis % x.ndim for axis in wanted} if wanted is not None else {i for i, n in enumerate(x.shape) if n == 1}
    return x.reshape([n for i, n in enumerate(x.shape) if i not in dims])


def unsqueeze(op: Operator, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """With new dimensions of size one."""
    wanted = op.integers("axes", axes) or ()
    for axis in sorted(axis % (x.ndim + len(wanted)) for axis in wanted):
        x = x.unsqueeze(axis)
    return x


def reshape(op: Operator, x: Tensor, shape: Tensor) -> Tensor:
    """The same elements in another shape."""
    sizes = whole_numbers(shape, "sizes")
    if not op.integer("allowzero", 0):
        sizes = tuple(x.shape[i] if n == 0 else n for i, n in enumerate(sizes))
    return x.reshape(sizes)


def transpose(op: Operator, x: Tensor) -> Tensor:
    """Dimensions in another order."""
    return x.permute(tuple(op.attributes.get("perm", range(x.ndim)[::-1])))


def product(op: Operator, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """The product of all elements."""
    if op.integers("axes", axes) not in (None, (0,)) or x.ndim > 1:
        raise Refused("a product of constants over some dimensions")
    result = x.prod()
    return result.reshape(1) if op.integer("keepdims", 1) else result


def concat(op: Operator, *parts: Tensor) -> Tensor:
    """Constants one behind the other."""
    op.allowance.take((sum(part.numel() for part in parts),))
    return torch.cat(parts, op.integer("axis", 0))


def where(op: Operator, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Elements of one constant or the other."""
    op.allowance.take(broadcast(condition.shape, x.shape, y.shape))
    return torch.where(condition, x, y)


def tile(op: Operator, x: Tensor, times: Tensor) -> Tensor:
    """A constant so and so often along each dimension."""
    counts = whole_numbers(times, "repeats")
    op.allowance.take([n * count for n, count in zip(x.shape, counts, strict=True)])
    return x.repeat(counts)


def flatten(op: Operator, x: Tensor) -> Tensor:
    """A constant as a matrix."""
    axis = op.integer("axis", 1) % (x.ndim + 1)
    return x.reshape(math.prod(x.shape[:axis]), -1)


def divide(x: Tensor, y: Tensor) -> Tensor:
    """Division, which cuts off between whole numbers."""
    if x.is_floating_point():
        return x / y
    if bool((y == 0).any()):
        raise Refused("divides whole numbers by zero")
    return torch.div(x, y, rounding_mode="trunc")


def quantize_linear(op: Operator, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """Whole numbers of real ones."""
    op.allowance.take(x.shape)
    low, high = quantised_range(op)
    whole = (x / along_axis(op, scale, x.ndim)).round() + along_axis(op, _zero(zero), x.ndim)
    return whole.clamp(low, high).to(torch.int64)


def dequantize_linear(op: Operator, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """Real numbers of whole ones."""
    op.allowance.take(x.shape)
    return (x - along_axis(op, _zero(zero), x.ndim)).to(scale.dtype) * along_axis(op, scale, x.ndim)


def _zero(zero: Tensor | None) -> Tensor:
    return torch.zeros((), dtype=torch.int64) if zero is None else zero


def along_axis(op: Operator, values: Tensor, dimensions: int) -> Tensor:
    """Numbers of a scale or a zero point, shaped to broadcast along the axis of the operator."""
    if op.integer("block_size", 0):
        raise Refused("has a scale for each block of elements; use one for each channel")
    if values.numel() == 1:
        return values.reshape(())
    axis = op.integer("axis", 1) % dimensions
    return values.reshape(-1, *(1,) * (dimensions - 1 - axis))


def quantised_range(op: Operator) -> tuple[int, int]:
    """The smallest and the largest whole number that a `QuantizeLinear` gives, by its zero point's type."""
    kind = op.kinds[2] if len(op.kinds) > 2 else None
    if kind is None:
        kind = type_name(op.integer("output_dtype", 0) or onnx.TensorProto.UINT8)
    if not kind.removeprefix("U").removeprefix("INT").isdigit():
        raise Refused(f"quantises to {kind}, which is no whole number; use int8 or uint8")
    return whole_range(kind)


def whole_range(kind: str) -> tuple[int, int]:
    """The smallest and the largest whole number of a type."""
    bits = int(kind.removeprefix("U").removeprefix("INT"))
    return (0, 2**bits - 1) if kind.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def triangle(op: Operator, x: Tensor, diagonal: Tensor | None = None) -> Tensor:
    """Zeros above a diagonal, or below it."""
    op.allowance.take(x.shape)
    (place,) = (0,) if diagonal is None else whole_numbers(diagonal.reshape(1), "diagonal")
    return x.triu(place) if op.integer("upper", 1) else x.tril(place)


def _one(function: Callable[[Tensor], Tensor]) -> Fold:
    def fold(op: Operator, x: Tensor) -> Tensor:
        op.allowance.take(x.shape)
        return function(x)

    return fold


def _two(function: Callable[[Tensor, Tensor], Tensor]) -> Fold:
    def fold(op: Operator, x: Tensor, y: Tensor) -> Tensor:
        op.allowance.take(broadcast(x.shape, y.shape))
        return function(x, y)

    return fold


FOLDS: dict[str, Fold] = {
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "Expand": expand,
    "Range": range_,
    "Cast": cast,
    "Gather": gather,
    "Slice": slice_,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Reshape": reshape,
    "Transpose": transpose,
    "Concat": concat,
    "ReduceProd": product,
    "Tile": tile,
    "Flatten": flatten,
    "Size": lambda op, x: torch.tensor(x.numel()),
    "Where": where,
    "Trilu": triangle,
    "Shape": lambda op, x: torch.tensor(x.shape)[op.integer("start", 0) : op.attributes.get("end")],
    "Identity": _one(lambda x: x),
    "Neg": _one(torch.neg),
    "Abs": _one(torch.abs),
    "Sqrt": _one(torch.sqrt),
    "Log": _one(torch.log),
    "Sin": _one(torch.sin),
    "Cos": _one(torch.cos),
    "Not": _one(torch.logical_not),
    "Exp": _one(torch.exp),
    "Floor": _one(torch.floor),
    "Ceil": _one(torch.ceil),
    "Round": _one(torch.round),
    "QuantizeLinear": quantize_linear,
    "DequantizeLinear": dequantize_linear,
    "Reciprocal": _one(torch.reciprocal),
    "Add": _two(torch.add),
    "Sub": _two(torch.sub),
    "Mul": _two(torch.mul),
    "Div": _two(divide),
    "Pow": _two(torch.pow),
    "Min": _two(torch.minimum),
    "Max": _two(torch.maximum),
    "Equal": _two(torch.eq),
    "Less": _two(torch.lt),
    "LessOrEqual": _two(torch.le),
    "Greater": _two(torch.gt),
    "GreaterOrEqual": _two(torch.ge),
    "And": _two(torch.logical_and),
    "Or": _two(torch.logical_or),
    "Xor": _two(torch.logical_xor),
}
