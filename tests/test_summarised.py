"""What the larger values show of themselves."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
import torch
from torch import nn

import respike
from respike import SpikingNetwork, methods
from respike.summarised import Summarised, called, listed


class _Text(HTMLParser):
    """The texts between the tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.found.append(data)


class Odd(Summarised):
    def _summary(self) -> tuple[str, dict[str, str]]:
        return "a <b>", {"one": "1 < 2 & 3", "long name": "4"}


@pytest.fixture(scope="module")
def values() -> dict[str, Summarised]:
    torch.manual_seed(1)
    images = torch.rand(6, 12)
    network = respike.load(nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 5)).eval(), images)
    spiking = SpikingNetwork(network, methods.max_norm(network, images, steps=9))
    labels = network(images).argmax(1)
    return {
        "network": network,
        "plan": spiking.plan,
        "spiking": spiking,
        "recording": respike.simulate(spiking, images),
        "report": respike.measure(spiking, (images, labels), dataset_name="noise"),
        "diagnosis": respike.diagnose(spiking, images, labels, dataset_name="noise"),
    }


def test_text_and_page() -> None:
    assert repr(Odd()) == "a <b>\n  one        1 < 2 & 3\n  long name  4"
    assert _Text(Odd()._repr_html_()).found == ["a <b>", "one", "1 < 2 & 3", "long name", "4"]


def test_names() -> None:
    assert listed("abcd") == "a, b, c, d"
    assert listed("abcdef") == "a, b, c, d and 2 more"
    assert called("fit", {"steps": 3, "reset": None}.items()) == "fit(steps=3, reset=None)"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("network", ["Network", "weights  365", "20 in 1 activations"]),
        ("plan", ["Plan by max_norm(steps=9", "Steady(steps=9)", "thresholds"]),
        ("spiking", ["SpikingNetwork", "max_norm(steps=9", "populations"]),
        ("recording", ["Recording of 6 images", "9 steps", "[9, 6, 5]"]),
        ("report", ["max_norm(steps=9", "6 images of noise", "100.00 %", "per neuron"]),
        ("diagnosis", ["max_norm(steps=9", "6 images of noise", "first loss"]),
    ],
)
def test_a_few_lines_say_what_matters(values: dict[str, Summarised], name: str, said: list[str]) -> None:
    text = repr(values[name])
    assert len(text.splitlines()) <= 12
    for words in said:
        assert words in text
    assert " ".join(text.split()) == " ".join(" ".join(_Text(values[name]._repr_html_()).found).split())


def test_numbers_are_those_of_the_value(values: dict[str, Summarised]) -> None:
    network, recording = values["network"], values["recording"]
    assert isinstance(network, respike.ir.Network)
    assert isinstance(recording, respike.Recording)
    assert f"{network.parameters:,}\n" in repr(network)
    for name, count in recording.spike_counts.items():
        assert f"{name} {int(count.sum()):,}" in repr(recording)
