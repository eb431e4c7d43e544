"""Networks without ReLUs in their blocks: vision transformers, a language model and a ConvNeXt, trained in minutes."""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class Attention(nn.Module):
    """softmax(q kᵀ / sqrt(size)) v in each head, with q, k and v linear in the tokens; [n, tokens, width] to the same.

    Source: Vaswani et al. 2017, "Attention is all you need", Section 3.2.
    """

    def __init__(self, width: int, heads: int) -> None:
        """`heads` of width / heads values each."""
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.project = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """The mixed tokens."""
        query, key, value = (self._split(map_(tokens)) for map_ in (self.query, self.key, self.value))
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
        mixed = torch.softmax(scores, 3) @ value
        result: Tensor = self.project(mixed.transpose(1, 2).flatten(2))
        return result

    def _split(self, tokens: Tensor) -> Tensor:
        """[n, tokens, width] to [n, heads, tokens, width / heads]."""
        return tokens.reshape(*tokens.shape[:2], self.heads, -1).transpose(1, 2)


class EncoderBlock(nn.Module):
    """x + attention(norm1(x)), and then x + fc2(gelu(fc1(norm2(x)))); the hidden layer has 4 times the width."""

    def __init__(self, width: int, heads: int, attention: type[Attention] = Attention) -> None:
        """Of tokens of `width` values."""
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.gelu = nn.GELU()
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """The block's output."""
        tokens = tokens + self.attention(self.norm1(tokens))
        result: Tensor = tokens + self.fc2(self.gelu(self.fc1(self.norm2(tokens))))
        return result


class CausalAttention(Attention):
    """The same, where each token sees those up to its own place alone."""

    def forward(self, tokens: Tensor) -> Tensor:
        """The mixed tokens."""
        query, key, value = (self._split(map_(tokens)) for map_ in (self.query, self.key, self.value))
        mixed = scaled_dot_product_attention(query, key, value, is_causal=True)
        result: Tensor = self.project(mixed.transpose(1, 2).flatten(2))
        return result


class VisionTransformer(nn.Module):
    """A stem makes tokens, encoder blocks mix them, and the mean of the normalised tokens is classified.

    Source: Dosovitskiy et al. 2021, with the mean of the tokens in the place of a class token.

    Args:
        stem: [n, channels, height, width] to [n, width, rows, columns].
        tokens: rows · columns.
        width: values of a token.
        blocks: how many there are.
        heads: of each attention.
        classes: the number of logits.
    """

    def __init__(self, stem: nn.Module, *, tokens: int, width: int, blocks: int, heads: int, classes: int = 10) -> None:
        super().__init__()
        self.stem = stem
        self.position = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[n, classes]`."""
        tokens = self.stem(images).flatten(2).transpose(1, 2) + self.position
        result: Tensor = self.head(self.norm(self.blocks(tokens)).mean(1))
        return result


def fashion_vit() -> VisionTransformer:
    """4 blocks of width 64 with 4 heads on the 49 patches of 4x4 pixels; [n, 1, 28, 28] to [n, 10] logits."""
    stem = OrderedDict(input_norm=nn.BatchNorm2d(1, affine=False), patches=nn.Conv2d(1, 64, 4, 4))
    return VisionTransformer(nn.Sequential(stem), tokens=49, width=64, blocks=4, heads=4)


def cifar_vit() -> VisionTransformer:
    """6 blocks of width 128 with 4 heads on 64 tokens that three convolutions make; [n, 3, 32, 32] to [n, 10] logits.

    Source of the stem: Xiao et al. 2021, "Early convolutions help transformers see better".
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(input_norm=nn.BatchNorm2d(3, affine=False))
    sizes = ((3, 32, 1), (32, 64, 2), (64, 128, 2))
    for place, (before, channels, stride) in enumerate(sizes, 1):
        layers[f"conv{place}"] = nn.Conv2d(before, channels, 3, stride, padding=1, bias=False)
        layers[f"norm{place}"] = nn.BatchNorm2d(channels)
        layers[f"relu{place}"] = nn.ReLU()
    layers["patches"] = nn.Conv2d(128, 128, 1)
    return VisionTransformer(nn.Sequential(layers), tokens=64, width=128, blocks=6, heads=4)


class CharacterDecoder(nn.Module):
    """A language model: for each character of a window, logits of the one that follows it.

    Source: Radford et al. 2019 (GPT-2), in small, on one-hot characters.

    Args:
        characters: how many different ones there are.
        window: how many are seen at one time.
        width: values of a token.
        blocks: how many there are.
        heads: of each attention.
    """

    def __init__(self, *, characters: int, window: int, width: int, blocks: int, heads: int) -> None:
        super().__init__()
        self.embed = nn.Linear(characters, width, bias=False)
        self.position = nn.Parameter(0.02 * torch.randn(1, window, width))
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads, CausalAttention) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, characters)

    def forward(self, windows: Tensor) -> Tensor:
        """Logits `[n, characters, window]` for one-hot characters `[n, 1, window, characters]`."""
        tokens = self.embed(windows.flatten(1, 2)) + self.position
        result: Tensor = self.head(self.norm(self.blocks(tokens))).transpose(1, 2)
        return result


def jargon_gpt() -> CharacterDecoder:
    """3 blocks of width 64 with 4 heads on windows of 64 of 69 characters; [n, 1, 64, 69] to [n, 69, 64] logits."""
    return CharacterDecoder(characters=69, window=64, width=64, blocks=3, heads=4)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of `[n, channels, height, width]`."""

    def forward(self, images: Tensor) -> Tensor:
        """The normalised images."""
        return super().forward(images.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNextBlock(nn.Module):
    """x + fc2(gelu(fc1(norm(depthwise(x))))), of 7x7 and 1x1 convolutions; the hidden layer has 4 times the width."""

    def __init__(self, width: int) -> None:
        """Of `width` channels."""
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = ChannelNorm(width)
        self.fc1 = nn.Conv2d(width, 4 * width, 1)
        self.gelu = nn.GELU()
        self.fc2 = nn.Conv2d(4 * width, width, 1)

    def forward(self, images: Tensor) -> Tensor:
        """The block's output."""
        result: Tensor = images + self.fc2(self.gelu(self.fc1(self.norm(self.depthwise(images)))))
        return result


def cifar_convnext(classes: int = 10) -> nn.Sequential:
    """ConvNeXt with 2 blocks of 64 channels at 16x16 and 4 of 128 at 8x8; [n, 3, 32, 32] to [n, classes] logits.

    Source: Liu et al. 2022, "A ConvNet for the 2020s", with patches of 2x2 and without layer scale.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        input_norm=nn.BatchNorm2d(3, affine=False), patches=nn.Conv2d(3, 64, 2, 2), norm=ChannelNorm(64)
    )
    layers |= {f"stage1_block{block}": ConvNextBlock(64) for block in (1, 2)}
    layers |= {"down_norm": ChannelNorm(64), "down": nn.Conv2d(64, 128, 2, 2)}
    layers |= {f"stage2_block{block}": ConvNextBlock(128) for block in (1, 2, 3, 4)}
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    layers |= {"head_norm": nn.LayerNorm(128), "fc": nn.Linear(128, classes)}
    return nn.Sequential(layers)
