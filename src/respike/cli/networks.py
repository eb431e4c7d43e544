"""What NETWORK means: a network of the zoo, a file, or `module:factory`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from respike import SpikingNetwork, data, load, zoo
from respike.cli.importing import imported, is_own, own_code
from respike.data import Dataset
from respike.errors import InvalidFile, InvalidNetwork, InvalidOption
from respike.ir import Network
from respike.plan import Plan

CONVERTED = ".respike"
"""The suffix of files of converted networks."""

_EXAMPLES = 8
_HALVES = (torch.float16, torch.bfloat16)


@dataclass(frozen=True, eq=False)
class Subject:
    """The network that a command is about, with its plan where it is converted already.

    dataset: the name of the data set it is for, None where nobody said.
    """

    network: Network
    dataset: str | None
    plan: Plan | None = None

    @property
    def test_images(self) -> Dataset:
        """What it is measured on."""
        return data.load(_named(self.dataset), "test")

    @property
    def calibration(self) -> Tensor:
        """Images of the training set: methods never look at the test set."""
        return data.load(_named(self.dataset), "calibration").images

    def held_out(self, count: int) -> Dataset:
        """The last images of the training set; those of `calibration` are the first of each class."""
        return data.load(_named(self.dataset), "train").last(count)


def find(name: str, dataset: str | None) -> Subject:
    """The network that NETWORK names, loaded and checked. `dataset` is what the user said, if anything."""
    if is_own(name):
        return _loaded(name, _made(name), dataset)
    path = Path(name)
    if path.suffix == CONVERTED:
        spiking = SpikingNetwork.load(path)
        return Subject(spiking.network, dataset or _home(spiking.network.origin), spiking.plan)
    if path.suffix == ".safetensors":
        return _loaded(path.stem, zoo.load(path.stem, path.parent), dataset or _home(path.stem))
    if name not in _zoo() and (path.suffix or path.parent != Path() or path.exists()):
        return Subject(replace(load(path), origin=name), dataset)
    if name in _zoo() and not (zoo.SHIPPED / f"{name}.safetensors").exists():
        raise InvalidFile(f"the weights of {name} do not come with respike: run respike train {name} and pass its file")
    return _loaded(name, zoo.load(name), dataset or _home(name))


def _loaded(name: str, model: nn.Module, dataset: str | None) -> Subject:
    examples, _ = next(data.load(_named(dataset), "calibration").batches(_EXAMPLES))
    kind = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    if kind in _HALVES:
        model, kind = model.float(), torch.float32  # exact, and what every engine computes in
    return Subject(replace(load(model, examples.to(kind)), origin=name), dataset)


def _named(dataset: str | None) -> str:
    if dataset is None:
        names = ", ".join(listing.name for listing in data.available())
        raise InvalidOption(f"choose the data set of the network with --dataset: {names}")
    return dataset


def _zoo() -> dict[str, zoo.Entry]:
    return {entry.name: entry for entry in zoo.ENTRIES}


def _home(name: str) -> str | None:
    """The data set that a network of the zoo was trained on."""
    return _zoo()[name].dataset if name in _zoo() else None


def _made(name: str) -> nn.Module:
    """What `module:factory` returns."""
    factory = imported(name, "factory")
    with own_code(name):
        model = factory()
    if not isinstance(model, nn.Module):
        raise InvalidNetwork(f"{name} returned a {type(model).__name__}; it must return a torch.nn.Module")
    return model
