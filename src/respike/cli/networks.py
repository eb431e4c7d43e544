"""What NETWORK means: a network of the zoo, a file, or `module:factory`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from respike import SpikingNetwork, load, zoo
from respike.cli import console, options
from respike.cli.importing import imported, is_own, own_code
from respike.cli.sources import Source, tell
from respike.data import Dataset, fitted, other_range
from respike.errors import CannotRun, InvalidData, InvalidFile, InvalidNetwork, InvalidOption
from respike.ir import Network
from respike.plan import Plan

CONVERTED = ".respike"
"""The suffix of files of converted networks."""

_EXAMPLES, _AT_ONCE = 8, 64
_HALVES = (torch.float16, torch.bfloat16)


@dataclass(frozen=True, eq=False)
class Subject:
    """The network that a command is about, with its plan where it is converted already.

    source: the data that it is for, as far as somebody said.
    """

    network: Network
    source: Source
    plan: Plan | None = None

    def unconverted(self, instead: str = "pass the network that it was made from") -> Subject:
        """Itself; `InvalidOption`, with what to do instead, where it is converted already."""
        if self.plan is not None:
            raise InvalidOption(f"the network is converted already, by {self.plan.method}: {instead}")
        return self

    @property
    def test_images(self) -> Dataset:
        """Images that it is measured on; `InvalidData` where they are sequences, which not all commands take."""
        if self.measured.over_time:
            raise InvalidData(f"{self.measured.name} gives sequences over time, which evaluate and compare alone take")
        return self.measured

    @property
    def over_time(self) -> bool:
        """Whether its data are sequences."""
        return self.source.own and self.measured.over_time

    @cached_property
    def measured(self) -> Dataset:
        """What it is measured on. Of the user's own data it tells what was read."""
        if not self.source.own:
            return self.source.test()
        dataset = self._fitted(self.source.test())
        tell(dataset, "data")
        suspected = other_range(self.network, dataset)
        if suspected:
            console.warning(f"{suspected}; see --range, --mean, --std and --preprocess")
        return dataset

    @cached_property
    def targets(self) -> Dataset:
        """What is measured by a metric: images with targets, or images alone where their labels are classes."""
        dataset = self.measured
        if not dataset.targets:
            if dataset.labelled:
                console.note(f"{dataset.name} has classes and no targets: compared with the network's own outputs")
            return replace(dataset, labelled=False)
        one = self.network.shapes[self.network.outputs[0]] == (1,) and dataset.labels.ndim == 1
        return replace(dataset, labels=dataset.labels.unsqueeze(1)) if one else dataset

    @cached_property
    def calibration(self) -> Tensor:
        """Images of the training set: methods never look at the test set."""
        dataset = self.source.calibration_images()
        if self.source.calibration is not None or self.source.own:
            dataset = self._fitted(dataset)
            tell(dataset, "calibration")
        return dataset.still.images

    def held_out(self, count: int) -> Dataset:
        """The last images of the training set that are not among those of `calibration`."""
        return self._fitted(self.source.held_out(count)) if self.source.own else self.source.held_out(count)

    def labels(self, dataset: Dataset) -> Tensor:
        """The labels of images; where they have none, what the network decides."""
        if dataset.labelled:
            return dataset.labels
        return torch.cat([self.network(images).argmax(-1) for images, _ in dataset.batches(_AT_ONCE)])

    def _fitted(self, dataset: Dataset) -> Dataset:
        """The data as the network takes them."""
        shape = self.network.shapes[self.network.outputs[0]]
        return fitted(dataset, self.network.inputs[0].shape, shape[0] if len(shape) == 1 else None)


def find(name: str, source: Source) -> Subject:
    """The network that NETWORK names, loaded and checked. `source` is what the user said of the data, if anything."""
    found = _found(name, source)
    return found if source.type is None else replace(found, network=found.network.to(source.type))


def _found(name: str, source: Source) -> Subject:
    if is_own(name):
        return _loaded(name, _made(name), source)
    if not name or (":" in name and not Path(name).exists()):
        raise InvalidOption(f"NETWORK is a network of the zoo, a file, or module:function, which {name!r} is not")
    path = Path(name)
    if path.suffix == CONVERTED:
        spiking = SpikingNetwork.load(path)
        return Subject(spiking.network, _at_home(source, spiking.network.origin), spiking.plan)
    if path.suffix == ".safetensors":
        return _loaded(path.stem, zoo.load(path.stem, path.parent), _at_home(source, path.stem))
    if name not in _zoo() and (path.suffix or path.parent != Path() or path.exists()):
        return Subject(replace(load(path), origin=name), source)
    if name in _zoo() and not zoo.trained(name):
        raise InvalidFile(
            f"the weights of {name} do not come with respike: pass its file from the folder weights of the repository, "
            f"or run respike train {name} and pass what it wrote"
        )
    return _loaded(name, zoo.load(name), _at_home(source, name))


def _loaded(name: str, model: nn.Module, source: Source) -> Subject:
    examples = _examples(name, source)
    kind = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    if kind in _HALVES:
        model, kind = model.float(), torch.float32  # exact, and what every engine computes in
    try:
        return Subject(replace(load(model, examples.to(kind)), origin=name), source)
    except CannotRun as error:
        if not source.own:
            raise
        flags = ", ".join(map(options.flag, ("size", "channels", "layout", "preprocess")))
        raise CannotRun(*error.args, f". The images can be changed by {flags}") from error


def _examples(name: str, source: Source) -> Tensor:
    """A few images as a network takes them: of the zoo's own shape, so that others can be told what to change."""
    if not source.own:
        return source.calibration_images().take(_EXAMPLES).still.images
    if name not in _zoo():
        return source.test().take(_EXAMPLES).still.images
    return torch.rand(_EXAMPLES, *_zoo()[name].input_shape, generator=torch.Generator().manual_seed(0))


def _zoo() -> dict[str, zoo.Entry]:
    return {entry.name: entry for entry in zoo.ENTRIES}


def _at_home(source: Source, name: str) -> Source:
    """The data that somebody named, or those that a network of the zoo was trained on."""
    known = _zoo()[name].dataset if name in _zoo() else None
    return source if source.dataset is not None or known is None else replace(source, dataset=known)


def _made(name: str) -> nn.Module:
    """What `module:factory` returns."""
    factory = imported(name, "factory")
    with own_code(name):
        model = factory()
    if not isinstance(model, nn.Module):
        raise InvalidNetwork(f"{name} returned a {type(model).__name__}; it must return a torch.nn.Module")
    return model
