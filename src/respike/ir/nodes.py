"""The nodes of a network: small frozen values, one per kind of map.

Every node but `Input`, `Activation`, the max pools and the analog nodes is an **affine map**. Shapes are per sample,
without the batch dimension; dimensions (`dim`, `dims`) count with the batch as dimension 0, as in PyTorch. `name` is
what the user knows (`layer1.0.conv2`); `inputs` are the names of the nodes it reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from respike.ir.functions import Function


@dataclass(frozen=True, eq=False)
class Input:
    """What the network is given; `shape` is one sample's shape.

    Args:
        shape: one sample's shape.
    """

    name: str
    inputs: tuple[()]
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Linear:
    """`y = x Wᵀ + b` over the last dimension; weight `[out, in]`, bias `[out]`.

    Args:
        weight: `[out, in]`.
        bias: `[out]`, or None.
    """

    name: str
    inputs: tuple[str]
    weight: Tensor
    bias: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Conv:
    """Cross-correlation in 1, 2 or 3 dimensions; weight `[out, in / groups, *kernel]`, zero padding on both sides.

    Args:
        weight: `[out, in / groups, *kernel]`.
        bias: `[out]`, or None.
        stride: in each dimension.
        padding: zeros on both sides of each dimension.
        dilation: distance between the kernel's elements.
        groups: of channels that are not connected with each other.
    """

    name: str
    inputs: tuple[str]
    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1


@dataclass(frozen=True, eq=False)
class ConvTranspose:
    """Transposed convolution, whose matrix is that of a `Conv` transposed; weight `[in, out / groups, *kernel]`.

    A dimension of `n` elements gets `(n - 1) · stride - 2 · padding + dilation · (kernel - 1) + output_padding + 1`.

    Args:
        weight: `[in, out / groups, *kernel]`.
        bias: `[out]`, or None.
        stride: in each dimension.
        padding: elements cut off on both sides of each dimension.
        output_padding: elements added at the end of each dimension.
        dilation: distance between the kernel's elements.
        groups: of channels that are not connected with each other.
    """

    name: str
    inputs: tuple[str]
    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1


@dataclass(frozen=True, eq=False)
class FixedLinear:
    """`y = M x` along the one dimension `dim`, with a matrix M `[out, in]` that nobody trained.

    Interpolation, means and sums, repetition, reflection and rolling are this. It wires neurons and is no layer: where
    M is zero nothing is connected, and its products are not counted as multiply-accumulates, as those of pooling.

    Args:
        dim: the dimension that M acts along.
        matrix: M, `[out, in]`.
    """

    name: str
    inputs: tuple[str]
    dim: int
    matrix: Tensor


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """`y = (x - mean) / sqrt(variance + epsilon) · weight + bias` per channel (dimension 1), trained statistics.

    Args:
        mean: `[channels]`.
        variance: `[channels]`.
        weight: `[channels]`, or None for 1.
        bias: `[channels]`, or None for 0.
        epsilon: added to the variance.
    """

    name: str
    inputs: tuple[str]
    mean: Tensor
    variance: Tensor
    weight: Tensor | None
    bias: Tensor | None
    epsilon: float


@dataclass(frozen=True, eq=False)
class ElementwiseAffine:
    """`y = scale · x + shift`, both broadcast against the batch `[batch, *shape]`.

    Args:
        scale: broadcast against the batch.
        shift: broadcast against the batch.
    """

    name: str
    inputs: tuple[str]
    scale: Tensor
    shift: Tensor


@dataclass(frozen=True, eq=False)
class AvgPool:
    """Mean over windows, as `torch.nn.AvgPool1d/2d/3d` (`divisor` replaces the window's size).

    Args:
        kernel: the window's size.
        stride: from one window to the next.
        padding: zeros on both sides of each dimension.
        ceil_mode: whether a window may reach past the end.
        count_include_pad: whether zeros of the padding count in the mean.
        divisor: divides the sum in place of the window's size.
    """

    name: str
    inputs: tuple[str]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor: int | None = None


@dataclass(frozen=True, eq=False)
class AdaptiveAvgPool:
    """Mean over windows chosen so that the output has `output_size`; size 1 is global average pooling.

    Args:
        output_size: in each dimension.
    """

    name: str
    inputs: tuple[str]
    output_size: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class MaxPool:
    """Maximum over windows, as `torch.nn.MaxPool1d/2d/3d`. Not affine.

    Args:
        kernel: the window's size.
        stride: from one window to the next.
        padding: on both sides of each dimension.
        dilation: distance between the window's elements.
        ceil_mode: whether a window may reach past the end.
    """

    name: str
    inputs: tuple[str]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil_mode: bool = False


@dataclass(frozen=True, eq=False)
class AdaptiveMaxPool:
    """Maximum over windows chosen so that the output has `output_size`. Not affine.

    Args:
        output_size: in each dimension.
    """

    name: str
    inputs: tuple[str]
    output_size: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Activation:
    """A non-linear function of each element. Conversion puts a population of spiking neurons here.

    In an unrolled recurrent network the same neurons stand at several nodes, one for each time step; `population` is
    then their common name. Elsewhere it is empty.

    Args:
        function: what it computes of each element.
        population: the common name of the neurons in an unrolled recurrent network.
    """

    name: str
    inputs: tuple[str]
    function: Function
    population: str = ""


@dataclass(frozen=True, eq=False)
class Add:
    """Sum of two or more inputs, broadcast against each other."""

    name: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Concat:
    """Inputs put one behind the other along `dim`.

    Args:
        dim: the dimension.
    """

    name: str
    inputs: tuple[str, ...]
    dim: int


@dataclass(frozen=True, eq=False)
class Reshape:
    """The same elements in another per-sample `shape`; flattening is this.

    Args:
        shape: the new per-sample shape.
    """

    name: str
    inputs: tuple[str]
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Permute:
    """Dimensions in another order; `dims[0]` is 0, the batch stays first.

    Args:
        dims: the old number of each new dimension.
    """

    name: str
    inputs: tuple[str]
    dims: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Slice:
    """Elements `start, start + step, … < stop` along `dim`.

    Args:
        dim: the dimension.
        start: the first element.
        stop: the end, which is left out.
        step: from one element to the next.
    """

    name: str
    inputs: tuple[str]
    dim: int
    start: int
    stop: int
    step: int = 1


@dataclass(frozen=True, eq=False)
class Pad:
    """`value` around the input; `amounts` as in `torch.nn.functional.pad` (last dimension first; negative crops).

    Args:
        amounts: elements in front and behind, last dimension first; negative ones crop.
        value: of the new elements.
    """

    name: str
    inputs: tuple[str]
    amounts: tuple[int, ...]
    value: float = 0.0


@dataclass(frozen=True, eq=False)
class Multiply:
    """`y = x1 · x2`, element by element, broadcast against each other: the gates of squeeze-and-excitation."""

    name: str
    inputs: tuple[str, str]


@dataclass(frozen=True, eq=False)
class Divide:
    """`y = x1 / x2`, element by element, broadcast against each other."""

    name: str
    inputs: tuple[str, str]


@dataclass(frozen=True, eq=False)
class MatMul:
    """`y = x1 x2`, the matrix product over the last two dimensions; those in front are broadcast. Attention is this."""

    name: str
    inputs: tuple[str, str]


@dataclass(frozen=True, eq=False)
class Softmax:
    """`y = exp(x) / Σ exp(x)`, summed along `dim`; with `log`, its logarithm.

    Args:
        dim: the dimension.
        log: whether the logarithm is taken.
    """

    name: str
    inputs: tuple[str]
    dim: int
    log: bool = False


@dataclass(frozen=True, eq=False)
class LayerNorm:
    """`y = (x - mean) / (sqrt(variance + epsilon) + added) · weight + bias` over the last dimensions, of sizes `shape`.

    Mean and (biased) variance are those of each sample; weight and bias have the shape `shape`.

    Args:
        shape: the sizes of the last dimensions.
        weight: of the shape `shape`, or None for 1.
        bias: of the shape `shape`, or None for 0.
        epsilon: added to the variance.
        added: added to its root, as some programs have it in the place of epsilon.
    """

    name: str
    inputs: tuple[str]
    shape: tuple[int, ...]
    weight: Tensor | None
    bias: Tensor | None
    epsilon: float
    added: float = 0.0


@dataclass(frozen=True, eq=False)
class RMSNorm:
    """`y = x / (sqrt(mean(x²) + epsilon) + added)`, the mean over some dimensions of each sample.

    Args:
        dims: the dimensions, behind the batch.
        epsilon: added to the mean.
        added: added to its root.
    """

    name: str
    inputs: tuple[str]
    dims: tuple[int, ...]
    epsilon: float
    added: float = 0.0


@dataclass(frozen=True, eq=False)
class GroupNorm:
    """`y = (x - mean) / sqrt(variance + epsilon) · weight + bias` over groups of channels (dimension 1) and positions.

    Mean and (biased) variance are those of each sample and group; weight and bias are `[channels]`. Instance
    normalisation has one group for each channel.

    Args:
        groups: how many groups of channels there are.
        weight: `[channels]`, or None for 1.
        bias: `[channels]`, or None for 0.
        epsilon: added to the variance.
    """

    name: str
    inputs: tuple[str]
    groups: int
    weight: Tensor | None
    bias: Tensor | None
    epsilon: float


@dataclass(frozen=True, eq=False)
class Embedding:
    """`y = weight[x]`: row `x` of the table `[entries, size]` for each whole number `x` of the input.

    Args:
        weight: the table, `[entries, size]`.
    """

    name: str
    inputs: tuple[str]
    weight: Tensor


Pooling: TypeAlias = MaxPool | AdaptiveMaxPool
Affine: TypeAlias = (
    Linear
    | Conv
    | ConvTranspose
    | FixedLinear
    | BatchNorm
    | ElementwiseAffine
    | AvgPool
    | AdaptiveAvgPool
    | Add
    | Concat
    | Reshape
    | Permute
    | Slice
    | Pad
)
Analog: TypeAlias = Multiply | Divide | MatMul | Softmax | LayerNorm | RMSNorm | GroupNorm | Embedding
"""Neither affine nor a function of each element: no spiking neuron computes it, it stays analog if the user lets it."""
Node: TypeAlias = Input | Activation | Pooling | Affine | Analog
