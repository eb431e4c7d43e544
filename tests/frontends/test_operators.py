"""Every operator against the original torch module, in float64, on inputs around zero."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from frontends.torch_models import Function, trained
from respike.frontends import torch_export
from respike.frontends.torch.capture import run_model
from respike.ir import ELU, GELU, Analog, Erf, Hardswish, Mish, Network, ReLU, Sigmoid, SiLU, Softplus, Tanh, ceiling

Case = nn.Module | Callable[..., Any]


class SelfAttention(nn.Module):
    """torch's own attention, of a signal to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.heads(x, x, x)  # type: ignore[no-any-return]


WEIGHTED: list[tuple[Case, tuple[int, ...]]] = [
    (nn.Linear(3, 5), (3,)),
    (nn.Linear(3, 5, bias=False), (4, 3)),
    (nn.Conv1d(2, 4, 3, stride=2, padding=1, dilation=2), (2, 9)),
    (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(0, 1), groups=2), (4, 7, 8)),
    (nn.Conv3d(2, 3, 2, bias=False), (2, 4, 5, 3)),
    (nn.Conv2d(2, 3, 3, padding="same", dilation=2), (2, 7, 6)),
    (nn.Conv2d(2, 3, (2, 3), padding="same"), (2, 7, 6)),
    (nn.Conv1d(2, 3, 4, padding="same", dilation=3), (2, 12)),
    (nn.Conv3d(1, 2, (2, 3, 4), padding="same"), (1, 4, 5, 6)),
    (nn.Conv2d(2, 3, 3, padding="valid"), (2, 5, 5)),
    (nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 5, 6)),
    (nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular"), (2, 5)),
    (nn.ConvTranspose1d(2, 3, 3, stride=2, padding=1, output_padding=1, dilation=2), (2, 5)),
    (nn.ConvTranspose2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2, bias=False), (4, 3, 5)),
    (nn.ConvTranspose3d(2, 2, 2, stride=2), (2, 2, 3, 2)),
]

NORMS: list[tuple[Case, tuple[int, ...]]] = [
    (nn.BatchNorm1d(3, eps=0.1), (3,)),
    (nn.BatchNorm1d(3), (3, 5)),
    (nn.BatchNorm2d(4, affine=False), (4, 3, 3)),
    (nn.BatchNorm3d(2), (2, 3, 2, 3)),
    (nn.LayerNorm(3), (4, 3)),
    (nn.LayerNorm((4, 3), eps=0.1, bias=False), (2, 4, 3)),
    (nn.LayerNorm(3, elementwise_affine=False), (3,)),
    (nn.RMSNorm(3), (4, 3)),
    (nn.RMSNorm((4, 3), eps=0.1, elementwise_affine=False), (2, 4, 3)),
    (nn.GroupNorm(2, 4, eps=0.1), (4, 3, 3)),
    (nn.GroupNorm(1, 4), (4,)),
    (nn.GroupNorm(1, 1), (1,)),
    (nn.InstanceNorm1d(3), (3, 5)),
    (nn.InstanceNorm2d(3, affine=True), (3, 5, 4)),
    (nn.InstanceNorm2d(3, affine=True, track_running_stats=True), (3, 5, 4)),
]

POOLS: list[tuple[Case, tuple[int, ...]]] = [
    (nn.AvgPool1d(3, 2, 1, ceil_mode=True), (2, 8)),
    (nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 8, 7)),
    (nn.AvgPool2d(2), (2, 8, 6)),
    (nn.AvgPool2d((2, 3), divisor_override=5), (2, 8, 7)),
    (nn.AvgPool3d(2, ceil_mode=True), (2, 4, 5, 4)),
    (nn.MaxPool1d(3, 2, 1), (2, 9)),
    (nn.MaxPool2d(2, dilation=2, ceil_mode=True), (2, 9, 8)),
    (nn.MaxPool2d((3, 2), (2, 1), (1, 0)), (2, 9, 8)),
    (nn.MaxPool3d(2), (2, 4, 5, 4)),
    (nn.AdaptiveAvgPool1d(3), (2, 7)),
    (nn.AdaptiveAvgPool2d((3, None)), (2, 7, 5)),
    (nn.AdaptiveAvgPool3d(1), (2, 3, 4, 5)),
    (nn.AdaptiveMaxPool1d(3), (2, 7)),
    (nn.AdaptiveMaxPool2d(2), (2, 7, 5)),
    (nn.AdaptiveMaxPool3d(1), (2, 3, 4, 5)),
]

SHAPES: list[tuple[Case, tuple[int, ...]]] = [
    (nn.Flatten(), (2, 3, 4)),
    (nn.Flatten(2), (2, 3, 4)),
    (nn.Unflatten(1, (2, 3)), (6, 2)),
    (nn.Sequential(nn.Dropout(), nn.Identity(), nn.Dropout1d(), nn.AlphaDropout(), nn.Linear(3, 2)), (4, 3)),
    (nn.ZeroPad2d((1, 0, 2, -1)), (2, 4, 4)),
    (nn.ConstantPad1d((1, 2), 0.5), (2, 4)),
    (nn.utils.parametrizations.weight_norm(nn.Linear(3, 5)), (3,)),
    (nn.ReflectionPad2d((1, 2, 0, 1)), (2, 4, 4)),
    (nn.ReplicationPad1d((1, 2)), (2, 4)),
    (nn.CircularPad2d(1), (2, 4, 3)),
    (nn.PixelShuffle(2), (8, 2, 3)),
    (nn.PixelUnshuffle(2), (2, 4, 6)),
    (nn.ChannelShuffle(2), (6, 3, 3)),
    (nn.Upsample(scale_factor=2), (2, 3, 4)),
    (nn.Upsample(size=7), (2, 3)),
    (nn.Upsample(size=(1, 2)), (2, 4, 5)),
    (nn.Upsample(size=(7, 3), mode="bilinear"), (2, 4, 5)),
    (nn.Upsample(scale_factor=1.7, mode="bilinear", align_corners=True), (2, 4, 5)),
    (nn.Upsample(scale_factor=(1.7, 0.6), mode="bilinear"), (2, 4, 5)),
    (nn.Upsample(scale_factor=(1.7, 0.6, 2), mode="nearest"), (1, 4, 5, 2)),
    (nn.Upsample(scale_factor=2.5, mode="linear"), (2, 5)),
    (nn.Upsample(scale_factor=1.5, mode="trilinear"), (1, 2, 3, 4)),
    (nn.Upsample(size=(3, 9), mode="bicubic"), (2, 4, 5)),
    (nn.UpsamplingBilinear2d(scale_factor=2), (2, 3, 4)),
]


def overwritten(m: nn.Module, x: Tensor) -> Tensor:
    """Slices, single places and everything written over, by signals and by numbers."""
    y = x.clone()
    y[:, 1:3] = x[:, :2] * 2
    y[:, -1] = 1.0
    y[:, :, 0] = x[:, 0, 1:2]
    y[:, 0, 1:] = torch.tensor([0.3, -0.7])
    z = x.clone()
    z[:] = 2.0
    return y + z


def padded_by_hand(m: nn.Module, x: Tensor) -> Tensor:
    """Zeros with the input in their middle."""
    y = torch.zeros(x.shape[0], 6, 5, dtype=x.dtype)
    y[:, 1:-1, 2:] = x
    y[:, 0, :3] = x[:, 2]
    return y


FUNCTIONS: list[tuple[Case, tuple[int, ...]]] = [
    (lambda m, x: F.linear(x, m.weight), (3,)),
    (lambda m, x: x @ m.weight.t(), (3,)),
    (lambda m, x: torch.matmul(x, m.weight.t()) + m.weight[:, 0], (2, 3)),
    (lambda m, x: torch.addmm(m.weight[:, 0], x, m.weight.t(), beta=2, alpha=0.5), (3,)),
    (lambda m, x: x.mm(m.weight.t()), (3,)),
    (lambda m, x: F.conv2d(x, m.weight.reshape(5, 1, 3, 1).expand(5, 4, 3, 1)), (4, 5, 5)),
    (lambda m, x: F.batch_norm(x, m.constant.flatten(), m.constant.flatten().exp(), eps=0.3), (4, 5, 5)),
    (lambda m, x: F.avg_pool2d(x, 2), (4, 6, 6)),
    (lambda m, x: F.max_pool2d(x, 3, 2), (4, 7, 7)),
    (lambda m, x: x.mean([2, 3]), (4, 5, 3)),
    (lambda m, x: x.mean((-1, -2), keepdim=True), (4, 5, 3)),
    (lambda m, x: x.mean(-1), (4, 5)),
    (lambda m, x: x.mean(3), (4, 5, 3)),
    (lambda m, x: x.mean([2, 3, 4]), (2, 3, 4, 2)),
    (lambda m, x: x.amax((2, 3)), (4, 5, 3)),
    (lambda m, x: x.amax(1) - x.amin((1, 3)).unsqueeze(-1), (4, 5, 3)),
    (lambda m, x: torch.max(x, 2)[0] + x.min(dim=1).values[:, :4], (4, 5)),
    (lambda m, x: x.view(x.shape[0], 2, 2, 5).amax(2).flatten(1), (4, 5)),
    (lambda m, x: torch.maximum(x, torch.arange(4.0)).clamp(max=m.constant[:1, 0]), (3, 4)),
    (lambda m, x: x + x * 2, (4,)),
    (lambda m, x: torch.add(x, F.relu(x), alpha=3), (4,)),
    (lambda m, x: x - F.relu(x), (4,)),
    (lambda m, x: x.clone().add_(x).sub_(1).mul_(2).div_(3), (4,)),
    (lambda m, x: x + m.constant, (4, 3, 3)),
    (lambda m, x: m.constant - x, (4, 3, 3)),
    (lambda m, x: (1 - x) * m.constant / 3 + 0.5, (4, 3, 3)),
    (lambda m, x: torch.sub(x, m.constant, alpha=2), (4, 3, 3)),
    (lambda m, x: x / m.constant.exp() + torch.tensor([1.0, 2.0, 3.0]), (4, 3, 3)),
    (lambda m, x: -x, (4,)),
    (lambda m, x: x + x.mean([2, 3], keepdim=True), (4, 3, 3)),
    (lambda m, x: x + torch.ones(x.shape[0], 4), (4,)),
    (lambda m, x: x.flatten(1), (4, 3)),
    (lambda m, x: x.view(x.size(0), -1), (4, 3)),
    (lambda m, x: x.view(-1, 12), (4, 3)),
    (lambda m, x: x.reshape(x.shape[0], 2, 2, 3), (4, 3)),
    (lambda m, x: x.unflatten(1, (2, -1)), (4, 3)),
    (lambda m, x: x.unsqueeze(2).squeeze(-1).squeeze(), (4, 1)),
    (lambda m, x: x.permute(0, 2, 3, 1).contiguous(), (4, 3, 2)),
    (lambda m, x: x.transpose(-1, 1), (4, 3, 2)),
    (lambda m, x: x[:, 1:3, ::2], (4, 5)),
    (lambda m, x: x[:, -1], (4, 5)),
    (lambda m, x: x[..., None, 1:-1], (4, 5)),
    (lambda m, x: x.narrow(1, 1, 2), (4, 5)),
    (lambda m, x: x.select(2, -2), (4, 5)),
    (lambda m, x: torch.cat(x.chunk(3, 1)[::-1], 1), (8, 2)),
    (lambda m, x: x.split([1, 3], 1)[1] + x.split(3, dim=1)[0], (4, 2)),
    (lambda m, x: x.unbind(1)[2], (4, 2)),
    (lambda m, x: torch.cat([x, F.relu(x)], dim=-2), (4, 2)),
    (lambda m, x: torch.stack([x, F.relu(x)], dim=-1), (4, 2)),
    (lambda m, x: F.pad(x, (1, 2, 0, 1)), (4, 2)),
    (lambda m, x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2), "constant", 0), (4, 4, 4)),
    (lambda m, x: x.detach().float().to(x.dtype) if x.dtype == torch.float32 else x.detach() + 0, (4,)),
    (lambda m, x: F.interpolate(x, size=(2, 3), mode="bilinear", antialias=True), (2, 4, 5)),
    (lambda m, x: F.interpolate(x, scale_factor=1.6, mode="nearest-exact"), (2, 4, 5)),
    (lambda m, x: F.interpolate(x, scale_factor=1.6, mode="bilinear", recompute_scale_factor=True), (2, 4, 5)),
    (lambda m, x: F.conv_transpose1d(x, m.weight[:4, :2].reshape(4, 1, 2), groups=2), (4, 5)),
    (lambda m, x: x.mean(1) + x.sum((1, 2), keepdim=True)[:, :, 0], (4, 5)),
    (lambda m, x: x - x.mean([1, 2], keepdim=True), (4, 5)),
    (lambda m, x: x.cumsum(1) + x.flip(1, 2), (4, 5)),
    (lambda m, x: x.roll((1, -2), (1, 2)), (4, 5)),
    (lambda m, x: x[:, [2, 0, 0]], (4, 5)),
    (lambda m, x: x.index_select(2, torch.tensor([1, 3])), (4, 5)),
    (lambda m, x: x.repeat(1, 2, 1) + x.repeat_interleave(2, 1), (4, 5)),
    (lambda m, x: x.unsqueeze(1).expand(-1, 3, -1), (4,)),
    (
        lambda m, x: torch.cat([m.constant.reshape(1, 4).expand(x.shape[0], 4), x, torch.ones(x.shape[0], 2), -x], 1),
        (4,),
    ),
    (lambda m, x: torch.cat([x, m.weight.t().unsqueeze(0).expand(x.shape[0], 3, 5)], 1), (4, 5)),
    (lambda m, x: torch.cat(x.tensor_split(3, 1)[::-1], 1) + torch.cat(x.tensor_split([1, 3], 1), 1), (5,)),
    (lambda m, x: x.permute(1, 0, 2).unbind(0)[1], (4, 5)),
    (lambda m, x: torch.stack([x, -x]).permute(1, 2, 0), (4,)),
    (lambda m, x: F.relu(x.reshape(-1, 3)).reshape(-1, 4, 6), (4, 6)),
    (lambda m, x: m.weight @ x, (3, 4)),
    (lambda m, x: {"logits": x * 2, "more": (F.relu(x), x[:, 0])}, (4,)),
]

# Operators that torch defines by others, and those that write over or leave out fixed places.
MADE_OF_OTHERS: list[tuple[Case, tuple[int, ...]]] = [
    (lambda m, x: torch.hstack([x, -x]), (4, 3)),
    (lambda m, x: torch.dstack([x, -x]), (4, 3)),
    (lambda m, x: torch.column_stack([x, -x]), (4,)),
    (lambda m, x: torch.concatenate([x, -x], -1), (4, 3)),
    (lambda m, x: x.rot90(1, (1, 2)) + torch.fliplr(x).mT, (4, 3)),
    (lambda m, x: torch.kron(x, torch.ones(1, 2, 2)), (4, 3)),
    (lambda m, x: torch.einsum("bchw->bwhc", x), (4, 2, 3)),
    (lambda m, x: torch.einsum("...i,oi->...o", x, m.weight), (4, 3)),
    (lambda m, x: torch.einsum("bchw->bh", x), (4, 2, 3)),
    (lambda m, x: torch.tensordot(x, m.weight, dims=([2], [1])), (4, 3)),
    (lambda m, x: torch.inner(x, m.weight), (4, 3)),
    (lambda m, x: torch.linalg.multi_dot([x, m.weight.t(), m.weight]), (3,)),
    (lambda m, x: torch.lerp(x, x.flip(1), 0.3), (4,)),
    (lambda m, x: torch.addcmul(x, -x, torch.full((4,), 2.0), value=0.5), (4,)),
    (lambda m, x: x.tril() + x.triu(1) * 2, (4, 4)),
    (lambda m, x: torch.diag_embed(x), (4,)),
    (lambda m, x: torch.diagonal(x, 1, 1, 3) + torch.diagonal(x, -2, -1, 1), (4, 2, 3)),
    (lambda m, x: torch.einsum("bii->bi", x), (4, 4)),
    (lambda m, x: x.masked_fill(m.constant[:, :, 0] > 0, 3.0), (4, 3)),
    (lambda m, x: (x + 0).masked_fill_(torch.tensor([True, False, True]), -2.0), (4, 3)),
    (lambda m, x: torch.where(m.constant[:, :, 0] > 0, x, 0.5), (4, 3)),
    (lambda m, x: torch.where(torch.tensor([True, False, True]), m.weight[:4], x), (4, 3)),
    (lambda m, x: torch.where(torch.tensor([True, False, True]), -x, x.flip(1)), (4, 3)),
    (lambda m, x: torch.where(torch.ones(x.shape[0], 1, 3) > 0, x, 0.0), (4, 3)),
    (lambda m, x: x[:, [True, False, True, True]].flatten(1), (4, 3)),
    (lambda m, x: F.relu(x[:, :, m.constant.flatten()[:3] > 0].flatten(1) + 1), (4, 3)),
    (lambda m, x: x.repeat_interleave(torch.tensor([2, 0, 1]), 2), (4, 3)),
    (lambda m, x: x.repeat_interleave(torch.tensor([2]), 1), (4, 3)),
    (overwritten, (4, 3)),
    (padded_by_hand, (4, 3)),
]


def qkv(m: nn.Module, x: Tensor) -> Tensor:
    """Attention as vision transformers spell it, and as window attention does."""
    q, k, v = F.linear(x, m.get_parameter("weight")[:3].repeat(2, 1)).reshape(-1, 4, 3, 2, 1).permute(2, 0, 3, 1, 4)
    result: Tensor = (q @ k.transpose(-2, -1)).softmax(-1) @ v + F.scaled_dot_product_attention(q, k, v)
    return result


def windows(m: nn.Module, x: Tensor) -> Tensor:
    """Self-attention in two windows, which are merged into the batch."""
    x = x.view(-1, 2, 3, 4).reshape(-1, 3, 4)
    scores = x @ x.transpose(1, 2) * 0.3 + m.get_parameter("weight")[:3]
    return (scores.softmax(-1) @ x).view(-1, 2, 3, 4).flatten(1)


PRODUCTS: list[tuple[Case, tuple[int, ...]]] = [
    (lambda m, x: x * x.mean((2, 3), keepdim=True).sigmoid(), (3, 2, 4)),
    (lambda m, x: x**2 + x.square() * x / (1 + x * x) + 2 / (x * x + 1) + (1 + x * x).reciprocal(), (4,)),
    (nn.GLU(1), (4, 3)),
    (nn.Softmax(1), (4, 3)),
    (lambda m, x: F.softmax(x, -1), (4, 3)),
    (lambda m, x: torch.bmm(x, x.transpose(1, 2)), (4, 3)),
    (qkv, (4, 3)),
    (windows, (6, 4)),
    (lambda m, x: F.scaled_dot_product_attention(x, x, x, is_causal=True, scale=0.7), (2, 4, 3)),
    (lambda m, x: F.scaled_dot_product_attention(x, x, x, m.weight[:4, :1].t() > -0.5), (4, 3)),
    (SelfAttention(), (3, 4)),
    (nn.TransformerEncoderLayer(4, 2, 6, batch_first=True), (3, 4)),
    (nn.TransformerEncoderLayer(4, 2, 6, batch_first=True, norm_first=True, activation="gelu"), (3, 4)),
]

SMOOTH: list[Case] = [
    nn.Sigmoid(),
    nn.Tanh(),
    nn.SiLU(inplace=True),
    nn.GELU(),
    nn.GELU("tanh"),
    nn.Hardswish(),
    nn.ELU(0.7),
    nn.SELU(),
    nn.CELU(1.7),
    nn.Mish(),
    nn.Softplus(),
    nn.Softplus(-1.5, 30),
    nn.LogSigmoid(),
    lambda m, x: torch.erf(x) + F.softplus(x, 0.3),
    lambda m, x: F.hardswish(x) + torch.sigmoid(x),
    lambda m, x: F.gelu(x) - F.silu(x, inplace=False) + x.tanh() + F.elu(x, 1.5),
]

PIECEWISE: list[Case] = [
    nn.LeakyReLU(),
    nn.LeakyReLU(0.3, inplace=True),
    nn.PReLU(),
    nn.PReLU(4, init=0.4),
    nn.RReLU(),
    nn.Hardsigmoid(),
    lambda m, x: F.leaky_relu(x, -0.2) + F.hardsigmoid(x),
    lambda m, x: F.prelu(x, m.weight[:4, 1]),
    nn.Softshrink(0.3),
    lambda m, x: x.abs() + torch.maximum(x, x.flip(1)) * torch.minimum(x[:, :1], x),
]

RELUS: list[Case] = [
    nn.ReLU(),
    nn.ReLU(inplace=True),
    lambda m, x: F.relu(x),
    lambda m, x: F.relu_(x + 0),
    lambda m, x: torch.relu(x),
    lambda m, x: x.relu(),
    lambda m, x: (x + 0).relu_(),
    lambda m, x: x.clamp(min=0),
    lambda m, x: torch.clamp(x, 0.0),
    lambda m, x: x.clamp_min(0),
    lambda m, x: x.clip(0, None),
    lambda m, x: torch.max(x, torch.zeros_like(x)),
    lambda m, x: torch.maximum(torch.zeros(1), x),
    lambda m, x: torch.max(x, torch.tensor(0.0)),
    lambda m, x: F.threshold(x, 0, 0),
    nn.Threshold(0.0, 0.0),
    nn.LeakyReLU(0.0),
]

CLAMPS: list[Case] = [
    nn.ReLU6(),
    nn.Hardtanh(0, 0.5),
    nn.Hardtanh(),
    nn.Hardtanh(-0.2, 0.7, inplace=True),
    nn.Threshold(0.3, 0.3),
    lambda m, x: F.relu6(x),
    lambda m, x: x.clamp(0, 0.5),
    lambda m, x: x.clamp(-0.5, 0.25),
    lambda m, x: x.clamp(max=0.25),
    lambda m, x: x.clamp(min=-0.5),
    lambda m, x: torch.minimum(x, torch.tensor(0.1)),
    lambda m, x: F.hardtanh(x, -0.1, 0.1),
]


class Several(nn.Module):
    """Cases side by side, each with its own input, so that one export serves all of them."""

    def __init__(self, cases: Sequence[Case]) -> None:
        super().__init__()
        self.cases = nn.ModuleList(case if isinstance(case, nn.Module) else Function(case) for case in cases)
        self.eval()

    def forward(self, *inputs: Tensor) -> list[Any]:
        return [case(x + 0) for case, x in zip(self.cases, inputs, strict=True)]  # + 0: some cases work in place


def check(cases: Sequence[tuple[Case, tuple[int, ...]]]) -> Network:
    """Assert that each case computes what its original computes; return the network of all."""
    torch.manual_seed(0)
    model = trained(Several([case for case, _ in cases])).double()
    inputs = tuple(torch.randn(3, *shape, dtype=torch.float64) for _, shape in cases)
    network = torch_export(model, inputs)
    expected = run_model(model, inputs)
    # A network without weights runs in float32.
    tolerance = 1e-10 if network.dtype == torch.float64 else 1e-6
    values = network.values(inputs, network.outputs)
    assert len(network.outputs) == len(expected)
    for name, wanted in zip(network.outputs, expected, strict=True):
        worst = (values[name].double() - wanted).abs().max()
        assert values[name].shape == wanted.shape, name
        assert worst <= tolerance, name
    return network


@pytest.mark.parametrize(
    "cases",
    [WEIGHTED, NORMS, POOLS, SHAPES, FUNCTIONS, MADE_OF_OTHERS, PRODUCTS],
    ids=["weighted", "norms", "pools", "shapes", "functions", "made of others", "products"],
)
def test_operators(cases: Sequence[tuple[Case, tuple[int, ...]]]) -> None:
    check(cases)


def test_every_spelling_of_relu_is_an_activation() -> None:
    network = check([(case, (4, 3)) for case in RELUS])
    assert len(network.activations) == len(RELUS)
    assert {ceiling(node.function) for node in network.activations} == {math.inf}


def test_smooth_functions_are_activations() -> None:
    network = check([(case, (4, 3)) for case in SMOOTH])
    smooth = {Sigmoid, Tanh, SiLU, GELU, Hardswish, ELU, Erf, Softplus, Mish}
    assert {type(node.function) for node in network.activations} == smooth


def test_what_is_linear_piece_by_piece_is_relus() -> None:
    network = check([(case, (4, 3)) for case in PIECEWISE])
    assert {type(node.function) for node in network.activations} == {ReLU}
    assert sum(isinstance(node, Analog) for node in network.nodes) == 1  # the one product


def test_whole_numbers_are_read_by_embeddings() -> None:
    model = nn.Sequential(nn.Embedding(7, 4), nn.LayerNorm(4), nn.Flatten(), nn.Linear(12, 2)).eval()
    words = torch.randint(0, 7, (5, 3))
    torch.testing.assert_close(torch_export(model, words)(words), model(words))


def test_clamps_are_activations() -> None:
    network = check([(case, (4, 3)) for case in CLAMPS])
    assert len(network.activations) == len(CLAMPS)
    ceilings = sorted({round(ceiling(node.function), 6) for node in network.activations})
    assert ceilings == [0.2, 0.5, 0.75, 0.9, 2, 6, math.inf]
