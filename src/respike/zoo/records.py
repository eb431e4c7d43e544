"""What is kept of a training: the weights, and the record beside them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from respike.errors import InvalidFile
from respike.files import read
from respike.tensor_file import parse
from respike.typed import of_json
from respike.zoo.entries import Recipe, find

SHIPPED = Path(__file__).parent / "weights"
"""The folder of the weights and records that come with the package."""
_CHECKOUT = Path(__file__).parents[3] / "weights"
"""That of the larger networks, in the repository beside `src`: a wheel does not have it."""


@dataclass(frozen=True)
class Epoch:
    """One epoch of a training.

    Args:
        number: from 1.
        train_loss: the mean training loss, with dropout on.
        test_loss: the mean loss on the test images.
        test_accuracy: the share of test images that are right.
        seconds: how long it took.
    """

    number: int
    train_loss: float
    test_loss: float
    test_accuracy: float
    seconds: float


@dataclass(frozen=True)
class TrainingRecord:
    """How a network came about, and what it reaches.

    The test images are only measured on: the weights are those of the last epoch.

    Args:
        name: of the network.
        dataset: what it was trained on.
        source: where the images came from.
        seed: of all that is random.
        epochs: how many there were.
        recipe: how it was trained.
        train_images: how many there were.
        test_images: how many there were.
        accuracy: the share of all test images that the stored weights get right.
        accuracy_float32: the same before they were rounded to `weights_dtype`.
        weights_dtype: the type in which weights are stored.
        sha256: of the weights' file.
        history: the epochs.
        python: its version.
        torch: its version.
        threads: how many torch used.
        date: on which it ended.
        device: what computed: "cpu", or the name of a GPU.
    """

    name: str
    dataset: str
    source: str
    seed: int
    epochs: int
    recipe: Recipe
    train_images: int
    test_images: int
    accuracy: float
    accuracy_float32: float
    weights_dtype: str
    sha256: str
    history: tuple[Epoch, ...]
    python: str
    torch: str
    threads: int
    date: str
    device: str = "cpu"

    def to_json(self) -> str:
        """The record as JSON text; `from_json` is the inverse."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, name: str) -> TrainingRecord:
        """The record in JSON text; `name` is for messages. Raises InvalidFile where fields are missing or unknown."""
        return of_json(cls, text, name, "a training record")


def trained(name: str) -> bool:
    """Whether the zoo has a network of that name, and its weights are at hand."""
    return any((folder / f"{name}.safetensors").exists() for folder in (SHIPPED, _CHECKOUT))


def record(name: str, directory: Path | None = None) -> TrainingRecord:
    """The training record of a network of the zoo, from where its weights come from or another folder.

    Raises UnknownName for a name that is not in the zoo, InvalidFile for a record that is missing or broken.
    """
    path = (directory or _home(name)) / f"{find(name).name}.json"
    try:
        return TrainingRecord.from_json(read(path).decode(), str(path))
    except UnicodeDecodeError as error:
        raise InvalidFile(f"{path} is not text: {error}") from error


def load(name: str, directory: Path | None = None) -> nn.Module:
    """A trained network of the zoo in evaluation mode, float32.

    Small networks come with the package; the weights of the others lie in the repository's folder `weights`, where a
    checkout finds them.

    Args:
        name: of the network.
        directory: the folder of its weights and record; where they come from unless given.

    Raises UnknownName for a name that is not in the zoo, InvalidFile for weights that are missing, corrupted,
    truncated, not those of the record beside them, or not those of this architecture.
    """
    entry = find(name)
    if directory is None and not trained(name):
        raise InvalidFile(
            f"the weights of {name} do not come with the package: take them from the folder weights of the repository, "
            f"or train them with respike.zoo.train"
        )
    directory = directory or _home(name)
    path = directory / f"{name}.safetensors"
    content = read(path)
    if hashlib.sha256(content).hexdigest() != record(name, directory).sha256:
        raise InvalidFile(f"{path} is corrupted: its SHA-256 is not the one in {name}.json; install or train it again")
    with torch.random.fork_rng(devices=[]):  # the weights that are overwritten are random
        network = entry.build()
    fill(network, parse(content, path)[0], path)
    return network.eval()


def _home(name: str) -> Path:
    """The folder of the weights of a network of the zoo."""
    return _CHECKOUT if (_CHECKOUT / f"{name}.safetensors").exists() else SHIPPED


def fill(network: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Puts tensors read from `path` into a network; raises InvalidFile where names, shapes or values do not fit."""
    if any(not torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise InvalidFile(f"{path} holds weights that are not finite")
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise InvalidFile(f"{path} does not fit its architecture: {error}") from error
