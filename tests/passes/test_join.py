"""Networks of several inputs and outputs as networks of one: the same values, and the same spikes everywhere."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from respike import SpikingNetwork, engines, load, methods
from respike.errors import InvalidData, RespikeWarning
from respike.ir import Network
from respike.passes import join_inputs, join_outputs


class Detector(nn.Module):
    """Sees an image and hears of it; gives boxes and classes."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.words = nn.Conv2d(2, 4, 3), nn.Linear(5, 4)
        self.box, self.classes = nn.Conv2d(4, 4, 1), nn.Linear(16, 3)

    def forward(self, image: Tensor, words: Tensor) -> dict[str, Tensor]:
        x = F.relu(self.image(image) + self.words(words)[:, :, None, None])
        return {"box": self.box(x), "classes": self.classes(F.adaptive_avg_pool2d(x, 2).flatten(1))}


def inputs(count: int) -> tuple[Tensor, Tensor]:
    return torch.rand(count, 2, 6, 5).double(), torch.rand(count, 5).double()


def flat(values: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([x.flatten(1) for x in values], 1)


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return load(Detector().double().eval(), inputs(4))


def test_joining_changes_no_value(network: Network) -> None:
    joined = join_outputs(join_inputs(network))
    images = inputs(3)
    wanted = network.values(images, network.outputs)
    outputs = torch.split(joined(flat(images)), [math.prod(network.shapes[name]) for name in network.outputs], 1)
    assert len(outputs) == 2
    for name, values in zip(network.outputs, outputs, strict=True):
        torch.testing.assert_close(values, wanted[name].flatten(1), rtol=0, atol=0)


def test_a_network_of_one_stays(network: Network) -> None:
    joined = join_outputs(join_inputs(network))
    assert join_outputs(join_inputs(joined)) is joined


def test_all_outputs_of_all_inputs_spike_in_every_engine(network: Network) -> None:
    joined = join_outputs(join_inputs(network))
    images = flat(inputs(3))
    plan = methods.max_norm(joined, flat(inputs(64)), steps=200)
    spiking = SpikingNetwork(joined, plan)
    record = engines.reference(joined, plan, images)
    for engine in (engines.batched, engines.event):
        other = engine(joined, plan, images)
        torch.testing.assert_close(other.outputs, record.outputs, rtol=1e-12, atol=1e-12)
        assert all(torch.equal(other.spike_counts[name], counts) for name, counts in record.spike_counts.items())
    assert (spiking(images) - joined(images)).abs().max() < 0.05
    few = SpikingNetwork(joined, methods.few_spikes(joined, flat(inputs(64)), steps=10))
    assert (few(images) - joined(images)).abs().max() < 0.05


def test_what_is_not_joined_is_named(network: Network) -> None:
    with pytest.raises(InvalidData, match=r"2 inputs, 1 were given; .*\.join_inputs"):
        methods.max_norm(network, inputs(8)[0], steps=8)
    one = join_inputs(network)
    plan = methods.max_norm(one, flat(inputs(8)), steps=8)
    with pytest.warns(RespikeWarning, match=r"only '.*' is simulated, not 'classes'.*join_outputs"):
        SpikingNetwork(one, plan)
    alone = dataclasses.replace(one, outputs=("classes",))
    assert SpikingNetwork(alone, plan)(flat(inputs(2))).shape == (2, 3)
