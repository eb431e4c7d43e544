"""`--metric`: outputs other than classes on the command line, as `respike.score` measures them."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cli.running import Runner
from respike import SpikingNetwork, load, methods, metrics, score

MODELS = '''
import torch
from torch import nn
from respike import metrics


def regression():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 1)).eval()


class UNet(nn.Module):
    """Two levels, a skip connection by concatenation, three classes at each pixel."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.deep = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(8, 12, 3, padding=1), nn.ReLU())
        self.up = nn.ConvTranspose2d(12, 8, 2, stride=2)
        self.head = nn.Sequential(nn.Conv2d(16, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 1))

    def forward(self, x):
        fine = self.down(x)
        return self.head(torch.cat([fine, torch.relu(self.up(self.deep(fine)))], 1))


def unet():
    torch.manual_seed(5)
    model = UNet().eval()
    with torch.no_grad():  # so that each class is decided somewhere
        model.head[-1].bias -= model(torch.rand(8, 1, 16, 16)).mean((0, 2, 3))
    return model


class Largest:
    """The largest error."""

    name = "largest error"
    larger_is_better = False

    def check(self, shape, targets): ...

    def own(self, outputs):
        return outputs

    def sums(self, outputs, targets):
        return (outputs - targets).abs().amax().double().reshape(1)

    def value(self, sums):
        return float(sums[0])


def largest():
    return Largest()


def nothing():
    return 3
'''


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(importlib.sys.modules, "metricmodels", raising=False)  # type: ignore[attr-defined]
    Path("metricmodels.py").write_text(MODELS)


def _model(name: str) -> torch.nn.Module:
    model = getattr(importlib.import_module("metricmodels"), name)()
    assert isinstance(model, torch.nn.Module)
    return model


def _scored(respike: Runner, *words: object) -> Any:
    outcome = respike("evaluate", *words, "--json", "score.json", "--force")
    assert outcome.code == 0, outcome.err
    return json.loads(Path("score.json").read_text()), outcome


def test_a_regression_network_against_its_targets(respike: Runner) -> None:
    generator = torch.Generator().manual_seed(1)
    images, model = torch.rand(40, 6, generator=generator), _model("regression")
    targets = model(images).detach()[:, 0] + 0.01 * torch.randn(40, generator=generator)
    np.savez("own.npz", x_train=images[:10], y_train=targets[:10], x_test=images[10:], y_test=targets[10:])
    words = ("metricmodels:regression", "--method", "max_norm", "--steps", 64, "--dataset", "own.npz")
    found, outcome = _scored(respike, *words, "--metric", "r_squared", "--plot", "r.png")
    assert "30 images with targets of shape []" in outcome.err
    assert Path("r.png").stat().st_size > 1000

    network = load(model, images[:8])
    spiking = SpikingNetwork(network, methods.max_norm(network, images[:10], steps=64))
    expected = score(spiking, (images[10:], targets[10:].unsqueeze(1)), metrics.RSquared())
    assert found["values"] == expected.values
    assert found["network_value"] == expected.network_value > found["values"][-1] > found["values"][0]
    table = [line.split() for line in outcome.out.splitlines()]
    assert [*["max_norm,", "after", "step", "64"], f"{expected.value:.6g}"] in table

    errors, _ = _scored(respike, *words, "--metric", "mean-squared-error")
    assert errors["values"][-1] < errors["values"][0]
    assert not errors["larger_is_better"]
    own, _ = _scored(respike, *words, "--metric", "metricmodels:largest")
    assert own["metric"] == "largest error"


def test_a_unet_decides_as_the_network_at_most_pixels(respike: Runner) -> None:
    images = torch.rand(12, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    np.save("images.npy", images.numpy())
    words = ("metricmodels:unet", "--method", "max_norm", "--dataset", "images.npy", "--calibration", 4)
    few, _ = _scored(respike, *words, "--steps", 8, "--metric", "pixel_accuracy")
    many, _ = _scored(respike, *words, "--steps", 128, "--metric", "pixel_accuracy")
    assert few["values"][-1] < many["values"][-1]
    assert many["values"][-1] > 0.9
    overlap, outcome = _scored(respike, *words, "--steps", 128, "--metric", "mean_iou")
    assert overlap["network_value"] == 1.0
    assert not overlap["labelled"]
    assert "against the network's own outputs" in outcome.out

    masks = _model("unet")(images).argmax(1).numpy().astype(np.uint8)
    masks[:, :4] = 255
    np.savez("own.npz", images=images.numpy()[4:], masks=masks[4:])
    against, _ = _scored(
        respike, "metricmodels:unet", "--method", "model_norm", "--steps", 16, "--dataset", "own.npz", "--metric",
        "mean_iou:ignore=255",
    )  # fmt: skip
    assert against["labelled"]
    assert against["network_value"] == 1.0


def test_classes_are_compared_with_the_networks_outputs(respike: Runner) -> None:
    words = ("mnist-mlp", "--method", "few_spikes", "--steps", 6, "--limit", 16, "--metric", "cosine_similarity")
    found, outcome = _scored(respike, *words)
    assert "mnist has classes and no targets" in outcome.err
    assert found["values"][-1] > 0.98


def test_bad_input(respike: Runner) -> None:
    words = ("evaluate", "mnist-mlp", "--method", "max_norm", "--limit", 16)
    assert "unknown metric 'mean_io': did you mean 'mean_iou'?" in respike.refused(*words, "--metric", "mean_io")
    told = respike.refused(*words, "--metric", "mean_iou:ignor=3")
    assert "the metric mean_iou has no option 'ignor' (its options: ignore)" in told
    assert "takes a whole number, not 'x'" in respike.refused(*words, "--metric", "mean_iou:ignore=x")
    assert "it must return a metrics.Metric" in respike.refused(*words, "--metric", "metricmodels:nothing")
    assert "--early-exit is for classes" in respike.refused(*words, "--metric", "r_squared", "--early-exit", "bound")
    assert "masks need outputs" in respike(*words, "--metric", "mean_iou").err

    np.savez("own.npz", images=np.random.default_rng(0).random((8, 6)).astype("f4"), targets=np.arange(8) / 8)
    told = respike("evaluate", "metricmodels:regression", "--method", "max_norm", "--dataset", "own.npz").err
    assert "where they are no classes, compare by a --metric" in told
    np.savez("own.npz", images=np.zeros((8, 6), "f4"), targets=np.zeros((7, 2)))
    told = respike(
        "evaluate", "metricmodels:regression", "--method", "max_norm", "--dataset", "own.npz", "--metric", "r_squared"
    ).err
    assert "7 targets for 8 images" in told or "7 labels for 8 images" in told
