"""Random torch modules over the operator set: residuals, concatenations, gates, attention, reuse, odd shapes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor, nn

Shape: TypeAlias = tuple[int, ...]
"""With the batch."""
Draw: TypeAlias = st.DrawFn
Step: TypeAlias = Callable[..., Tensor]
"""Of one signal, or of two."""

BATCH = 3
LARGEST = 400
"""Elements of a sample that a value may have."""
WORDS = 6
"""The entries of tables that whole numbers are looked up in."""

CONVS = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}
TRANSPOSED = {3: nn.ConvTranspose1d, 4: nn.ConvTranspose2d, 5: nn.ConvTranspose3d}
BATCH_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
INSTANCE_NORMS = {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}
AVG_POOLS: dict[int, Callable[..., Step]] = {3: nn.AvgPool1d, 4: nn.AvgPool2d, 5: nn.AvgPool3d}
MAX_POOLS = {3: nn.MaxPool1d, 4: nn.MaxPool2d, 5: nn.MaxPool3d}
ADAPTIVE = {
    3: (nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d),
    4: (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
    5: (nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool3d),
}
LINEAR_MODES = {3: "linear", 4: "bilinear", 5: "trilinear"}

ACTIVATIONS: tuple[Step, ...] = (
    F.relu,
    F.relu6,
    torch.sigmoid,
    torch.tanh,
    F.silu,
    F.gelu,
    F.elu,
    F.selu,
    F.celu,
    F.rrelu,
    F.hardswish,
    F.hardsigmoid,
    F.hardtanh,
    F.leaky_relu,
    torch.abs,
    nn.PReLU(),
    nn.ReLU(inplace=True),
    nn.LeakyReLU(0.3, inplace=True),
    nn.GELU("tanh"),
    lambda x: x.clamp(-0.3, 0.6),
    lambda x: x * torch.sigmoid(x),
    lambda x: x * F.hardsigmoid(x),
    lambda x: x * F.relu6(x + 3) / 6,
    lambda x: x.clone().clamp_(min=0.1),
)
GATES: tuple[Step, ...] = (torch.sigmoid, F.hardsigmoid, torch.tanh)
UNSUPPORTED: tuple[Step, ...] = (
    F.mish,
    F.softplus,
    torch.exp,
    lambda x: x.flip(0),
    lambda x: x - x.mean(0, keepdim=True),
    lambda x: x.sort(1)[0],
    lambda x: torch.where(x > 0, x, 0.5 * x),
    lambda x: x.prod(1, keepdim=True),
    lambda x: x.reshape(-1)[: x.shape[0]].unsqueeze(1),
    lambda x: torch.cat([x, x])[: x.shape[0]],
    lambda x: x.cumprod(-1),
    lambda x: x / x.norm(dim=1, keepdim=True),
)


class RandomModel(nn.Module):
    """Steps on a growing list of values; the last values are the outputs."""

    def __init__(self, steps: list[tuple[Step, tuple[int, ...]]], outputs: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(dict.fromkeys(step for step, _ in steps if isinstance(step, nn.Module)))
        self.steps = steps
        self.outputs = outputs

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        values = list(inputs)
        for step, operands in self.steps:
            values.append(step(*(values[i] for i in operands)))
        return tuple(values[i] for i in self.outputs)


@st.composite
def models(draw: Draw, *, longest: int = 7) -> tuple[RandomModel, tuple[Tensor, ...]]:
    """A random module in evaluation mode, in float64, with inputs that it runs on."""
    torch.manual_seed(draw(st.integers(0, 2**31)))
    shapes = draw(st.lists(st.sampled_from(INPUTS), min_size=1, max_size=2))
    inputs = tuple(torch.randn(BATCH, *shape, dtype=torch.float64) for shape in shapes)
    steps: list[tuple[Step, tuple[int, ...]]] = []
    if draw(st.integers(0, 7)) == 0:  # whole numbers, which an embedding looks up
        inputs = (*inputs, torch.randint(0, WORDS, (BATCH, draw(st.integers(1, 5)))))
        steps.append((nn.Embedding(WORDS, 3).double(), (len(inputs) - 1,)))
    values = [*inputs, *(step(inputs[-1]).detach() for step, _ in steps)]
    for _ in range(draw(st.integers(1, longest))):
        try:
            step, operands = _step(draw, steps, values)
            with torch.no_grad(), warnings.catch_warnings(action="ignore"):
                value = step(*(values[i].clone() for i in operands))
        except (RuntimeError, ValueError, IndexError, KeyError, TypeError):
            continue  # a layer that does not exist for this rank, or cannot take the shape
        if 0 < value[0].numel() <= LARGEST and bool(torch.isfinite(value).all()) and value.shape[0] == BATCH:
            steps.append((step, operands))
            values.append(value)
    outputs = (len(values) - 1, draw(st.integers(len(inputs), len(values) - 1))) if steps else (0,)
    return RandomModel(steps, outputs).double().eval(), inputs


INPUTS: tuple[Shape, ...] = ((5,), (4, 6), (3, 7), (4, 5, 6), (2, 7, 3), (1, 6, 6), (6, 1, 5), (2, 3, 4, 3))


def _step(draw: Draw, steps: list[tuple[Step, tuple[int, ...]]], values: list[Tensor]) -> tuple[Step, tuple[int, ...]]:
    """The next step, on one of the last values or on two."""
    source = draw(st.integers(max(0, len(values) - 3), len(values) - 1))
    other = draw(st.integers(0, len(values) - 1))
    kind = draw(st.sampled_from(KINDS))
    match kind:
        case "reuse" if layers := [step for step, operands in steps if len(operands) == 1]:
            return draw(st.sampled_from(layers)), (source,)
        case "pair":
            return draw(st.sampled_from(PAIRS)), (source, other)
        case "unsupported":
            return draw(st.sampled_from(UNSUPPORTED)), (source,)
        case "layer":
            step = draw(st.sampled_from(LAYERS))(draw, tuple(values[source].shape))
            return (step.double().eval() if isinstance(step, nn.Module) else step), (source,)
        case _:
            return draw(st.sampled_from(ACTIVATIONS)), (source,)


KINDS = (*("layer", "layer", "layer", "layer", "pair", "activation", "reuse") * 3, "unsupported")


def _gate(x: Tensor, y: Tensor) -> Tensor:
    return x * torch.sigmoid(y.mean(tuple(range(2, y.ndim)), keepdim=True) if y.ndim > 2 else y)


PAIRS: tuple[Step, ...] = (
    lambda x, y: x + y,
    lambda x, y: x - 0.5 * y,
    lambda x, y: x * y,
    lambda x, y: x / (1 + y * y),
    lambda x, y: torch.cat([x, y], 1),
    lambda x, y: torch.cat([y, F.relu(x), y], -1),
    lambda x, y: torch.stack([x, y], 2).flatten(1, 2),
    lambda x, y: torch.maximum(x, y),
    lambda x, y: torch.minimum(x, y),
    lambda x, y: x @ y.transpose(-1, -2),
    lambda x, y: torch.softmax(x @ y.transpose(1, 2), -1) @ y,
    lambda x, y: F.scaled_dot_product_attention(x, y, y),
    lambda x, y: x.add_(y),
    _gate,
)


def _sizes(draw: Draw, shape: Shape, low: int, high: int) -> tuple[int, ...]:
    """A size for each spatial dimension."""
    return tuple(draw(st.integers(low, high)) for _ in shape[2:])


def _conv(draw: Draw, shape: Shape) -> Step:
    groups = draw(st.sampled_from([g for g in (1, 2, shape[1]) if shape[1] % g == 0]))
    padding: Any = draw(st.sampled_from([0, 1, "same", _sizes(draw, shape, 0, 2)]))
    return CONVS[len(shape)](
        shape[1],
        groups * draw(st.integers(1, 2)),
        _sizes(draw, shape, 1, 3),  # type: ignore[arg-type]
        stride=1 if padding == "same" else _sizes(draw, shape, 1, 2),  # type: ignore[arg-type]
        padding=padding,
        dilation=_sizes(draw, shape, 1, 2),  # type: ignore[arg-type]
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(["zeros", "zeros", "reflect", "circular", "replicate"])),
    )


def _transposed(draw: Draw, shape: Shape) -> Step:
    stride = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([g for g in (1, shape[1]) if shape[1] % g == 0]))
    return TRANSPOSED[len(shape)](
        shape[1],
        2 * groups,
        _sizes(draw, shape, 1, 3),  # type: ignore[arg-type]
        stride,
        padding=draw(st.integers(0, 1)),
        output_padding=draw(st.integers(0, stride - 1)),
        groups=groups,
        bias=draw(st.booleans()),
        dilation=draw(st.integers(1, 2)),
    )


def _normed(draw: Draw, shape: Shape) -> Step:
    """An activation, a batch norm behind it, and zero padding behind that: folding must not touch the border."""
    conv = CONVS[len(shape)](shape[1], 2, 3, padding=1)
    return nn.Sequential(draw(st.sampled_from([nn.ReLU(), nn.ReLU6()])), _batch_norm(shape), conv)


def _residual(draw: Draw, shape: Shape) -> Step:
    """A residual block whose one ReLU is called twice."""
    return Residual(shape, kernel=draw(st.sampled_from([1, 3])))


class Residual(nn.Module):
    """Convolution, batch norm, ReLU, convolution, the input, the same ReLU."""

    def __init__(self, shape: Shape, kernel: int) -> None:
        super().__init__()
        conv, channels = CONVS[len(shape)], shape[1]
        self.conv1, self.conv2 = (conv(channels, channels, kernel, padding=kernel // 2, bias=False) for _ in range(2))
        self.norm, self.relu = _batch_norm(shape), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.conv2(self.relu(self.norm(self.conv1(x)))) + x)  # type: ignore[no-any-return]


def _excite(draw: Draw, shape: Shape) -> Step:
    """Squeeze and excitation."""
    return SqueezeExcite(shape, draw(st.sampled_from(GATES)))


class SqueezeExcite(nn.Module):
    """A signal times a gate for each channel, which its means give."""

    def __init__(self, shape: Shape, gate: Step) -> None:
        super().__init__()
        self.narrow, self.widen = nn.Linear(shape[1], 2), nn.Linear(2, shape[1])
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean(tuple(range(2, x.ndim)))
        gate = self.gate(self.widen(F.relu(self.narrow(means))))
        return x * gate.reshape(*gate.shape, *(1,) * (x.ndim - 2))


def _tied(draw: Draw, shape: Shape) -> Step:
    """One matrix used twice, once transposed, as tied embeddings are."""
    return Tied(shape[-1], draw(st.integers(1, 4)))


class Tied(nn.Module):
    """An autoencoder with tied weights."""

    def __init__(self, features: int, code: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(code, features))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(F.relu(F.linear(x, self.weight)), self.weight.T)


def _norm(draw: Draw, shape: Shape) -> Step:
    match draw(st.sampled_from(["batch", "batch", "layer", "written out", "group", "instance"])):
        case "layer":
            return nn.LayerNorm(shape[draw(st.integers(1, len(shape) - 1)) :], eps=0.1)
        case "written out":
            dims = draw(st.lists(st.integers(1, len(shape) - 1), min_size=1, unique=True))
            return lambda x: (x - x.mean(dims, keepdim=True)) / (x.std(dims, correction=0, keepdim=True) + 0.1)
        case "group":
            return nn.GroupNorm(draw(st.sampled_from([g for g in (1, 2, 3) if shape[1] % g == 0])), shape[1], eps=0.1)
        case "instance":
            return INSTANCE_NORMS[len(shape)](shape[1], eps=0.1, affine=draw(st.booleans()))
        case _:
            return _batch_norm(shape)


def _batch_norm(shape: Shape) -> nn.Module:
    module: nn.Module = BATCH_NORMS[len(shape)](shape[1], eps=0.1)
    module.get_buffer("running_mean").normal_()
    module.get_buffer("running_var").uniform_(0.1, 2.0)
    nn.init.normal_(module.get_parameter("weight"))
    nn.init.normal_(module.get_parameter("bias"))
    return module


def _leaky(draw: Draw, shape: Shape) -> Step:
    """Units with a slope of their own for each channel, or gated halves."""
    match draw(st.integers(0, 2)):
        case 0:
            module = nn.PReLU(shape[1])
            nn.init.normal_(module.weight)
            return module
        case 1:
            return lambda x: F.glu(x, 1)
        case _:
            return lambda x: F.leaky_relu(x, -0.5)


def _pool(draw: Draw, shape: Shape) -> Step:
    size, stride, ceil_mode = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.booleans())
    padding = draw(st.integers(0, size // 2))
    match draw(st.sampled_from(["avg", "max", "adaptive"])):
        case "avg":
            counted = draw(st.booleans())
            if len(shape) > 3 and draw(st.booleans()):
                return AVG_POOLS[len(shape)](size, stride, padding, ceil_mode, counted, divisor_override=3)
            return AVG_POOLS[len(shape)](size, stride, padding, ceil_mode, counted)
        case "max":
            return MAX_POOLS[len(shape)](size, stride, padding, draw(st.integers(1, 2)), ceil_mode=ceil_mode)
        case _:
            pool: Callable[[int], Step] = draw(st.sampled_from(ADAPTIVE[len(shape)]))
            return pool(draw(st.integers(1, 4)))


def _upsample(draw: Draw, shape: Shape) -> Step:
    mode = draw(st.sampled_from(["nearest", "nearest-exact", LINEAR_MODES[len(shape)]]))
    align = draw(st.booleans()) if mode.endswith("linear") else None
    if draw(st.booleans()):
        size = tuple(draw(st.integers(1, 7)) for _ in shape[2:])
        return lambda x: F.interpolate(x, size, mode=mode, align_corners=align)
    factor = draw(st.sampled_from([0.7, 1.5, 2.0]))
    return lambda x: F.interpolate(x, scale_factor=factor, mode=mode, align_corners=align)


def _pad(draw: Draw, shape: Shape) -> Step:
    dims = draw(st.integers(1, len(shape) - 1))
    mode = draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    least = 0 if mode == "circular" else -1  # torch's circular padding reads unset memory where it crops, too
    amounts = [draw(st.integers(least, 2)) for _ in range(2 * dims)]
    return lambda x: F.pad(x, amounts, mode, 0.5 if mode == "constant" else None)


def _linear(draw: Draw, shape: Shape) -> Step:
    return nn.Linear(shape[-1], draw(st.integers(1, 6)), bias=draw(st.booleans()))


def _moved(draw: Draw, shape: Shape) -> Step:
    """Permuting, reshaping, merging into the batch and back."""
    dims = draw(st.permutations(range(1, len(shape))))
    match draw(st.integers(0, 5)):
        case 0:
            return lambda x: x.permute(0, *dims)
        case 1:
            return lambda x: x.flatten(1)
        case 2:
            return lambda x: x.transpose(1, -1).flatten(1).unflatten(1, (shape[-1], -1))
        case 3:
            return lambda x: F.relu(x.reshape(-1, *shape[2:])).reshape(-1, *shape[1:])
        case 4:
            return lambda x: torch.stack([x, -x]).transpose(0, 1).flatten(1, 2)
        case _:
            return lambda x: x.unsqueeze(1).expand(-1, 2, *(-1,) * (len(shape) - 1)).flatten(1, 2)


def _cut(draw: Draw, shape: Shape) -> Step:
    """Slices, chunks and what puts them together otherwise."""
    dim = draw(st.integers(1, len(shape) - 1))
    size = shape[dim]
    start, count = draw(st.integers(0, size - 1)), draw(st.integers(1, 3))
    match draw(st.integers(0, 8)):
        case 0:
            return lambda x: x.narrow(dim, start, size - start)
        case 1:
            return lambda x: torch.cat(x.chunk(count, dim)[::-1], dim)
        case 2:
            return lambda x: x.roll(start, dim)
        case 3:
            return lambda x: x.flip(dim) + x.repeat_interleave(2, dim).narrow(dim, start, size)
        case 4:
            return lambda x: x.index_select(dim, torch.tensor([start, 0]))
        case 5:
            return lambda x: torch.cat([torch.ones(x.shape[0], *shape[1:], dtype=x.dtype), x], dim)
        case 6:
            return lambda x: x.cumsum(dim)
        case 7:
            return lambda x: F.pixel_shuffle(x, 2) if x.ndim == 4 else x.amax(dim, keepdim=True)
        case _:
            return lambda x: x[:, ::count]


def _fixed(draw: Draw, shape: Shape) -> Step:
    """Places chosen by a fixed mask or written over, and operators that torch defines by others."""
    dim = draw(st.integers(1, len(shape) - 1))
    start = draw(st.integers(0, shape[dim] - 1))
    mask = torch.randn(shape[draw(st.integers(1, len(shape) - 1)) :]) > 0
    match draw(st.integers(0, 7)):
        case 0:
            return lambda x: x.masked_fill(mask, 0.7)
        case 1:
            return lambda x: torch.where(mask, x, -x)
        case 2:
            return lambda x: torch.hstack([x, x * 2])
        case 3:
            return lambda x: torch.einsum("b...c,c->b...", x, torch.arange(shape[-1], dtype=x.dtype))
        case 4:
            return lambda x: x.tril() if x.ndim > 2 else torch.diag_embed(x)
        case 5:
            return lambda x: torch.lerp(x, x.flip(dim), 0.3)
        case 6:
            return lambda x: x.index_select(dim, mask.flatten().nonzero()[:, 0].clamp(max=start))
        case _:
            return lambda x: torch.slice_scatter(x, -x.narrow(dim, start, 1), dim, start, start + 1)


def _repeated(draw: Draw, shape: Shape) -> Step:
    """The whole signal several times along a dimension, and what has to know the new sizes behind it."""
    times = [1, *(draw(st.sampled_from([1, 1, 2, 3])) for _ in shape[1:])]
    match draw(st.integers(0, 4)):
        case 0:
            return lambda x: x.repeat(times)
        case 1:
            return lambda x: x.tile(times)
        case 2:
            return lambda x: x.repeat(times).flatten(1)
        case 3:
            return lambda x: torch.cat(x.tile(times).chunk(2, 1)[::-1], 1)
        case _:
            return lambda x: x.repeat(times)[:, ::2].unsqueeze(1)


def _made(draw: Draw, shape: Shape) -> Step:
    """Constants made from a signal's shape."""
    match draw(st.integers(0, 4)):
        case 0:
            return lambda x: torch.cat([x, torch.zeros_like(x)], 1)
        case 1:
            return lambda x: torch.cat([torch.ones_like(x[:, :1]), x], 1)
        case 2:
            return lambda x: x * torch.full_like(x, 0.5) + x.new_ones(x.shape[0], *shape[1:])
        case 3:
            return lambda x: torch.stack([x, x.new_zeros(x.size(0), *shape[1:])], 1)
        case _:
            return lambda x: x + torch.arange(shape[-1], dtype=x.dtype).sin()


def _linear_sums(draw: Draw, shape: Shape) -> Step:
    """Blocks `x + conv(x)` one behind the other, with no activation between them."""
    return Sums(shape, draw(st.integers(2, 5)))


class Sums(nn.Module):
    """A chain of linear residual additions."""

    def __init__(self, shape: Shape, blocks: int) -> None:
        super().__init__()
        conv, channels = CONVS[len(shape)], shape[1]
        self.blocks = nn.ModuleList(conv(channels, channels, 3, padding=1) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + block(x)
        return x


def _extreme(draw: Draw, shape: Shape) -> Step:
    """Maxima and minima along any dimension, in their two spellings."""
    dim = draw(st.integers(1, len(shape) - 1))
    match draw(st.integers(0, 3)):
        case 0:
            return lambda x: x.amax(dim, keepdim=True)
        case 1:
            return lambda x: torch.max(x, dim, keepdim=True)[0]
        case 2:
            return lambda x: x.min(dim, keepdim=True).values + x
        case _:
            return lambda x: x.amin(tuple(range(1, len(shape))), keepdim=True) * 2 + x


def _reduced(draw: Draw, shape: Shape) -> Step:
    dims = draw(st.lists(st.integers(1, len(shape) - 1), min_size=1, max_size=2, unique=True))
    keep = draw(st.booleans()) or len(shape) == 2
    function = draw(st.sampled_from([torch.mean, torch.sum]))
    return lambda x: function(x, dims, keepdim=keep)


def _constant(draw: Draw, shape: Shape) -> Step:
    """Arithmetic with constants."""
    constant = torch.randn(shape[draw(st.integers(1, len(shape) - 1)) :], dtype=torch.float64)
    dim = draw(st.integers(1, len(shape) - 1))
    match draw(st.integers(0, 3)):
        case 0:
            return lambda x: x * constant + 0.3
        case 1:
            return lambda x: constant - x / 3
        case 2:
            return lambda x: torch.softmax(x, dim)
        case _:
            return lambda x: x.neg().mul_(2).sub(constant, alpha=2)


LAYERS: tuple[Callable[[Draw, Shape], Step], ...] = (
    _conv,
    _conv,
    _conv,
    _transposed,
    _normed,
    _residual,
    _excite,
    _tied,
    _leaky,
    _norm,
    _norm,
    _pool,
    _pool,
    _upsample,
    _pad,
    _linear,
    _moved,
    _moved,
    _cut,
    _cut,
    _reduced,
    _constant,
    _repeated,
    _made,
    _linear_sums,
    _extreme,
    _fixed,
)
