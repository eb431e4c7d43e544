"""Networks as torch's exporter writes them; run as a script, it writes `tests/golden/torch_exported.onnx` anew."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.export import Dim

from frontends.torch_models import ResNet, trained
from respike import zoo
from respike.frontends.torch.capture import quiet

EXPORTED = Path(__file__).parent.parent / "golden" / "torch_exported.onnx"


class SqueezeExcite(nn.Module):
    """A gate for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = nn.functional.silu(self.reduce(x.mean((2, 3), keepdim=True)))
        gated: Tensor = x * torch.sigmoid(self.expand(gate))
        return gated


class Attention(nn.Module):
    """Two heads over the positions of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.norm, self.out = nn.Linear(8, 24), nn.LayerNorm(8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).reshape(x.shape[0], -1, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q @ k.transpose(-2, -1) / 2).softmax(-1)
        attended: Tensor = x + self.out((weights @ v).transpose(1, 2).flatten(2))
        return attended


PARTS: list[tuple[nn.Module, tuple[int, ...]]] = [
    (ResNet(), (3, 6, 6)),
    (nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.LeakyReLU(0.1), nn.PReLU(4), nn.Hardsigmoid()), (3, 5, 6)),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.SiLU(), SqueezeExcite(), nn.Hardswish()), (3, 6, 6)),
    (nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 8), nn.GELU(approximate="tanh")), (6,)),
    (nn.Sequential(nn.ReLU6(), nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)), (2, 7, 8)),
    (nn.Sequential(nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (2, 8, 8)),
    (nn.Sequential(nn.ConvTranspose2d(2, 3, 3, 2, 1, 1), nn.Upsample(scale_factor=2, mode="bilinear")), (2, 4, 5)),
    (nn.Sequential(nn.ZeroPad2d((1, 0, 2, 1)), nn.ELU(), nn.PixelShuffle(2)), (4, 3, 2)),
    (Attention(), (5, 8)),
    (zoo.load("mnist-cnn"), (1, 28, 28)),
]


class Together(nn.Module):
    """All parts, each with its own input, so that one export serves them all."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(part for part, _ in PARTS)

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        return [part(x) for part, x in zip(self.parts, inputs, strict=True)]


def inputs(batch: int, seed: int) -> tuple[Tensor, ...]:
    """Normal numbers for each part."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(2 * torch.randn(batch, *shape, generator=generator) for _, shape in PARTS)


def export(model: nn.Module) -> onnx.ModelProto:
    """The model by torch's exporter, for any batch size, without the stack traces that it adds to every node."""
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = ({0: Dim.DYNAMIC},) * len(PARTS)
        program = torch.onnx.export(model, inputs(2, 0), dynamo=True, dynamic_shapes=(batch,), verbose=False)
    assert program is not None
    file: onnx.ModelProto = program.model_proto
    for part in (file, file.graph, *file.graph.node, *file.graph.value_info, *file.graph.input, *file.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for tensor in file.graph.initializer:
        tensor.ClearField("metadata_props")
    return file


if __name__ == "__main__":
    torch.manual_seed(0)
    EXPORTED.write_bytes(export(trained(Together())).SerializeToString())
