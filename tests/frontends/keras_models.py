"""What the tests of the Keras frontend share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from respike.frontends.keras import capture_keras
from respike.frontends.keras.original import quiet, run
from respike.ir import Network

os.environ.setdefault("KERAS_BACKEND", "torch")
with quiet():
    keras: Any = pytest.importorskip("keras", reason="needs Keras (pip install 'respike[keras]')")
layers: Any = keras.layers


def trained(model: Any, seed: int = 0) -> Any:
    """The model with weights and statistics that are not the initial ones."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        if "variance" in variable.path:
            variable.assign(random.uniform(0.1, 2.0, variable.shape))
        elif variable.dtype.startswith("float"):
            variable.assign(random.normal(0.0, 0.7, variable.shape))
    return model


def sequential(shape: tuple[int, ...], *parts: Any) -> Any:
    """A `Sequential` of the layers."""
    return trained(keras.Sequential([keras.Input(shape), *parts]))


def equal_network(model: Any) -> Network:
    """The network of a model, once its outputs and everything on the way equal the model's."""
    captured = capture_keras(model)
    network, inputs = captured.network, tuple(2 * x for x in captured.examples)
    expected = dict(zip(network.outputs, run(model, inputs), strict=True))
    assert all(bool((y != 0).any()) for y in expected.values()), "the model's output is zero: nothing is compared"
    values = network.values(inputs, [node.name for node in network.nodes])
    for name, wanted in {**captured.values(inputs), **expected}.items():
        torch.testing.assert_close(values[name], wanted, rtol=0, atol=1e-5 * (float(wanted.abs().max()) + 0.1))
    return network


def equal_layer(make: Callable[[], Any], shape: tuple[int, ...]) -> Network:
    """The network of one layer, equal to Keras' own."""
    with quiet():
        return equal_network(sequential(shape, make()))
