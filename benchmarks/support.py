"""Which known architectures load and convert, with random weights (by timm or written out): docs/networks/support.md.

`python benchmarks/support.py` runs all, `python benchmarks/support.py resnet18 vgg16_bn` some; others keep their rows
(benchmarks/support.json). Needs timm (`pip install timm --no-deps`, pyyaml, huggingface_hub), not torchvision.
"""

from __future__ import annotations

import gc
import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
import types
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from respike import SpikingNetwork, load, methods
from respike.cost import macs
from respike.errors import InvalidPlan, RespikeError, RespikeWarning
from respike.ir import Analog, Network, ReLU

ROWS = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "networks" / "support.md"
START, END = "<!-- made by benchmarks/support.py -->", "<!-- end -->"
IMAGES = 8
STEPS = 8


class SqueezeNet(nn.Module):
    """SqueezeNet 1.1 (Iandola et al. 2016)."""

    def __init__(self) -> None:
        super().__init__()
        fires = [(64, 16, 64), (128, 16, 64), (128, 32, 128), (256, 32, 128)]
        fires += [(256, 48, 192), (384, 48, 192), (384, 64, 256), (512, 64, 256)]
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)]
        for number, sizes in enumerate(fires):
            layers += [nn.MaxPool2d(3, 2, ceil_mode=True)] if number in (2, 4) else []
            layers.append(Fire(*sizes))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(512, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)  # type: ignore[no-any-return]


class Fire(nn.Module):
    """A convolution that narrows, and two side by side that widen."""

    def __init__(self, channels: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, narrow, 1)
        self.expand1x1 = nn.Conv2d(narrow, wide, 1)
        self.expand3x3 = nn.Conv2d(narrow, wide, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x), inplace=True)
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


class ShuffleNet(nn.Module):
    """ShuffleNet V2, 1.0x (Ma et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_normed(3, 24, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        sizes = [(24, 116, 4), (116, 232, 8), (232, 464, 4)]
        self.stages = nn.Sequential(
            *(Shuffled(a if not i else b, b, 1 if i else 2) for a, b, count in sizes for i in range(count))
        )
        self.head = nn.Sequential(*_normed(464, 1024, 1), nn.ReLU())
        self.fc = nn.Linear(1024, 1000)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.head(self.stages(self.stem(x))).mean([2, 3]))  # type: ignore[no-any-return]


class Shuffled(nn.Module):
    """A unit of ShuffleNet V2: half of the channels through a branch, then a shuffle."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        half, given = out // 2, channels if stride > 1 else out // 2
        self.stride = stride
        depthwise = _normed(half, half, 3, stride, groups=half)
        self.right = nn.Sequential(*_normed(given, half, 1), nn.ReLU(), *depthwise, *_normed(half, half, 1), nn.ReLU())
        first = _normed(channels, channels, 3, stride, groups=channels)
        self.left = nn.Sequential(*first, *_normed(channels, half, 1), nn.ReLU()) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        left, right = (x, x) if self.stride > 1 else x.chunk(2, 1)
        joined = torch.cat([self.left(left), self.right(right)], 1)
        batch, channels, height, width = joined.shape
        return joined.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, -1, height, width)


def _normed(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out)]


def _timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        if importlib.util.find_spec("torchvision") is None:
            sys.meta_path.append(_NoTorchvision())
        import timm

        module: nn.Module = timm.create_model(name, **options)
        return module

    return make


class _Anything(type):
    """Classes that have every attribute, for what timm's data transforms ask of torchvision while they are imported."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("_"):
            raise AttributeError(name)
        return name


class _Empty(types.ModuleType):
    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything(name, (nn.Module,), {})


class _NoTorchvision(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds empty modules in the place of torchvision, which timm imports and its models do not use."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.split(".")[0] != "torchvision":
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Empty(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


NETWORKS: dict[str, tuple[str, int, Callable[[], nn.Module]]] = {
    "resnet18": ("ResNet-18", 64, _timm("resnet18")),
    "resnet50": ("ResNet-50", 64, _timm("resnet50")),
    "vgg16_bn": ("VGG-16-BN", 32, _timm("vgg16_bn")),
    "mobilenetv2_100": ("MobileNetV2", 64, _timm("mobilenetv2_100")),
    "mobilenetv3_large_100": ("MobileNetV3-Large", 64, _timm("mobilenetv3_large_100")),
    "efficientnet_b0": ("EfficientNet-B0", 64, _timm("efficientnet_b0")),
    "efficientnet_lite0": ("EfficientNet-Lite0", 64, _timm("efficientnet_lite0")),
    "regnetx_002": ("RegNetX-200MF", 64, _timm("regnetx_002")),
    "regnety_002": ("RegNetY-200MF (with SE)", 64, _timm("regnety_002")),
    "convnext_tiny": ("ConvNeXt-T", 64, _timm("convnext_tiny", ls_init_value=1.0)),
    "densenet121": ("DenseNet-121", 64, _timm("densenet121")),
    "inception_v3": ("Inception-v3", 96, _timm("inception_v3")),
    "squeezenet": ("SqueezeNet 1.1", 64, SqueezeNet),
    "shufflenet_v2": ("ShuffleNetV2 1.0x", 64, ShuffleNet),
    "vit_tiny": ("ViT-Ti/16", 64, _timm("vit_tiny_patch16_224", img_size=64)),
    "swin_tiny": ("Swin-T", 128, _timm("swin_tiny_patch4_window7_224", img_size=128, window_size=4)),
}


def row(name: str) -> dict[str, object]:
    """What came of one architecture."""
    title, size, make = NETWORKS[name]
    torch.manual_seed(0)
    model = _settled(make(), size)
    images = torch.rand(IMAGES, 3, size, size)
    found: dict[str, object] = {"title": title, "size": size}
    try:
        network = load(model, images[:2])
    except RespikeError as error:
        return {**found, "loads": f"no: {error}"}
    with torch.no_grad():
        wanted = model(images)
        found["difference"] = _difference(network(images), wanted)
    found["macs"] = sum(macs(network).values())
    found["neurons"] = sum(network.neurons(node.name) for node in network.activations)
    found["max_norm"] = _rate(network, images)
    return found | _few_spikes(network, images)


def _settled(model: nn.Module, size: int) -> nn.Module:
    """The model in evaluation mode, with the statistics of random images in its batch norms."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.rand(IMAGES, 3, size, size))
    return model.eval()


def _difference(values: Tensor, wanted: Tensor) -> float:
    """The largest difference over the largest output."""
    return float((values - wanted).abs().max() / wanted.abs().max())


def _rate(network: Network, images: Tensor) -> str:
    """Whether integrate-and-fire neurons can stand everywhere, and what is in their way."""
    try:
        SpikingNetwork(network, methods.max_norm.plan(network, images, steps=STEPS))
    except InvalidPlan:
        functions = Counter(
            type(node.function).__name__ for node in network.activations if not isinstance(node.function, ReLU)
        )
        return "no: " + _listed(functions + _kinds(network))
    return "yes"


def _few_spikes(network: Network, images: Tensor) -> dict[str, object]:
    """What must stay analog, and how far the spiking network's outputs are from the network's."""
    analog = tuple(node.name for node in network.nodes if isinstance(node, Analog))
    plan = methods.few_spikes.plan(network, images, steps=STEPS, analog=analog)
    with torch.no_grad():
        outputs = SpikingNetwork(network, plan)(images)
        wanted = network(images)
    error = float((outputs - wanted).norm() / wanted.norm())
    return {"analog": _listed(_kinds(network)) or "nothing", "few_spikes_error": error}


def _kinds(network: Network) -> Counter[str]:
    return Counter(type(node).__name__ for node in network.nodes if isinstance(node, Analog))


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The rows as Markdown."""
    head = ["network", "input", "loads: difference", "MACs", "neurons", "rate methods", "FS: stays analog", "FS: error"]
    lines = [head, ["---"] * len(head)]
    for name in NETWORKS:
        if name not in rows:
            continue
        r = rows[name]
        if "loads" in r:
            lines.append([r["title"], f"{r['size']}²", r["loads"].splitlines()[0], *[""] * 5])
            continue
        cells = [r["title"], f"{r['size']}²", f"yes: {r['difference']:.0e}", f"{r['macs'] / 1e6:.0f} M"]
        cells += [f"{r['neurons'] / 1e3:.0f} k", r["max_norm"], r["analog"], f"{100 * r['few_spikes_error']:.1f} %"]
        lines.append(cells)
    return "\n".join("| " + " | ".join(map(str, cells)) + " |" for cells in lines)


def main(names: Sequence[str]) -> None:
    """Runs the networks named, or all, and writes rows and page."""
    rows = json.loads(ROWS.read_text()) if ROWS.exists() else {}
    for name in names or NETWORKS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RespikeWarning)
            rows[name] = row(name)
        print(name, rows[name], flush=True)
        ROWS.write_text(json.dumps(rows, indent=1) + "\n")
        gc.collect()
    before, rest = PAGE.read_text().split(START)
    PAGE.write_text(f"{before}{START}\n\n{table(rows)}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main(sys.argv[1:])
