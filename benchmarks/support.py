"""Which known architectures load and convert, with random weights: makes the tables of docs/networks/support.md.

`python benchmarks/support.py` measures what is missing in benchmarks/support.json, and `--only resnet18 --only bert`
these anew. Two networks are written out here; the others come from packages that respike does not need. Put them into
a folder of their own, and what they import with them (torchvision is not needed):

    pip install --target PACKAGES --no-deps timm transformers huggingface_hub tokenizers regex httpx2 httpcore2 \
        truststore h11 anyio idna certifi pyyaml requests tqdm filelock fsspec
    PYTHONPATH=PACKAGES python benchmarks/support.py

Networks whose package is not there are passed over, by name.
"""

from __future__ import annotations

import argparse
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from respike import SpikingNetwork, load, methods, metrics, score
from respike.cost import HOROWITZ_45NM, analog_operations, fan_outs, macs
from respike.errors import InvalidPlan, RespikeError, RespikeWarning
from respike.ir import Activation, Analog, Network, ReLU

ROWS = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "networks" / "support.md"
LOADS = "<!-- made by benchmarks/support.py -->"
EVERY_EDGE = "<!-- made by benchmarks/support.py, every edge -->"
END = "<!-- end -->"
IMAGES = 8
"""Calibration sees the first so many random inputs, and `every_edge` is tested on as many others."""
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
        head = getattr(module, "head", None)
        if isinstance(head, nn.Linear) and not bool(head.weight.any()):  # then all outputs would be 0
            head.reset_parameters()
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


def _transformers(model: str, config: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import transformers

        module: nn.Module = getattr(transformers, model)(getattr(transformers, config)(**options))
        return module

    return make


@dataclass(frozen=True)
class Entry:
    """An architecture with random weights, and what it is given.

    Args:
        name: what `--only` calls it.
        title: what the page calls it.
        package: the package that makes it; empty where it is written out here.
        make: makes it.
        shape: of an image `[channels, height, width]`, of a sound `[samples]`, or how many words of a text.
        words: how many different words there are; 0 for images and sounds.
    """

    name: str
    title: str
    package: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    words: int = 0

    def inputs(self, count: int) -> Tensor:
        """Random inputs, a batch of them."""
        size = (count, *self.shape)
        return torch.randint(0, self.words, size) if self.words else torch.rand(size)

    @property
    def given(self) -> str:
        """The input as the page has it."""
        if self.words:
            return f"{self.shape[0]} words"
        return f"{self.shape[-1]}²" if len(self.shape) > 1 else f"{self.shape[0]} samples"


def _image(name: str, title: str, side: int, **options: Any) -> Entry:
    return Entry(name, title, "timm", _timm(name, **options), (3, side, side))


def _seen(name: str, title: str, model: str, config: str, **options: Any) -> Entry:
    return Entry(name, title, "transformers", _transformers(model, config, **options, num_labels=10), (3, 64, 64))


def _text(name: str, title: str, model: str, config: str, **options: Any) -> Entry:
    make = _transformers(model, config, vocab_size=100, **options)
    return Entry(name, title, "transformers", make, (16,), words=100)


_SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}
_GPT2: dict[str, Any] = {"n_positions": 32, "n_embd": 64, "n_layer": 2, "n_head": 4, "bos_token_id": 0}

NETWORKS = (
    _image("resnet18", "ResNet-18", 64),
    _image("resnet50", "ResNet-50", 64),
    _image("vgg16_bn", "VGG-16-BN", 32),
    _image("mobilenetv2_100", "MobileNetV2", 64),
    _image("mobilenetv3_large_100", "MobileNetV3-Large", 64),
    _image("efficientnet_b0", "EfficientNet-B0", 64),
    _image("efficientnet_lite0", "EfficientNet-Lite0", 64),
    _image("regnetx_002", "RegNetX-200MF", 64),
    _image("regnety_002", "RegNetY-200MF (with SE)", 64),
    _image("convnext_tiny", "ConvNeXt-T", 64, ls_init_value=1.0),
    _image("densenet121", "DenseNet-121", 64),
    _image("inception_v3", "Inception-v3", 96),
    Entry("squeezenet", "SqueezeNet 1.1", "", SqueezeNet, (3, 64, 64)),
    Entry("shufflenet_v2", "ShuffleNetV2 1.0x", "", ShuffleNet, (3, 64, 64)),
    _image("vit_tiny_patch16_224", "ViT-Ti/16", 64, img_size=64),
    _image("swin_tiny_patch4_window7_224", "Swin-T", 128, img_size=128, window_size=4),
    _image("deit_tiny_distilled_patch16_224", "DeiT-Ti/16, distilled", 64, img_size=64),
    _image("mixer_s16_224", "MLP-Mixer-S/16", 64, img_size=64),
    _seen("hf_vit", "ViT, small", "ViTForImageClassification", "ViTConfig", image_size=64, patch_size=8, **_SMALL),
    _seen("hf_swin", "Swin, small", "SwinForImageClassification", "SwinConfig",
          image_size=64, patch_size=4, embed_dim=32, depths=[2, 2], num_heads=[2, 4], window_size=4),
    _seen("hf_convnext", "ConvNeXt, small", "ConvNextForImageClassification", "ConvNextConfig",
          hidden_sizes=[16, 32], depths=[2, 2], num_stages=2),
    _seen("hf_segformer", "SegFormer, small", "SegformerForImageClassification", "SegformerConfig",
          hidden_sizes=[16, 32, 64, 64], depths=[1, 1, 1, 1], decoder_hidden_size=32),
    _text("bert", "BERT, small", "BertForSequenceClassification", "BertConfig", max_position_embeddings=32, **_SMALL),
    _text("gpt2", "GPT-2, small", "GPT2LMHeadModel", "GPT2Config", use_cache=False, eos_token_id=0, **_GPT2),
    _text("llama", "Llama, small", "LlamaForCausalLM", "LlamaConfig",
          use_cache=False, max_position_embeddings=32, num_key_value_heads=2, **_SMALL),
    _text("t5", "T5 encoder, small", "T5EncoderModel", "T5Config", d_model=64, d_kv=16, d_ff=128, num_layers=2,
          num_heads=4),
    Entry("wav2vec2", "wav2vec 2.0, small", "transformers",
          _transformers("Wav2Vec2ForSequenceClassification", "Wav2Vec2Config", num_feat_extract_layers=3,
                        conv_dim=(32, 32, 32), conv_stride=(5, 2, 2), conv_kernel=(10, 3, 3),
                        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, **_SMALL),
          (800,)),
)  # fmt: skip
"""The networks of the page, in order; those of Hugging Face behind timm's are small ones of our own sizes."""


def measured(entry: Entry, row: dict[str, Any]) -> dict[str, Any]:
    """The row of one architecture, with what is missing in it."""
    torch.manual_seed(0)
    model = _settled(entry.make(), entry.inputs(IMAGES))
    inputs, others = entry.inputs(IMAGES), entry.inputs(IMAGES)
    try:
        network = load(model, inputs[:2])
    except RespikeError as error:
        return {"loads": f"no: {error}"}
    if "difference" not in row:
        with torch.no_grad():
            row["difference"] = _difference(network(inputs), _first(model(inputs)))
        row["macs"] = sum(macs(network).values())
        row["neurons"] = sum(network.neurons(node.name) for node in network.activations)
        row["max_norm"] = _rate(network, inputs)
        row |= _few_spikes(network, inputs)
    if "every_edge" not in row:
        row["every_edge"] = _every_edge(network, inputs, others)
    return row


def _first(output: Any) -> Tensor:
    """The first output of a model, whatever it wraps its outputs in."""
    found: Tensor = next(leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor))
    return found


def _settled(model: nn.Module, inputs: Tensor) -> nn.Module:
    """The model in evaluation mode, with the statistics of random inputs in its batch norms."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(inputs)
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


def _every_edge(network: Network, inputs: Tensor, others: Tensor) -> dict[str, object]:
    """What spikes on every edge lose and cost with nothing named, on inputs that calibration has not seen."""
    plan = methods.every_edge(network, inputs, steps=STEPS)
    spiking = SpikingNetwork(network, plan)
    with torch.no_grad():
        outputs, wanted = spiking(others), network(others)
    found = score(spiking, (others, wanted), metrics.MeanSquaredError())
    kinds: Counter[str] = Counter()
    for name, count in analog_operations(spiking.network, plan, fan_outs(spiking.network, plan)).items():
        kinds["held value" if name in plan.held else _kind(spiking.network, name)] += round(count)
    energy = found.energy_ratio * HOROWITZ_45NM(found.macs, 0)
    return {
        "populations": len(plan.sites),
        "products": len(plan.products),
        "error": float((outputs - wanted).norm() / wanted.norm()),
        "agreement": float((outputs.argmax(-1) == wanted.argmax(-1)).double().mean()),
        "spikes_per_neuron": found.spikes_per_neuron,
        "energy_ratio": found.energy_ratio,
        "analog_share": HOROWITZ_45NM(sum(kinds.values()), 0) / energy,
        "analog": dict(kinds.most_common()),
    }


def _kind(network: Network, name: str) -> str:
    """What a node computes: an activation's function, else its type."""
    node = network[name]
    return type(node.function).__name__ if isinstance(node, Activation) else network.kind(name)


def _kinds(network: Network) -> Counter[str]:
    return Counter(type(node).__name__ for node in network.nodes if isinstance(node, Analog))


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def loading(rows: dict[str, dict[str, Any]]) -> str:
    """What loads, and what `few_spikes` does with it, as Markdown."""
    head = ["network", "input", "loads: difference", "MACs", "neurons", "rate methods", "FS: stays analog", "FS: error"]
    lines = []
    for entry in NETWORKS:
        row = rows.get(entry.name, {})
        if "loads" in row:
            lines.append([entry.title, entry.given, row["loads"].splitlines()[0], *[""] * 5])
        elif row:
            cells = [entry.title, entry.given, f"yes: {row['difference']:.0e}", f"{row['macs'] / 1e6:.0f} M"]
            cells += [f"{row['neurons'] / 1e3:.0f} k", row["max_norm"], row["analog"]]
            lines.append([*cells, f"{100 * row['few_spikes_error']:.1f} %"])
    return _markdown(head, lines)


def spiking_edges(rows: dict[str, dict[str, Any]]) -> str:
    """What spikes on every edge lose and cost, as Markdown."""
    head = ["network", "populations", "products", "spikes a neuron", "error", "agreement", "energy ratio"]
    lines = []
    for entry in NETWORKS:
        row = rows.get(entry.name, {}).get("every_edge")
        if row:
            cells = [entry.title, row["populations"], row["products"], f"{row['spikes_per_neuron']:.2f}"]
            cells += [f"{100 * row['error']:.1f} %", f"{100 * row['agreement']:.0f} %", f"{row['energy_ratio']:.2f}"]
            kinds, whole = row["analog"], sum(row["analog"].values()) or 1
            shares = ", ".join(f"{kind} {100 * count / whole:.0f}" for kind, count in kinds.items())
            lines.append([*cells, f"{100 * row['analog_share']:.0f} %", shares or "nothing"])
    return _markdown([*head, "of it analog", "what is analog (% of it)"], lines)


def _markdown(head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(map(str, cells)) + " |" for cells in rows)


def main(only: Sequence[str]) -> None:
    """Measures what is named anew, or what is missing, and writes rows and page."""
    rows = json.loads(ROWS.read_text()) if ROWS.exists() else {}
    for entry in NETWORKS:
        if entry.name in only:
            rows.pop(entry.name, None)
        elif only or rows.get(entry.name, {}).keys() & {"every_edge", "loads"}:
            continue
        if entry.package and importlib.util.find_spec(entry.package) is None:
            print(f"{entry.name} is passed over: {entry.package} is not installed; this file says how to get it")
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RespikeWarning)
            rows[entry.name] = measured(entry, rows.get(entry.name, {}))
        print(entry.name, rows[entry.name], flush=True)
        ROWS.write_text(json.dumps(rows, indent=1) + "\n")
        gc.collect()
    text = PAGE.read_text()
    for start, table in ((LOADS, loading(rows)), (EVERY_EDGE, spiking_edges(rows))):
        before, rest = text.split(start + "\n")
        text = f"{before}{start}\n\n{table}\n\n{END}{rest.split(END, 1)[1]}"
    PAGE.write_text(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], choices=[entry.name for entry in NETWORKS])
    main(parser.parse_args().only)
