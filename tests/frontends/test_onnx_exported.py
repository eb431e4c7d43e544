"""Networks as torch's exporter writes them."""

from __future__ import annotations

import os

import onnx
import pytest
import torch

from frontends.onnx_exporting import EXPORTED, Together, export, inputs
from frontends.onnx_models import check
from frontends.torch_models import trained
from respike import zoo
from respike.ir import Activation, GroupNorm, LayerNorm
from respike.load import load


def test_what_torch_exports_is_what_onnxruntime_computes() -> None:
    file = onnx.load(EXPORTED)
    check(file, *inputs(3, 1), tolerance=1e-5)
    network = load(file, inputs(2, 2))
    functions = [type(node.function).__name__ for node in network.nodes if isinstance(node, Activation)]
    assert [functions.count(name) for name in ("SiLU", "GELU", "Hardswish")] == [2, 2, 1]
    assert sum(isinstance(node, LayerNorm | GroupNorm) for node in network.nodes) == 2


def test_the_exported_zoo_network_is_the_zoo_network() -> None:
    given = inputs(8, 3)
    network = load(onnx.load(EXPORTED), given)
    logits = network.values(given, network.outputs)[network.outputs[-1]]
    torch.testing.assert_close(logits, zoo.load("mnist-cnn")(given[-1]), rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(os.environ.get("RESPIKE_SLOW_TESTS") != "1", reason="RESPIKE_SLOW_TESTS is not 1 (a minute)")
def test_what_torch_exports_today_is_the_module() -> None:
    model, given = trained(Together()), inputs(3, 4)
    network = load(export(model), given)
    values = network.values(given, network.outputs)
    for name, wanted in zip(network.outputs, model(*given), strict=True):
        torch.testing.assert_close(values[name], wanted, rtol=1e-4, atol=1e-5)
