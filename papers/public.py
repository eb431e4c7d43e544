"""Networks that others have trained, where their files lie beside the repository; none is part of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from papers.workbench import Subject, Workbench
from safetensors.torch import load
from torch import Tensor, nn

import respike
from respike.zoo.residual import padded_resnet

FOLDER = Path(__file__).parents[2] / "shared" / "networks"
"""Where the files are looked for."""
RESNET20, RESNET32 = "public-resnet20", "public-resnet32"
"""Networks of akamaster/pytorch_resnet_cifar10 (Yerlan Idelbayev, BSD 2-clause): 91.73 and 92.63 % on CIFAR-10."""
_DEPTHS = {RESNET20: 20, RESNET32: 32}


class Standardise(nn.Module):
    """(x - mean) / deviation, by channel."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        """Of images [n, channels, height, width] in [0, 1]."""
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).reshape(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """The standardised images."""
        result: Tensor = (images - self.mean) / self.deviation
        return result


def names() -> list[str]:
    """The networks whose files are at hand."""
    return [name for name in _DEPTHS if _file(name).exists()]


def module(name: str = RESNET20) -> nn.Module:
    """A public network as PyTorch has it, for pixels in [0, 1]."""
    network = padded_resnet(_DEPTHS[name])
    network.load_state_dict(load(_file(name).read_bytes()))
    standardise = Standardise((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    return nn.Sequential(standardise, network).eval()


def subject(bench: Workbench) -> Subject:
    """The public ResNet-20, with its data."""
    test = bench.images("cifar10", "test")
    network = respike.load(module(), test.take(8).images)
    calibration = bench.images("cifar10", "calibration").images
    return Subject(RESNET20, network, test, calibration, hashlib.sha256(_file(RESNET20).read_bytes()).hexdigest())


def _file(name: str) -> Path:
    return FOLDER / f"cifar10-resnet{_DEPTHS[name]}-akamaster.safetensors"
