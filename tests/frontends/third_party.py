"""Networks and photos that others published, fetched from a package registry for the tests that ask for it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

SKIP = pytest.mark.skipif(os.environ.get("RESPIKE_REGISTRY_TESTS") != "1", reason="RESPIKE_REGISTRY_TESTS is not 1")


def from_registry(test: Callable[..., None]) -> Callable[..., None]:
    """Marks a test that fetches packages: skipped unless RESPIKE_REGISTRY_TESTS is 1."""
    marked: Callable[..., None] = pytest.mark.registry(SKIP(test))
    return marked


def fetched(package: str, folder: Path) -> Path:
    """The contents of a package's wheel, once for all tests that are given the same folder."""
    target = folder / package
    if not target.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), package]
        subprocess.run(command, check=True, capture_output=True)
        (wheel,) = folder.glob(f"{package.split('=')[0].replace('-', '_')}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)
    return target


def module(path: Path, name: str) -> ModuleType:
    """One Python file as a module, without the package around it and what that would import."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def with_weights(model: Any, path: Path) -> nn.Module:
    """A module with the weights of a file, ready to be loaded."""
    model.load_state_dict(torch.load(path, weights_only=True))
    evaluated: nn.Module = model.eval()
    return evaluated


def photos(folder: Path) -> list[tuple[Image.Image, int]]:
    """The 20 photos of ImageNet that foolbox carries, with their labels."""
    files = sorted((fetched("foolbox==3.3.4", folder) / "foolbox" / "data").glob("imagenet_*.jpg"))
    assert len(files) == 20
    return [(Image.open(file).convert("RGB"), int(file.stem.rpartition("_")[2])) for file in files]


def pixels(image: Image.Image) -> Tensor:
    """Bytes as numbers from 0 to 255, `[channels, height, width]`."""
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float()


@torch.no_grad()
def in_batches(function: Callable[[Tensor], Tensor], inputs: Tensor, size: int) -> Tensor:
    """A function of many inputs, some at a time."""
    return torch.cat([function(inputs[i : i + size]) for i in range(0, len(inputs), size)])
