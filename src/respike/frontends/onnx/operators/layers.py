"""Weighted layers."""

from __future__ import annotations

from torch import Tensor

from respike.frontends.onnx.call import Operand, Operator, Refused, Signal, Translator, signal, weights
from respike.frontends.onnx.operators.windows import sides
from respike.ir import BatchNorm, Conv, ConvTranspose, Linear, MatMul, Pad, Permute, Reshape


def conv(op: Operator, x: Operand, weight: Operand, bias: Operand | None = None) -> Signal:
    """Convolution; uneven padding becomes a pad of its own."""
    source, kernel = signal(x), weights(weight)
    count = kernel.ndim - 2
    if source.ndim != kernel.ndim or not 1 <= count <= 3:
        raise Refused(f"its weights have {kernel.ndim} dimensions and its input {source.ndim}; 3, 4 or 5 are read")
    steps, dilation = op.sizes("strides", count, 1), op.sizes("dilations", count, 1)
    begin, end = sides(op, source.shape[1:], tuple(kernel.shape[2:]), steps, dilation)
    if begin != end:
        source = op.emit(Pad(f"{op.name}.pad", (source.name,), torch_order(begin, end)))
        begin = (0,) * count
    groups = op.integer("group", 1)
    return op.emit(Conv(op.name, (source.name,), kernel, _vector(bias), steps, begin, dilation, groups))


def conv_transpose(op: Operator, x: Operand, weight: Operand, bias: Operand | None = None) -> Signal:
    """Transposed convolution; uneven padding is cut off behind it."""
    source, kernel = signal(x), weights(weight)
    count = kernel.ndim - 2
    if source.ndim != kernel.ndim or not 1 <= count <= 3:
        raise Refused(f"its weights have {kernel.ndim} dimensions and its input {source.ndim}; 3, 4 or 5 are read")
    steps, dilation = op.sizes("strides", count, 1), op.sizes("dilations", count, 1)
    extra, groups = op.sizes("output_padding", count, 0), op.integer("group", 1)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel.shape[2:], strict=True)]
    full = [s * (n - 1) + e + r for s, n, e, r in zip(steps, source.shape[1:], extra, reach, strict=True)]
    begin, end = _cut(op, source, steps, full)
    even = begin if begin == end else (0,) * count
    name = op.name if begin == end else f"{op.name}.whole"
    result = op.emit(ConvTranspose(name, (source.name,), kernel, _vector(bias), steps, even, extra, dilation, groups))
    if begin == end:
        return result
    return op.emit(Pad(op.name, (result.name,), tuple(-n for n in torch_order(begin, end))))


def _cut(op: Operator, x: Signal, steps: tuple[int, ...], full: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How much a transposed convolution leaves out at the beginning and at the end of each dimension."""
    automatic, wanted = op.text("auto_pad", "NOTSET"), op.attributes.get("output_shape")
    if automatic.startswith("SAME") and wanted is None:
        wanted = [n * s for n, s in zip(x.shape[1:], steps, strict=True)]
    if wanted is not None:
        total = [f - w for f, w in zip(full, wanted[-len(full) :], strict=True)]
        less, more = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
        begin, end = (less, more) if automatic == "SAME_UPPER" else (more, less)
    else:
        pads = op.sizes("pads", 2 * len(full), 0)
        begin, end = pads[: len(full)], pads[len(full) :]
    if min(*begin, *end) < 0:
        raise Refused("its output is larger than the convolution makes it; shorten output_shape")
    return begin, end


def gemm(op: Operator, x: Operand, matrix: Operand, bias: Operand | None = None) -> Signal:
    """`alpha · x M + beta · b`."""
    weight = weights(matrix) * op.real("alpha", 1.0)
    if op.integer("transA", 0):
        raise Refused("transposes its input, which mixes the samples of a batch")
    if not op.integer("transB", 0):
        weight = weight.t()
    offset = None
    if bias is not None:
        vector = weights(bias)
        if vector.numel() not in (1, weight.shape[0]) or (vector.ndim == 2 and vector.shape[0] != 1):
            raise Refused("its bias is not one value for each output")
        offset = (vector.reshape(-1) * op.real("beta", 1.0)).expand(weight.shape[0]).contiguous()
    return op.emit(Linear(op.name, (signal(x).name,), weight.contiguous(), offset))


def matmul(op: Operator, x: Operand, y: Operand) -> Signal:
    """`x y`, with a constant matrix on either side, or of two signals."""
    if isinstance(x, Signal) and isinstance(y, Signal):
        if min(x.ndim, y.ndim) < 3 or x.ndim != y.ndim:
            raise Refused("multiplies matrices that hold different samples; both inputs need the batch and two more")
        return op.emit(MatMul(op.name, (x.name, y.name)))
    if isinstance(x, Signal):
        return _times_matrix(op, x, weights(y))
    source = signal(y)
    if source.ndim < 3:
        raise Refused("mixes the samples of a batch")
    swap = (*range(source.ndim - 2), source.ndim - 1, source.ndim - 2)
    turned = op.emit(Permute(f"{op.name}.transpose", (source.name,), swap))
    product = op.emit(Linear(op.name, (turned.name,), _matrix(weights(x), source.ndim).contiguous()))
    return op.emit(Permute(f"{op.name}.transposed", (product.name,), swap))


def _times_matrix(op: Operator, x: Signal, matrix: Tensor) -> Signal:
    if x.ndim < 2:
        raise Refused("mixes the samples of a batch")
    if matrix.ndim == 1:
        product = op.emit(Linear(op.name, (x.name,), matrix.reshape(1, -1)))
        if x.ndim == 2:
            raise Refused("gives one number without a dimension for each sample; use a matrix with one column")
        return op.emit(Reshape(f"{op.name}.squeeze", (product.name,), product.shape[:-1]))
    return op.emit(Linear(op.name, (x.name,), _matrix(matrix, x.ndim).t().contiguous()))


def _matrix(value: Tensor, ndim: int) -> Tensor:
    """A constant factor as a matrix, if the dimensions in front of its last two are of size one."""
    if value.ndim < 2 or value.ndim > ndim or any(n != 1 for n in value.shape[:-2]):
        raise Refused(f"multiplies by a constant of shape {list(value.shape)}, which is not one matrix")
    return value.reshape(value.shape[-2:])


def batch_norm(op: Operator, x: Operand, scale: Operand, bias: Operand, mean: Operand, variance: Operand) -> Signal:
    """Batch normalisation with its trained statistics."""
    if op.integer("training_mode", 0):
        raise Refused("is in training mode; export the network after model.eval()")
    statistics = weights(mean), weights(variance)
    affine = weights(scale), weights(bias)
    return op.emit(BatchNorm(op.name, (signal(x).name,), *statistics, *affine, op.real("epsilon", 1e-5)))


def _vector(bias: Operand | None) -> Tensor | None:
    return None if bias is None else weights(bias)


def torch_order(begin: tuple[int, ...], end: tuple[int, ...]) -> tuple[int, ...]:
    """Amounts as `torch.nn.functional.pad` takes them: the last dimension first."""
    return tuple(n for pair in zip(reversed(begin), reversed(end), strict=True) for n in pair)


LAYERS: dict[str, Translator] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_norm,
}
