"""Loads a split of a data set from the package or from this machine; nothing is downloaded here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from respike.data import imagenet
from respike.data.catalogue import CALIBRATION_IMAGES, IMAGENET, Member, Spec, Split, find
from respike.data.dataset import Dataset
from respike.data.places import VARIABLE, Place, folders, locate, roots
from respike.errors import Call, InvalidData, UnknownName

EMBEDDED = Path(__file__).parent / "embedded"
"""The folder of the data that comes with the package: MNIST's test set and calibration images."""

_IMAGENET_FOLDERS = {Split.TRAIN: ("train",), Split.TEST: ("val", "test"), Split.CALIBRATION: ("train",)}


def load(name: str, split: Split | str, directory: Path | None = None) -> Dataset:
    """The images of a split, from what is embedded, or else from `directory`, RESPIKE_DATA or the user's cache.

    Calibration images are the first of each class in the training set, as many of each and 2,000 in all, in the order
    in which they stand there: for MNIST, the first 200 of each digit. ImageNet is read from class folders below
    `imagenet/train` and `imagenet/val`, and decoded batch by batch.

    Args:
        name: of the data set.
        split: "train", "test" or "calibration".
        directory: the data folder to look in first.

    Raises:
        UnknownName: a data set or split that does not exist.
        InvalidData: a data set that is not on this machine.
        InvalidFile: a file that is broken, has the wrong checksum, or is pickled.
    """
    if split not in tuple(Split):
        raise UnknownName("split", split, (known.value for known in Split))
    if name == IMAGENET:
        return _load_imagenet(Split(split), directory)
    return read(find(name), Split(split), directory)


def read(spec: Spec, split: Split, directory: Path | None) -> Dataset:
    """The images of a split of a data set of canonical files; the same as `load` for any description of one."""
    if split in spec.embedded:
        places = [Place(EMBEDDED / spec.name / f"{member.name}.gz", member) for member in spec.embedded[split]]
        return _decode(spec, split, places, "embedded")
    if split is not Split.CALIBRATION:
        places = _find_all(spec, spec.members[split], directory)
        return _decode(spec, split, places, str(places[0].path.parent))
    training = read(spec, Split.TRAIN, directory)
    last = training.labels.reshape(len(training), -1)[:, -1]  # of the last position, where positions have labels
    chosen = first_of_each(last.numpy(), CALIBRATION_IMAGES // len(spec.classes))
    pixels = training.pixels[:][chosen]
    labels = training.labels[chosen]
    return Dataset(spec.name, split, pixels, labels, spec.classes, training.source, targets=training.targets)


def first_of_each(labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The indices of the first `count` of each label, in rising order."""
    chosen = [np.flatnonzero(labels == label)[:count] for label in np.unique(labels)]
    return np.sort(np.concatenate(chosen))


def _decode(spec: Spec, split: Split, places: Sequence[Place], source: str) -> Dataset:
    images, labels = spec.decode([place.read() for place in places], [str(place.path) for place in places])
    pixels, numbers = torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))
    return Dataset(spec.name, split, pixels, numbers, spec.classes, source, targets=labels.ndim > 1)


def _find_all(spec: Spec, members: Sequence[Member], directory: Path | None) -> list[Place]:
    places = [locate(spec, member, directory) for member in members]
    found = [place for place in places if place is not None]
    if len(found) == len(members):
        return found
    absent = ", ".join(member.name for member, place in zip(members, places, strict=True) if place is None)
    looked = ", ".join(str(root) for root in roots(directory))
    pickled = [folder for folder in folders(spec, directory) if spec.refused and (folder / spec.refused).exists()]
    if pickled:
        raise InvalidData(
            f"{pickled[0] / spec.refused} is the python version of {spec.name}: it is pickled, and a pickle can run "
            "any program, so respike reads the binary version alone: ",
            Call("data.fetch", spec.name),
        )
    raise InvalidData(
        f"{spec.name} is not on this machine ({absent} not below {looked}): ", Call("data.fetch", spec.name)
    )


def _load_imagenet(split: Split, directory: Path | None) -> Dataset:
    for root in roots(directory):
        for folder in (base / part for base in (root / IMAGENET, root) for part in _IMAGENET_FOLDERS[split]):
            if folder.is_dir():
                classes = sum(path.is_dir() for path in folder.iterdir())
                per_class = max(CALIBRATION_IMAGES // max(classes, 1), 1) if split is Split.CALIBRATION else None
                return imagenet.read(IMAGENET, split, folder, per_class)
    raise InvalidData(
        f"no ImageNet images below {', '.join(map(str, roots(directory)))}: its terms forbid passing it on, so get it "
        f"from https://image-net.org, put its class folders into imagenet/train and imagenet/val of a data folder, and "
        f"name that folder in {VARIABLE}"
    )
