"""How transformers in the wild spell their norms, activations and masks: read as one node each, exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from frontends.torch_models import Function
from respike import SpikingNetwork, load, methods
from respike.cost import analog_operations, fan_outs
from respike.errors import InvalidData, UnsupportedOperator
from respike.ir import (
    GELU,
    Activation,
    Analog,
    ElementwiseAffine,
    Hardswish,
    Input,
    LayerNorm,
    MatMul,
    Mish,
    Multiply,
    Network,
    Permute,
    RMSNorm,
    SiLU,
    Softmax,
)
from respike.passes import join_inputs

Spelling = Callable[[Any, Tensor], Tensor]

NORMS: list[Spelling] = [
    lambda m, x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6),  # Llama, T5
    lambda m, x: torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6) * x,
    lambda m, x: x / (x.square().mean(-1, keepdim=True) + 0.1).sqrt(),
    lambda m, x: x * ((x**2).mean(-1, keepdim=True) + 1e-6) ** -0.5,  # Gemma
    lambda m, x: x / torch.sqrt((x**2).mean(-1, keepdim=True)),
    lambda m, x: x * (1 / torch.sqrt((x**2).mean((1, 2), keepdim=True) + 1e-6)),
    lambda m, x: F.normalize(x, dim=-1),  # Swin V2
    lambda m, x: F.normalize(x, dim=1),
    lambda m, x: x / x.norm(dim=-1, keepdim=True),
    lambda m, x: x / torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True),
    lambda m, x: x * torch.rsqrt(x.pow(2).sum(-1, keepdim=True) + 1.0),
    lambda m, x: F.rms_norm(x, (6,), torch.linspace(1, 2, 6), 0.1),
]


def read(function: Callable[..., Any], *inputs: Tensor) -> Network:
    """The network of a function, which computes the same: `load` compares every node, and this the outputs."""
    network = load(Function(function), inputs if len(inputs) > 1 else inputs[0])
    with torch.no_grad():
        torch.testing.assert_close(network(*inputs), Function(function)(*inputs), rtol=1e-5, atol=1e-5)
    return network


def kinds(network: Network) -> list[type]:
    return [type(node) for node in network.nodes if isinstance(node, Analog)]


@pytest.mark.parametrize("spelling", NORMS)
def test_norms_without_a_mean_are_one_node(spelling: Spelling) -> None:
    assert kinds(read(spelling, torch.randn(3, 5, 6))) == [RMSNorm]


def centred(x: Tensor, *dims: int) -> Tensor:
    return x - x.mean(dims, keepdim=True)


GAIN = torch.linspace(-1, 2, 6)
LAYER_NORMS: list[Spelling] = [
    lambda m, x: GAIN * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 0.1) + 1,  # Annotated Transformer
    lambda m, x: (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True, unbiased=False) + 0.1),
    lambda m, x: (x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.var(-1, correction=0, keepdim=True) + 1e-6),
    lambda m, x: (x - x.mean((1, 2), keepdim=True)) / x.std((1, 2), keepdim=True),
    lambda m, x: centred(x, 2) / (centred(x, 2).pow(2).mean(-1, keepdim=True).sqrt() + 0.5),
    lambda m, x: centred(x, 2) / torch.sqrt(centred(x, 2).square().sum(-1, keepdim=True) / 5 + 0.1),
    lambda m, x: (GAIN * centred(x, 2)) * (1 / (2 * x.std(-1, keepdim=True) + 0.5)),
    lambda m, x: (x - torch.var_mean(x, -1, keepdim=True)[1]) / (torch.var_mean(x, -1, keepdim=True)[0] + 1).sqrt(),
    lambda m, x: (x - torch.std_mean(x, 2, keepdim=True)[1]) / (torch.std_mean(x, 2, keepdim=True)[0] + 1),
    lambda m, x: centred(x, 1) / (x.var(1, keepdim=True) + 0.1).sqrt(),  # channels in front, as the first ConvNeXt
]


@pytest.mark.parametrize("spelling", LAYER_NORMS)
def test_layer_norms_that_are_written_out_are_one_node(spelling: Spelling) -> None:
    network = read(spelling, torch.randn(3, 5, 6))
    assert kinds(network) == [LayerNorm]
    assert {type(node) for node in network.nodes} <= {Input, LayerNorm, ElementwiseAffine, Permute}


def test_a_norm_of_what_another_mean_has_left_keeps_both() -> None:
    network = read(
        lambda m, x: centred(x, 1) / (centred(x, 1).pow(2).mean(2, keepdim=True) + 1).sqrt(), torch.randn(3, 5, 6)
    )
    assert kinds(network) == [RMSNorm]


def test_norms_by_hand_are_charged_as_those_of_a_library() -> None:
    """What a norm takes for each element, and not each element's way through the mean to all others."""

    class Residual(nn.Module):
        def __init__(self, norm: Callable[[Tensor], Tensor]) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first, self.second, self.norm = nn.Linear(6, 8), nn.Linear(8, 8), norm

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            result: Tensor = (x + self.second(self.norm(x))).flatten(1)
            return result

    def charged(norm: Callable[[Tensor], Tensor]) -> list[float]:
        given = torch.randn(16, 3, 6, generator=torch.Generator().manual_seed(0))
        network = load(Residual(norm).eval(), given[:2])
        spiking = SpikingNetwork(network, methods.every_edge(network, given, steps=4))
        work = analog_operations(spiking.network, spiking.plan, fan_outs(spiking.network, spiking.plan))
        return sorted(work.values())

    by_hand = charged(lambda x: centred(x, 2) / (x.std(2, keepdim=True) + 1e-6))
    assert by_hand == charged(lambda x: F.layer_norm(x, (8,)))


@pytest.mark.parametrize(
    "unusual", [lambda m, x: x.var(-1), lambda m, x: x.var(1, correction=3), lambda m, x: torch.var_mean(x, (1, 2))[0]]
)
def test_variances_alone_are_products(unusual: Spelling) -> None:
    assert kinds(read(unusual, torch.randn(3, 5, 6))) == [Multiply]


def test_a_variance_of_too_few_elements_is_refused() -> None:
    with pytest.raises(UnsupportedOperator, match="divides by -1"):
        read(lambda m, x: x.var(1, correction=6), torch.randn(3, 5, 6))


@pytest.mark.parametrize(
    "other",
    [
        lambda m, x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) - 1e-6),
        lambda m, x: x / (x * torch.linspace(1, 2, 6)).norm(dim=-1, keepdim=True),
        lambda m, x: F.normalize(x, dim=-1, eps=0.5),
        lambda m, x: x.norm(dim=-1, keepdim=True) * x,
        lambda m, x: x.sqrt(),
        lambda m, x: 2 * x / (x.pow(2).mean(-1, keepdim=True) + x).sqrt(),
        lambda m, x: x.std(-1, keepdim=True) * x,
        lambda m, x: (x - x.mean(-1, keepdim=True)) / x.std(1, keepdim=True),
        lambda m, x: (x - 2 * x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True),
        lambda m, x: centred(x, 2) / (x.std(-1, keepdim=True) - 0.01),
        lambda m, x: (centred(x, 2) + 1) / x.std(-1, keepdim=True),
        lambda m, x: (x + 1) / (x.pow(2).mean(-1, keepdim=True) + 1.0).sqrt(),
    ],
)
def test_other_roots_are_refused_by_name(other: Spelling) -> None:
    with pytest.raises(UnsupportedOperator, match=r"'.*(sqrt|root|std).*' takes the square root of a signal.*RMSNorm"):
        load(Function(other), torch.rand(2, 5, 6) + 1)


def gelu_by_tanh(x: Tensor) -> Tensor:
    return 1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


GATES: list[tuple[Spelling, object]] = [
    (lambda m, x: x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0))), GELU()),  # BERT
    (lambda m, x: (torch.erf(x * 2**-0.5) + 1) * (0.5 * x), GELU()),
    (lambda m, x: x * torch.tanh(F.softplus(x)), Mish()),  # YOLOv4
    (lambda m, x: 0.5 * x * gelu_by_tanh(x), GELU(approximate=True)),  # GPT-2
    (lambda m, x: gelu_by_tanh(x) * x * 0.5, GELU(approximate=True)),
    (lambda m, x: x * (0.5 * (1 + torch.tanh(0.7978845608 * (0.044715 * (x * x * x) + x)))), GELU(approximate=True)),
    (lambda m, x: 3 * x * gelu_by_tanh(x), GELU(approximate=True)),
    (lambda m, x: x * torch.sigmoid(1.702 * x), SiLU()),  # CLIP
    (lambda m, x: torch.sigmoid(-x) * (2 * x), SiLU()),
    (lambda m, x: (2 * x) * torch.sigmoid(2 * x), SiLU()),
]


@pytest.mark.parametrize(("spelling", "function"), GATES)
def test_signals_times_their_gates_are_one_activation(spelling: Spelling, function: object) -> None:
    network = read(spelling, 2 * torch.randn(3, 5, 6))
    assert [node.function for node in network.activations] == [function]
    assert kinds(network) == []


@pytest.mark.parametrize(
    "other",
    [
        lambda m, x: x * (1 + torch.tanh(0.8 * (x + 0.05 * x**3))),
        lambda m, x: x * (1 + torch.erf(x / 1.5)),
        lambda m, x: x * (0.9 + torch.erf(x / math.sqrt(2))),
        lambda m, x: x * torch.tanh(F.softplus(x, 2.0)),
        lambda m, x: x * torch.tanh(2 * F.softplus(x)),
        lambda m, x: x * torch.tanh(F.softplus(x + 1)),
        lambda m, x: x * (2 + torch.tanh(0.7978845608 * (x + 0.044715 * x**3))),
        lambda m, x: x * torch.sigmoid(x + 1),
        lambda m, x: x * (torch.sigmoid(x) + 1),
        lambda m, x: (x + 1) * torch.sigmoid(x),
        lambda m, x: x * torch.sigmoid(x * torch.linspace(1, 2, 6)),
        lambda m, x: x * (x / 6 + 0.4).clamp(0, 1),
        lambda m, x: x * (x / 5 + 0.5).clamp(0, 1),
    ],
)
def test_what_only_looks_like_a_gate_stays_a_product(other: Spelling) -> None:
    network = read(other, torch.randn(3, 5, 6))
    assert not any(isinstance(node.function, GELU | SiLU | Hardswish | Mish) for node in network.activations)


FILLS: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda scores, mask: scores.masked_fill(mask == 0, -math.inf),
    lambda scores, mask: scores.masked_fill_(~mask.bool(), -1e9),
    lambda scores, mask: torch.where(mask > 0, scores, -math.inf),
    lambda scores, mask: torch.where(mask == 0, -1e9, scores),
]


class WrittenOut(nn.Module):
    """Causal attention written out, as in nanoGPT and the courses that build on it."""

    def __init__(self, fill: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.fill, self.qkv = fill, nn.Linear(8, 24)
        self.register_buffer("mask", torch.tril(torch.ones(16, 16)))

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        q, k, v = self.qkv(x).split(8, 2)
        scores = q @ k.transpose(-2, -1) / math.sqrt(8)
        attention = self.fill(scores, self.get_buffer("mask")[:length, :length]).softmax(-1)
        return torch.matmul(attention, v)


@pytest.mark.parametrize("fill", FILLS)
def test_masks_that_are_written_into_the_scores(fill: Callable[[Tensor, Tensor], Tensor], tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, x = WrittenOut(fill).eval(), torch.randn(3, 6, 8)
    torch.testing.assert_close(load(model, x)(x), model(x))
    torch.onnx.export(model, (x,), tmp_path / "causal.onnx", dynamo=False, opset_version=17)
    torch.testing.assert_close(load(tmp_path / "causal.onnx", x)(x), model(x))


class Causal(nn.Module):
    """Attention whose mask is made for every sample anew, of places that are the same for all, as libraries do it."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1]).unsqueeze(0).expand(x.shape[0], -1)
        first = torch.diff(places, prepend=places[:, :1] - 1, dim=-1) != 1
        group = first.cumsum(-1)
        mask = places[:, None, :, None] >= places[:, None, None, :]
        mask = mask & (group[:, None, :, None] == group[:, None, None, :])
        q, k, v = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        return F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2)


def test_masks_that_are_made_for_every_sample_of_a_batch_are_constants() -> None:
    torch.manual_seed(0)
    model, x = Causal().eval(), torch.randn(3, 6, 8)
    network = load(model, x)
    with torch.no_grad():
        torch.testing.assert_close(network(x), model(x), rtol=1e-5, atol=1e-5)
    assert kinds(network) == [MatMul, Softmax, MatMul]
    plan = methods.every_edge(network, x, steps=8)
    assert plan.products.keys() == {node.name for node in network.nodes if isinstance(node, MatMul)}
    torch.testing.assert_close(SpikingNetwork(network, plan)(x), network(x), rtol=0.05, atol=0.05)


class Windows(nn.Module):
    """Attention in windows that are merged with the batch, with a mask for each window (Swin)."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.register_buffer("mask", torch.randn(3, 4, 4))

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[0]
        q, k, v = (
            part.reshape(batch * 3, 4, 2, 4).transpose(1, 2)  # 3 windows of 4 tokens, 2 heads of 4 values
            for part in self.qkv(x).chunk(3, -1)
        )
        mask = self.get_buffer("mask")[None, :, None].expand(batch, -1, -1, -1, -1).reshape(batch * 3, 1, 4, 4)
        return F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).reshape(batch, 12, 8)


def test_masks_of_windows_that_are_merged_with_the_batch() -> None:
    torch.manual_seed(0)
    model, x = Windows().eval(), torch.randn(5, 12, 8)
    network = load(model, x)
    with torch.no_grad():
        torch.testing.assert_close(network(x), model(x), rtol=1e-5, atol=1e-5)


def test_a_mask_that_differs_from_sample_to_sample_is_refused() -> None:
    class Different(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.arange(x.shape[0])[:, None].expand(-1, 4)

    with pytest.raises(UnsupportedOperator, match="its constant differs from sample to sample"):
        load(Different().eval(), torch.randn(3, 4))


def test_in_place_operators_are_told_from_those_with_two_underscores() -> None:
    network = read(lambda m, x: x.add_(1.0).relu_() + (torch.ones(4) > 0).__and__(torch.ones(4) > 2), torch.randn(3, 4))
    assert [type(node) for node in network.nodes if not isinstance(node, Analog)].count(Activation) == 1


class Masked(nn.Module):
    """Words with a mask for each text, given as numbers that are added to the scores."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 8)
        self.qkv = nn.Linear(8, 24)

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.qkv(self.words(words)).chunk(3, -1))
        return F.scaled_dot_product_attention(q, k, v, self.added(mask)[:, None, None]).transpose(1, 2).flatten(2)

    def added(self, mask: Tensor) -> Tensor:
        return mask


class MaskedByTruth(Masked):
    """The same with a mask of ones and zeros, as tokenizers give it."""

    def added(self, mask: Tensor) -> Tensor:
        return mask.bool()


def test_a_mask_of_each_sample_is_refused_as_truth_values_and_read_as_numbers() -> None:
    torch.manual_seed(0)
    words, ones = torch.randint(10, (4, 5)), torch.tensor([1.0, 1, 1, 0, 0]).repeat(4, 1)
    with pytest.raises(UnsupportedOperator, match=r"truth values of the data, as masks are.*without its mask.*-1e9"):
        load(MaskedByTruth().eval(), (words, ones))
    model, mask = Masked().eval(), (ones - 1) * 1e9
    network = join_inputs(load(model, (words, mask)))
    both = torch.cat([words.float(), mask], 1)
    spiking = SpikingNetwork(network, methods.every_edge(network, both, steps=10))
    with torch.no_grad():
        wanted = model(words, mask)
    torch.testing.assert_close(network(both), wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(spiking(both), wanted, rtol=0.02, atol=0.02)
    hidden = words.clone()
    hidden[:, 3:] = 9 - hidden[:, 3:]  # places that nothing looks at
    changed = spiking(torch.cat([hidden.float(), mask], 1))
    torch.testing.assert_close(changed[:, :3], spiking(both)[:, :3])


def test_real_numbers_are_not_cut_off_to_whole_ones() -> None:
    with pytest.raises(UnsupportedOperator, match=r"turns real numbers into whole ones.*torch.floor"):
        load(Function(lambda m, x: (3 * x).long().float()), torch.randn(2, 4))
    read(lambda m, x: (3 * x).clamp(0, 4).floor(), torch.randn(2, 4))


def test_words_that_are_not_in_the_table_are_told() -> None:
    network = load(nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2)).eval(), torch.zeros(2, 3, dtype=torch.long))
    with pytest.raises(InvalidData, match=r"'0' looks up whole numbers from 0 to 9, .* from 0 to 12: give numbers"):
        network(torch.tensor([[0, 1, 12]]))
