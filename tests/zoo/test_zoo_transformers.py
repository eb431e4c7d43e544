"""The transformers of the zoo: what they compute, written out again, and that respike reads them as they are."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import respike
from respike import data, zoo
from respike.ir import LayerNorm, MatMul, Softmax
from respike.zoo.transformers import Attention, CausalAttention

_BLOCKS = {"fashion-vit": 4, "cifar10-vit": 6, "cifar10-convnext": 6}


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    own, theirs = Attention(24, 3), nn.MultiheadAttention(24, 3, batch_first=True)
    maps = (own.query, own.key, own.value)
    theirs.load_state_dict(
        {
            "in_proj_weight": torch.cat([map_.weight for map_ in maps]),
            "in_proj_bias": torch.cat([map_.bias for map_ in maps]),
            "out_proj.weight": own.project.weight,
            "out_proj.bias": own.project.bias,
        }
    )
    tokens = torch.randn(5, 7, 24)
    assert torch.allclose(own(tokens), theirs(tokens, tokens, tokens)[0], atol=1e-6)


def test_causal_attention_is_that_of_torch_with_a_mask() -> None:
    torch.manual_seed(0)
    causal, plain = CausalAttention(24, 3), Attention(24, 3)
    plain.load_state_dict(causal.state_dict())
    tokens = torch.randn(5, 7, 24)
    found = causal(tokens)
    for place in range(7):
        assert torch.allclose(found[:, place], plain(tokens[:, : place + 1])[:, place], atol=1e-6)


def test_the_language_model_sees_nothing_of_the_future_with_spikes_or_without() -> None:
    entry = zoo.find("jargon-gpt")
    torch.manual_seed(1)
    given = torch.eye(69)[torch.randint(69, (6, 1, 64))]
    network = respike.load(entry.build().eval(), given[:2])
    assert network.shapes[network.outputs[0]] == (69, 64)
    plan = respike.methods.every_edge(network, given, steps=4)
    other = given.clone()
    other[:, :, 40:] = torch.eye(69)[torch.randint(69, (6, 1, 24))]
    spiking = respike.SpikingNetwork(network, plan)
    for model in (network, spiking):
        before, after = model(given), model(other)
        assert torch.allclose(before[..., :40], after[..., :40], atol=1e-5)
        assert not torch.allclose(before[..., 40:], after[..., 40:], atol=1e-2)


@pytest.mark.parametrize(("name", "blocks"), _BLOCKS.items())
def test_transformers_load_with_their_products(name: str, blocks: int) -> None:
    entry = zoo.find(name)
    torch.manual_seed(1)
    module, images = entry.build().eval(), torch.rand(3, *entry.input_shape)
    network = respike.load(module, images)
    assert network(images).shape == (3, 10)
    assert torch.allclose(network(images), module(images), atol=1e-5)
    count = {kind: sum(isinstance(node, kind) for node in network.nodes) for kind in (LayerNorm, MatMul, Softmax)}
    if name.endswith("vit"):
        assert count == {LayerNorm: 2 * blocks + 1, MatMul: 2 * blocks, Softmax: blocks}
    else:
        assert count == {LayerNorm: blocks + 3, MatMul: 0, Softmax: 0}


def test_a_transformer_learns(tmp_path: Path) -> None:
    entry = zoo.find("fashion-vit")
    images = data.load("mnist", "calibration").take(200)
    recipe = replace(entry.recipe, epochs=3, batch_size=20, shift=0, flip=False)
    record = zoo.train(replace(entry, recipe=recipe), directory=tmp_path, train_set=images, test_set=images)
    assert record.history[-1].train_loss < record.history[0].train_loss < 1.2 * math.log(10)
