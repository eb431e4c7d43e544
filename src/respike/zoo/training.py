"""Trains the networks of the zoo: the same seed gives the same weights, interrupted or not."""

from __future__ import annotations

import hashlib
import itertools
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import assert_never

import numpy as np
import torch
from filelock import FileLock, Timeout
from safetensors.torch import save as pack_tensors
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel, update_bn

from respike import data
from respike.bounds import Bounds
from respike.data import Dataset, Split
from respike.errors import Argument, InvalidData, InvalidOption
from respike.files import write
from respike.progress import Progress, silent
from respike.zoo.checkpoint import Checkpoint
from respike.zoo.entries import Descent, Entry, Recipe
from respike.zoo.losses import outputs_of, taught
from respike.zoo.records import Epoch, TrainingRecord, load
from respike.zoo.starting import Fading, start

_HALF_TOLERANCE = 2e-4
"""Weights are kept in half precision where that changes the accuracy by at most this share."""


@dataclass(frozen=True)
class Score:
    """Mean cross entropy in nats and the share of labels that are met."""

    loss: float
    accuracy: float


def evaluate(network: nn.Module, images: Dataset, batch_size: int = 1000) -> Score:
    """Measures a network on labelled images; the network must be in evaluation mode.

    Args:
        network: gives logits `[n, classes]`, or `[n, classes, positions]` where positions have labels.
        images: the labelled images.
        batch_size: images at once.
    """
    loss, right = 0.0, 0
    with torch.inference_mode():
        for batch, labels in images.batches(batch_size):
            logits = network(batch)
            loss += float(cross_entropy(logits, labels, reduction="sum"))
            right += int((logits.argmax(1) == labels).sum())
    return Score(loss / images.labels.numel(), right / images.labels.numel())


def train(
    entry: Entry,
    *,
    directory: Path,
    seed: int | None = None,
    epochs: int | None = None,
    resume: bool = True,
    keep_epochs: int = 0,
    device: str | torch.device = "cpu",
    progress: Progress = silent,
    on_epoch: Callable[[Epoch], None] | None = None,
    train_set: Dataset | None = None,
    test_set: Dataset | None = None,
) -> TrainingRecord:
    """Trains a network by its recipe and writes NAME.safetensors and NAME.json into `directory`.

    The weights are those of the last step, or their average over the last epochs where the recipe says so; the test set
    is only measured on. On one machine, torch version and number of threads, the weights are the same bit for bit for
    the same seed, however often the training was interrupted; on a GPU as far as its libraries' algorithms allow, with
    deterministic convolutions. A KeyboardInterrupt passes through with a note that says how to continue.

    Args:
        entry: the network (`zoo.find`).
        directory: where weights, record and checkpoint go.
        seed: of all that is random; that of the recipe unless given.
        epochs: those of the recipe unless given.
        resume: continue from the checkpoint that an interrupted training left in `directory`.
        keep_epochs: the weights after each of so many last epochs are kept too, in half precision, in the folder
            `epochs` of `directory`.
        device: where the network and all images lie while it is trained.
        progress: called after each step with the number of steps.
        on_epoch: called with each finished epoch.
        train_set: the training images; those of the entry's data set unless given.
        test_set: the test images; those of the entry's data set unless given.

    Raises:
        InvalidData: the data set is absent or empty.
        InvalidOption: the checkpoint is of another training, the network is being trained in that folder by another
            process, or torch has no such device.
        InvalidFile: the checkpoint is broken, or the weights to start from are not at hand.
    """
    Bounds(0, whole=True).check("keep_epochs", keep_epochs)
    place = _checked(device)
    directory.mkdir(parents=True, exist_ok=True)
    run = _Run(
        entry,
        entry.recipe.seed if seed is None else seed,
        entry.recipe.epochs if epochs is None else epochs,
        _placed(data.load(entry.dataset, Split.TRAIN) if train_set is None else train_set, place),
        _placed(data.load(entry.dataset, Split.TEST) if test_set is None else test_set, place),
    )
    checkpoint = Checkpoint(directory / f"{entry.name}.checkpoint.safetensors", run.identity)
    if not resume:
        checkpoint.path.unlink(missing_ok=True)
    last = run.epochs - keep_epochs

    def keep(weights: _Weights, epoch: Epoch) -> None:
        if epoch.number > last:
            halves = {name: value.half().cpu().contiguous() for name, value in weights.network.state_dict().items()}
            (directory / "epochs").mkdir(parents=True, exist_ok=True)
            write(directory / "epochs" / f"{entry.name}.{epoch.number:03d}.safetensors", pack_tensors(halves))
        if on_epoch is not None:
            on_epoch(epoch)

    with _alone(directory, entry.name):
        weights, history = run.follow(checkpoint, progress, keep)
        result = _keep(run, run.result(weights), history, directory)
        checkpoint.path.unlink()
    return result


@contextmanager
def _alone(directory: Path, name: str) -> Iterator[None]:
    """Keeps a second training of a network out of the folder; `InvalidOption` where there is one already.

    The lock goes with the process, so that none is left behind by a kill.
    """
    path = directory / f"{name}.lock"
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InvalidOption(
            f"{name} is being trained in {directory} already: wait until that is done, or choose another ",
            Argument("directory"),
        ) from None
    try:
        yield
    finally:
        with suppress(PermissionError):  # Windows keeps open files, and takes this one away itself
            path.unlink(missing_ok=True)
        lock.release()


@dataclass(frozen=True, eq=False)
class _Run:
    entry: Entry
    seed: int
    epochs: int
    train_set: Dataset
    test_set: Dataset

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.seed < 0:
            raise InvalidOption(
                f"training needs at least 1 epoch and a seed of 0 or more, not {self.epochs} and {self.seed}"
            )
        if not len(self.train_set) or not len(self.test_set):
            raise InvalidData("training needs training images and test images")

    @property
    def identity(self) -> dict[str, object]:
        recipe = asdict(self.entry.recipe)
        sizes = {"train_images": len(self.train_set), "test_images": len(self.test_set)}
        return {"name": self.entry.name, "seed": self.seed, "epochs": self.epochs, "recipe": recipe, **sizes}

    @property
    def device(self) -> torch.device:
        return self.train_set.labels.device

    def follow(
        self, checkpoint: Checkpoint, progress: Progress, on_epoch: Callable[[_Weights, Epoch], None]
    ) -> tuple[_Weights, tuple[Epoch, ...]]:
        recipe = self.entry.recipe
        network, fading = _seeded_network(self.entry, self.seed, self.device)
        weights = _Weights(network, fading, bool(recipe.averaged_epochs))
        optimizer = _optimizer(weights.network, recipe)
        history = checkpoint.restore(weights, optimizer)
        steps = -(-len(self.train_set) // recipe.batch_size)
        done = itertools.count(len(history) * steps + 1)
        while len(history) < self.epochs:
            try:
                epoch = self._epoch(
                    len(history) + 1,
                    weights,
                    optimizer,
                    lambda: progress(self.entry.name, next(done), self.epochs * steps),
                )
                history = (*history, epoch)
                checkpoint.save(weights, optimizer, history)
                on_epoch(weights, epoch)
            except KeyboardInterrupt as stop:
                stop.add_note(
                    f"{checkpoint.path} holds all finished epochs: train again to continue from there"
                    if history
                    else "no epoch was finished: nothing is kept"
                )
                raise
        return weights, history

    def result(self, weights: _Weights) -> nn.Module:
        """The trained network in evaluation mode; an average gets batch-norm statistics from one more epoch."""
        if weights.average is None:
            return weights.network.eval()
        with _seeded(self.seed, self.epochs + 1, self.device):
            update_bn((batch for batch, _ in self._batches()), weights.average)
        network: nn.Module = weights.average.module
        return network.eval()

    def _epoch(self, number: int, weights: _Weights, optimizer: Optimizer, tick: Callable[[], None]) -> Epoch:
        began = time.perf_counter()
        with _seeded(self.seed, number, self.device):
            loss = self._descend(number, weights, optimizer, tick)
        score = evaluate(weights.network.eval(), self.test_set)
        return Epoch(number, loss, score.loss, score.accuracy, time.perf_counter() - began)

    def _descend(self, number: int, weights: _Weights, optimizer: Optimizer, tick: Callable[[], None]) -> float:
        recipe, network, done = self.entry.recipe, weights.network.train(), 0
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for batch, labels in self._batches():
            part = (number - 1 + done / len(self.train_set)) / self.epochs
            weights.fading.at(part)
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate(part)
            outputs = network(batch)
            loss = recipe.loss(outputs, labels, recipe.label_smoothing)
            if self._teacher is not None:
                loss = taught(loss, outputs, outputs_of(self._teacher, batch))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            if weights.average is not None and number > self.epochs - recipe.averaged_epochs:
                weights.average.update_parameters(network)
            done += len(batch)
            total += loss.detach() * len(batch)
            tick()
        return float(total) / done

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch of the training images in random order, augmented, with their labels."""
        recipe, order = self.entry.recipe, torch.randperm(len(self.train_set)).to(self.device)
        for batch in torch.split(order, recipe.batch_size):
            yield augmented(self._images[batch], recipe), self.train_set.labels[batch]

    @cached_property
    def _teacher(self) -> nn.Module | None:
        teacher = self.entry.recipe.teacher
        return _laid(load(teacher), self.device) if teacher else None

    @cached_property
    def _images(self) -> Tensor:
        return self.train_set.images.contiguous(memory_format=torch.channels_last)


class _Weights(nn.Module):
    """What a training changes and a checkpoint keeps: the network and, where it is wanted, its running average.

    fading: what the network is to lose; it follows from the progress alone, so that no checkpoint needs it.
    """

    average: AveragedModel | None

    def __init__(self, network: nn.Module, fading: Fading, averaged: bool) -> None:
        super().__init__()
        self.network = network
        self.fading = fading
        self.average = AveragedModel(network) if averaged else None


def _optimizer(network: nn.Module, recipe: Recipe) -> Optimizer:
    parameters, decay = network.parameters(), recipe.weight_decay
    match recipe.descent:
        case Descent.ADAM:
            return AdamW(parameters, weight_decay=decay, fused=True)
        case Descent.NESTEROV:
            return SGD(parameters, momentum=0.9, nesterov=True, weight_decay=decay, fused=True)
        case _:
            assert_never(recipe.descent)


def augmented(images: Tensor, recipe: Recipe) -> Tensor:
    """The images `[n, channels, height, width]`, moved and mirrored at random as the recipe says."""
    if recipe.flip:
        mirrored = torch.rand(len(images), 1, 1, 1).to(images.device) < 0.5
        images = torch.where(mirrored, images.flip(3), images)
    if not recipe.shift:
        return images
    height, width = images.shape[2:]
    windows = pad(images, (recipe.shift,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    top, left = torch.randint(2 * recipe.shift + 1, (len(images), 2)).T.to(images.device)
    return windows[torch.arange(len(images), device=images.device), :, top, left].contiguous(
        memory_format=torch.channels_last
    )


@contextmanager
def _seeded(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    # Every epoch has random numbers of its own, so that a resumed training needs no generator's state.
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    deterministic = torch.backends.cudnn.flags(enabled=True, deterministic=True)
    with (
        torch.random.fork_rng(devices=[] if device.type == "cpu" else [device], device_type=device.type),
        deterministic,
    ):
        torch.manual_seed(int(state))
        yield


def _seeded_network(entry: Entry, seed: int, device: torch.device) -> tuple[nn.Module, Fading]:
    with _seeded(seed, 0, device):
        network = entry.build()
    fading = start(network, load(entry.recipe.start)) if entry.recipe.start else Fading()
    return _laid(network, device), fading


def _laid(network: nn.Module, device: torch.device) -> nn.Module:
    """The network on the device, in the layout that is fastest for convolutions."""
    # torch's annotations lack this form of `to`.
    return network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _placed(images: Dataset, device: torch.device) -> Dataset:
    """The images on the device, where the network is to find them."""
    if device == images.labels.device:
        return images
    return replace(images, pixels=images.images.to(device), labels=images.labels.to(device))


def _checked(device: str | torch.device) -> torch.device:
    """A device that this torch can use."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidOption(f"torch cannot use the device {str(device)!r} here: {reason}; train on 'cpu'") from error


def _named(device: torch.device) -> str:
    """What computed, as a record tells it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _source(images: Dataset) -> str:
    """Where the images came from, without naming a folder of this machine: files are known by their checksums."""
    return "files with the checksums of the data set" if Path(images.source).is_absolute() else images.source


def _keep(run: _Run, network: nn.Module, history: tuple[Epoch, ...], directory: Path) -> TrainingRecord:
    exact = evaluate(network, run.test_set).accuracy
    weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    half = {name: value.half() for name, value in weights.items()}
    network.load_state_dict(half)
    rounded = evaluate(network, run.test_set).accuracy
    is_half = abs(rounded - exact) <= _HALF_TOLERANCE
    content = pack_tensors(half if is_half else weights)
    result = TrainingRecord(
        name=run.entry.name,
        dataset=run.entry.dataset,
        source=_source(run.train_set),
        seed=run.seed,
        epochs=run.epochs,
        recipe=run.entry.recipe,
        train_images=len(run.train_set),
        test_images=len(run.test_set),
        accuracy=rounded if is_half else exact,
        accuracy_float32=exact,
        weights_dtype="float16" if is_half else "float32",
        sha256=hashlib.sha256(content).hexdigest(),
        history=history,
        python=platform.python_version(),
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        device=_named(run.device),
        date=datetime.now(UTC).date().isoformat(),
    )
    directory.mkdir(parents=True, exist_ok=True)
    write(directory / f"{run.entry.name}.safetensors", content)
    write(directory / f"{run.entry.name}.json", result.to_json().encode())
    return result
