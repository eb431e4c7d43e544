"""What an operator of a torch.export graph is given, and how aten spells its arguments.

Each function here takes the arguments of one aten operator and calls what it means. Operators whose arguments are
those of the meaning itself stand in the table alone (`torch/operators.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from respike.frontends.semantics import activations, arithmetic, layers, matrices, pooling, products, recurrent, shaping
from respike.frontends.semantics.call import (
    Call,
    Layout,
    Operand,
    Refused,
    Result,
    Signal,
    any_numbers,
    anywhere,
    optional,
    signal,
    spread,
    weights,
)
from respike.frontends.semantics.layers import Sides, even_sides
from respike.frontends.semantics.meaning import means

Ints = Sequence[int]


@dataclass(frozen=True)
class TorchCall(Call):
    """One call in a graph; the export knows the shape of its result, `meta`, and `find` reads the layout off it."""

    meta: Tensor
    find: Callable[[Tensor], Layout]

    @property
    def layout(self) -> Layout:
        """The layout of the result."""
        return self.find(self.meta)


@means(arithmetic.sub)
def rsub(call: Call, x: Operand, y: Operand, alpha: float = 1) -> Signal:
    """`y - alpha · x`."""
    return arithmetic.sub(call, y, x, alpha)


@means(arithmetic.div, activations.floor)
def div(call: Call, x: Operand, y: Operand, rounding_mode: str | None = None) -> Signal:
    """Division, which may round down."""
    if rounding_mode not in (None, "floor"):
        raise Refused('cuts off towards zero, which no neuron does; use rounding_mode="floor"')
    quotient = arithmetic.div(call, x, y)
    return quotient if rounding_mode is None else activations.floor(call, quotient, "floor")


@means(activations.round_)
def round_(call: Call, x: Operand, *, decimals: int = 0) -> Signal:
    """Rounding to so many places."""
    return activations.round_(call, x, decimals)


@means(activations.rrelu)
def rrelu(
    call: Call, x: Operand, low: float = 1 / 8, high: float = 1 / 3, training: bool = False, *_: object
) -> Signal:
    """Randomised leaky ReLU, which is random in training only."""
    if training:
        raise Refused("is random: it runs as in training; pass training=self.training, or use nn.RReLU")
    return activations.rrelu(call, x, low, high)


@means(activations.prelu)
def prelu(call: Call, x: Operand, slope: Operand) -> Signal:
    """Slopes of the channels, dimension 1."""
    source = anywhere(x)
    if isinstance(slope, Tensor) and slope.numel() > 1:
        if not source.layout.is_plain:
            raise Refused("slopes for each channel need the channels in dimension 1")
        slope = slope.reshape(-1, *(1,) * (source.ndim - 2))
    return activations.prelu(call, source, slope)


def extreme(pairwise: Callable[..., Signal], along: Callable[..., Signal]) -> Callable[..., Result]:
    """`max` and `min`: of two values, or along a dimension, where the second result is not supported."""

    @means(pairwise, along)
    def translate(call: Call, x: Operand, other: Operand | None = None, keepdim: bool = False) -> Result:
        if isinstance(other, Signal | Tensor):
            return pairwise(call, x, other)
        return along(call, x, [] if other is None else [int(other)], keepdim), UNUSED

    return translate


UNUSED = torch.empty(0)
"""In the place of a result that serves training or holds indices; reading it is refused by `getitem`."""


def reduced(along: Callable[..., Signal]) -> Callable[..., Signal]:
    """A reduction over one dimension, several, or all."""

    @means(along)
    def translate(call: Call, x: Operand, dims: Ints | int | None = None, keepdim: bool = False, **_: object) -> Signal:
        return along(call, x, _several(dims), keepdim)

    return translate


def _several(values: Ints | int | None) -> Ints:
    return () if values is None else (values,) if isinstance(values, int) else values


@means(layers.linear)
def linear(call: Call, x: Operand, weight: Operand, bias: Operand | None = None) -> Signal:
    """`x Wᵀ + b`."""
    return layers.linear(call, x, weights(weight), optional(bias))


@means(layers.affine_product)
def addmm(call: Call, bias: Operand, x: Operand, matrix: Operand, beta: float = 1, alpha: float = 1) -> Signal:
    """`beta · b + alpha · x M`."""
    return layers.affine_product(call, x, weights(matrix), weights(bias), alpha, beta)


@means(layers.conv)
def conv(
    call: Call,
    x: Operand,
    weight: Operand,
    bias: Operand | None = None,
    stride: int | Ints = 1,
    padding: str | int | Ints = 0,
    dilation: int | Ints = 1,
    groups: int = 1,
) -> Signal:
    """Convolution; of uneven "same" padding torch puts the odd one behind."""
    kernel = weights(weight)
    count = kernel.ndim - 2
    dilated = spread(dilation, count)
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilated, kernel.shape[2:], strict=True)]
        sides: Sides = tuple((total // 2, total - total // 2) for total in totals)
    else:
        sides = even_sides(spread(0 if isinstance(padding, str) else padding, count))
    return layers.conv(
        call, x, kernel, optional(bias), stride=spread(stride, count), sides=sides, dilation=dilated, groups=groups
    )


@means(layers.conv_transpose)
def conv_transpose(
    call: Call,
    x: Operand,
    weight: Operand,
    bias: Operand | None = None,
    stride: int | Ints = 1,
    padding: int | Ints = 0,
    output_padding: int | Ints = 0,
    groups: int = 1,
    dilation: int | Ints = 1,
) -> Signal:
    """Transposed convolution."""
    kernel = weights(weight)
    count = kernel.ndim - 2
    return layers.conv_transpose(
        call,
        x,
        kernel,
        optional(bias),
        stride=spread(stride, count),
        crops=even_sides(spread(padding, count)),
        output_padding=spread(output_padding, count),
        dilation=spread(dilation, count),
        groups=groups,
    )


@means(layers.conv, layers.conv_transpose)
def convolution(
    call: Call,
    x: Operand,
    weight: Operand,
    bias: Operand | None,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    transposed: bool,
    output_padding: Ints,
    groups: int,
) -> Signal:
    """Convolution as decomposed graphs spell it."""
    if transposed:
        return conv_transpose(call, x, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv(call, x, weight, bias, stride, padding, dilation, groups)


@means(layers.batch_norm)
def batch_norm(
    call: Call,
    x: Operand,
    weight: Operand | None,
    bias: Operand | None,
    mean: Operand | None,
    variance: Operand | None,
    training: bool,
    momentum: float,
    epsilon: float,
    *_: object,
) -> Signal:
    """Batch normalisation, by its trained statistics or by those of each batch."""
    if training or mean is None or variance is None:
        raise Refused(
            "normalises by the statistics of each batch (track_running_stats=False, or training mode); "
            "call model.eval(), or train it with running statistics"
        )
    return layers.batch_norm(call, x, weights(mean), weights(variance), optional(weight), optional(bias), epsilon)


@means(layers.batch_norm)
def native_batch_norm(
    call: Call,
    x: Operand,
    weight: Operand | None,
    bias: Operand | None,
    mean: Operand,
    variance: Operand,
    momentum: float,
    epsilon: float,
) -> tuple[Signal, ...]:
    """The same in decomposed graphs; the other two results serve training only."""
    return (batch_norm(call, x, weight, bias, mean, variance, False, momentum, epsilon),)


@means(layers.batch_norm)
def batch_norm_training(call: Call, *_: object) -> Signal:
    """Batch normalisation that would use the statistics of the batch."""
    return batch_norm(call, 0.0, None, None, None, None, True, 0.0, 0.0)


@means(layers.layer_norm)
def layer_norm(
    call: Call,
    x: Operand,
    shape: Ints,
    weight: Operand | None = None,
    bias: Operand | None = None,
    epsilon: float = 1e-5,
    *_: object,
) -> Signal:
    """Normalisation of each sample's last dimensions."""
    return layers.layer_norm(call, x, shape, optional(weight), optional(bias), epsilon)


@means(layers.layer_norm)
def native_layer_norm(call: Call, *args: Any) -> tuple[Signal, ...]:
    """The same; the other two results serve training only."""
    return (layer_norm(call, *args),)


@means(layers.group_norm)
def group_norm(
    call: Call,
    x: Operand,
    groups: int,
    weight: Operand | None = None,
    bias: Operand | None = None,
    epsilon: float = 1e-5,
    *_: object,
) -> Signal:
    """Normalisation of each sample's groups of channels."""
    return layers.group_norm(call, x, groups, optional(weight), optional(bias), epsilon)


@means(layers.instance_norm)
def instance_norm(
    call: Call,
    x: Operand,
    weight: Operand | None,
    bias: Operand | None,
    mean: Operand | None,
    variance: Operand | None,
    use_sample: bool,
    momentum: float,
    epsilon: float,
    *_: object,
) -> Signal:
    """Normalisation of each sample's channels; with trained statistics it is a batch norm."""
    if not use_sample and mean is not None and variance is not None:
        return layers.batch_norm(call, x, weights(mean), weights(variance), optional(weight), optional(bias), epsilon)
    return layers.instance_norm(call, x, optional(weight), optional(bias), epsilon)


@means(layers.embedding)
def embedding(call: Call, table: Operand, x: Operand, *_: object) -> Signal:
    """Rows of a table, by whole numbers."""
    return layers.embedding(call, weights(table), x)


@means(pooling.average_pool)
def avg_pool(
    call: Call,
    x: Operand,
    kernel: int | Ints,
    stride: int | Ints = (),
    padding: int | Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Signal:
    """Mean over windows."""
    count = anywhere(x).ndim - 2
    size = spread(kernel, count)
    return pooling.average_pool(
        call,
        x,
        size,
        spread(stride, count) or size,
        even_sides(spread(padding, count)),
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor=divisor,
    )


@means(pooling.max_pool)
def max_pool(
    call: Call,
    x: Operand,
    kernel: int | Ints,
    stride: int | Ints = (),
    padding: int | Ints = 0,
    dilation: int | Ints = 1,
    ceil_mode: bool = False,
) -> Signal:
    """Maximum over windows."""
    count = anywhere(x).ndim - 2
    size = spread(kernel, count)
    return pooling.max_pool(
        call,
        x,
        size,
        spread(stride, count) or size,
        even_sides(spread(padding, count)),
        spread(dilation, count),
        ceil_mode=ceil_mode,
    )


@means(pooling.max_pool)
def max_pool_with_indices(call: Call, *args: Any, **kwargs: Any) -> tuple[Signal, ...]:
    """Maximum over windows; the second result, the indices, is not supported."""
    return (max_pool(call, *args, **kwargs),)


@means(pooling.adaptive_average_pool)
def adaptive_avg_pool(call: TorchCall, x: Operand, output_size: int | Ints) -> Signal:
    """Mean over windows that give a fixed output size."""
    return pooling.adaptive_average_pool(call, x, call.layout.shape[1:])


@means(pooling.adaptive_max_pool)
def adaptive_max_pool(call: TorchCall, x: Operand, output_size: int | Ints) -> tuple[Signal, ...]:
    """Maximum over windows that give a fixed output size; the second result, the indices, is not supported."""
    return (pooling.adaptive_max_pool(call, x, call.layout.shape[1:]),)


@means(products.softmax)
def softmax(call: Call, x: Operand, dim: int, *_: object) -> Signal:
    """`exp(x) / Σ exp(x)` along a dimension."""
    return products.softmax(call, x, dim)


@means(products.log_softmax)
def log_softmax(call: Call, x: Operand, dim: int, *_: object) -> Signal:
    """`x - log Σ exp(x)` along a dimension."""
    return products.log_softmax(call, x, dim)


@means(products.attention)
def attention(
    call: Call,
    query: Operand,
    key: Operand,
    value: Operand,
    mask: Operand | None = None,
    dropout: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Signal:
    """`softmax(scale · Q Kᵀ + mask) V` over the last two dimensions."""
    if dropout:
        raise Refused("has dropout that is on; pass dropout_p=p if self.training else 0.0")
    if enable_gqa:
        raise Refused("shares keys between groups of heads (enable_gqa); repeat the keys and values before it")
    return products.attention(call, query, key, value, mask, is_causal=is_causal, scale=scale)


@means(shaping.unchanged)
def dropout(call: Call, x: Operand, rate: float, training: bool) -> Signal:
    """Nothing, unless it was told to run as in training."""
    if training and rate:
        raise Refused(
            "is random: it runs as in training; pass F.dropout(..., training=self.training), or use nn.Dropout"
        )
    return shaping.unchanged(call, x)


@means(shaping.unchanged)
def native_dropout(call: Call, x: Operand, rate: float, training: bool | None = None) -> tuple[Signal, ...]:
    """The same in decomposed graphs."""
    return (dropout(call, x, rate, bool(training)),)


def interpolation(mode: str, *, antialias: bool = False) -> Callable[..., Result]:
    """Interpolation of `[batch, channels, *space]`, dimension by dimension, each by torch's own matrix."""
    nearest = mode.startswith("nearest")

    @means(matrices.resample)
    def interpolate(call: Call, x: Operand, size: Ints | None, *options: object) -> Result:
        """Options are align_corners where the mode has it, and the scales."""
        count = signal(x).ndim - 2
        align = None if nearest else bool(options[0])
        given = options[-1] if options and isinstance(options[-1], list | tuple) else None
        scales: Sequence[float | None] = given or (None,) * count
        targets: Sequence[int | None] = size or (None,) * count
        pairs = enumerate(zip(targets, scales, strict=True), start=2)
        maps = {
            dim: matrices.interpolation(target, scale, mode, align=align, antialias=antialias)
            for dim, (target, scale) in pairs
        }
        return matrices.resample(call, x, maps)

    return interpolate


@means(matrices.pad)
def pad(call: Call, x: Operand, amounts: Ints, mode: str = "constant", value: float | None = None) -> Signal:
    """A constant around the input, or its own elements."""
    return matrices.pad(call, x, amounts, mode, value or 0.0)


@means(matrices.pad)
def constant_pad(call: Call, x: Operand, amounts: Ints, value: float = 0.0) -> Signal:
    """A constant around the input."""
    return matrices.pad(call, x, amounts, "constant", value)


@means(matrices.expand)
def expand(call: TorchCall, x: Operand, *_: object, **__: object) -> Signal:
    """Dimensions of one element repeated to the size that the graph says."""
    source = anywhere(x)
    if call.layout.ndim != source.ndim or call.layout.batch != source.layout.batch:
        raise Refused("adds dimensions in front of the batch; unsqueeze the input first")
    return matrices.expand(call, source, call.layout.shape)


@means(matrices.repeat_interleave)
def repeat_interleave(call: Call, x: Operand, times: int, dim: int | None = None, **_: object) -> Signal:
    """Each element along a dimension so and so often."""
    if dim is None or not isinstance(times, int):
        raise Refused("repeats the flattened batch, or elements by different numbers; name the dimension, one number")
    return matrices.repeat_interleave(call, x, times, dim)


@means(matrices.cumulative_sum)
def cumulative_sum(call: Call, x: Operand, dim: int, **_: object) -> Signal:
    """The sum of all elements so far along a dimension."""
    return matrices.cumulative_sum(call, x, dim)


@means(shaping.gather)
def index_select(call: Call, x: Operand, dim: int, index: Operand) -> Signal:
    """Elements along a dimension by fixed numbers."""
    if not isinstance(index, Tensor) or index.ndim > 1:
        raise Refused("picks elements by numbers that depend on the input, or by a table of numbers")
    return shaping.gather(call, x, dim, index.reshape(-1).tolist())


@means(shaping.gather)
def index(call: Call, x: Operand, indices: Sequence[Operand | None]) -> Signal:
    """Elements along one dimension by a fixed list of numbers, `x[:, [2, 0, 1]]`."""
    match [(dim, numbers) for dim, numbers in enumerate(indices) if numbers is not None]:
        case [(dim, Tensor(ndim=1) as numbers)]:
            return index_select(call, x, dim, numbers.nonzero() if numbers.dtype == torch.bool else numbers)
        case _:
            raise Refused("picks elements along several dimensions at once, or by numbers that depend on the input")


@means(shaping.reshape)
def reshape(call: TorchCall, x: Operand, *_: object, **__: object) -> Signal:
    """The same elements in the shape that the graph says (view, flatten, squeeze, unsqueeze)."""
    return shaping.relayout(call, x, call.layout)


@means(shaping.slice_)
def slice_(
    call: TorchCall, x: Operand, dim: int = 0, start: int | None = None, stop: int | None = None, step: int = 1
) -> Signal:
    """Elements `start, start + step, … < stop` along a dimension."""
    source = any_numbers(x)
    if dim % source.ndim == source.layout.batch and call.layout.shape == source.shape and not start:
        return source  # x[:], which is part of x[:, 1:]; that the batch stays whole is checked for every operator
    return shaping.slice_(call, source, dim, start, stop, step)


@means(shaping.slice_)
def narrow(call: TorchCall, x: Operand, dim: int, start: int, length: int) -> Signal:
    """`length` elements from `start` on."""
    return slice_(call, x, dim, start, start + length)


def getitem(call: Call, items: Sequence[Signal | Tensor], index: int) -> Result:
    """One of several results."""
    if index >= len(items) or items[index] is UNUSED:
        raise Refused("uses a second result (the indices of a maximum?); only the values can be converted")
    return items[index]


@means(shaping.roll)
def roll(call: Call, x: Operand, shifts: int | Ints, dims: int | Ints = ()) -> Signal:
    """The last elements of a dimension put in front of the others."""
    if dims == ():
        raise Refused("rolls the flattened batch; name the dimensions")
    return shaping.roll(call, x, _several(shifts), _several(dims))


@means(shaping.unchanged)
def unchanged(call: Call, x: Operand, *_: object, **__: object) -> Signal:
    """The input itself."""
    return shaping.unchanged(call, x)


def filled(value: float | None = None) -> Callable[..., Tensor]:
    """A constant for one sample in the shape that the graph says: `zeros_like`, `new_ones`, `full_like`."""

    @means(shaping.filled_like)
    def translate(call: TorchCall, x: Operand, *given: Any, **_: object) -> Tensor:
        shape = [n if type(n) is int else 1 for n in call.meta.shape]
        return torch.full(shape, given[-1] if value is None else value, dtype=call.dtype, device=call.device)

    return translate


def recurrent_layer(kind: str) -> Callable[..., tuple[Signal, ...]]:
    """`torch.nn.RNN`, `GRU` and `LSTM`, whose initial state is a pair."""

    @means(recurrent.unroll)
    def translate(
        call: Call,
        x: Operand,
        initial: Operand | Sequence[Operand],
        parameters: Sequence[Operand],
        biases: bool,
        count: int,
        dropout: float,
        training: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Signal, ...]:
        recurrent.check_initial(initial if isinstance(initial, Sequence) else [initial])
        batch = 0 if batch_first else 1
        sequence = recurrent.time_steps(call, x, batch)
        last: list[recurrent.State] = []
        for number, directions in enumerate(_layers(parameters, biases, count, 2 if bidirectional else 1)):
            name = f".l{number}" if count > 1 else ""
            layer = recurrent.unroll(call, kind, sequence, directions, layer=name)
            sequence = recurrent.joined(call, layer)
            last.extend(layer.last)
        outputs = recurrent.stacked(call, sequence, batch)
        return (outputs, *(recurrent.stacked(call, names, 1) for names in zip(*last, strict=True)))

    return translate


def _layers(parameters: Sequence[Operand], biases: bool, count: int, directions: int) -> list[list[recurrent.Weights]]:
    """Layer by layer, forward and backward, as PyTorch orders the parameters."""
    each = 4 if biases else 2
    if len(parameters) != count * directions * each:
        raise Refused("projects its hidden state (proj_size), which is not supported; put a Linear layer behind it")
    tensors = [weights(parameter) for parameter in parameters]
    own = [recurrent.Weights(*tensors[start : start + each]) for start in range(0, len(tensors), each)]
    return [own[start : start + directions] for start in range(0, len(own), directions)]
