"""What `--dataset` and the flags beside it mean: a data set that is known by name, or data of the user's own."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

import torch
import typer

from respike import data
from respike.cli import console, options
from respike.cli.importing import imported, is_own, own_code
from respike.data import CALIBRATION_IMAGES, Dataset, Layout, Preparation, Split
from respike.data.opening import calibration_numbers, picked, without_training
from respike.errors import Argument, InvalidData, InvalidOption, UnknownName

_PANEL = "Your own data"
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


def _flag(name: str, metavar: str | None, text: str, **more: Any) -> Any:
    return typer.Option(name, metavar=metavar, help=text, rich_help_panel=_PANEL, show_default=False, **more)


@dataclass(frozen=True)
class Source:
    """The data that a command line names; the fields are its flags.

    Raises `InvalidOption` where a flag has no effect on the data set that is named.
    """

    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            "-d",
            metavar="NAME|PATH|MODULE:FUNCTION",
            help="The data set (respike data list), or your own data: a folder of class folders, .npz, .npy, "
            ".safetensors, .csv, .parquet, IDX, a Hugging Face folder, or a function that gives a torch Dataset, "
            "a DataLoader or two tensors. Default for networks of the zoo: the one they were trained on.",
            show_default=False,
        ),
    ] = None
    calibration: Annotated[
        str | None,
        _flag(
            "--calibration",
            "PATH|N",
            "Images for methods that look at data: other data, or a number of training images (2,000 unless given; "
            "time grows with it, and fewer than 100 lose accuracy). If the data have no training part, N images are "
            "set aside and not measured.",
        ),
    ] = None
    size: Annotated[
        str | None,
        _flag(
            "--size",
            "N|HxW|S/N",
            "Size of image files: N: shorter side N, centre cut out; HxW: resized; S/N: shorter side S, N cut out.",
        ),
    ] = None
    channels: Annotated[int | None, _flag("--channels", "1|3", "Read image files grey or in colours.")] = None
    range: Annotated[str | None, _flag("--range", "LOW,HIGH", "Values of black and white. Default: 0,1.")] = None
    mean: Annotated[str | None, _flag("--mean", "A,B,C", "Subtract this from each channel, after --range.")] = None
    std: Annotated[str | None, _flag("--std", "A,B,C", "Divide each channel by this, after --mean.")] = None
    layout: Annotated[
        str | None, _flag("--layout", "|".join(Layout), "Axes of one image in an array. Default: guessed, and told.")
    ] = None
    preprocess: Annotated[
        str | None,
        _flag(
            "--preprocess",
            "MODULE:FUNCTION",
            "A function that makes the input out of one image (PIL for image files), in place of the above.",
        ),
    ] = None
    labels: Annotated[
        Path | None, _flag("--labels", "FILE", "Labels of arrays that have none: .npy, IDX, or text.")
    ] = None
    classes: Annotated[
        str | None,
        _flag(
            "--classes",
            "A,B,C|FILE",
            "Names of the classes in the order of the network's outputs. Default: sorted names.",
        ),
    ] = None
    frames: Annotated[
        int | None,
        _flag(
            "--frames",
            "N",
            "Cut each recording of an event camera into N frames, one for each time step; --size is its sensor's.",
            min=1,
        ),
    ] = None
    first_label: Annotated[
        int | None, _flag("--first-label", "N", "The label of the first class. Default: 0.", min=0)
    ] = None
    skip_bad: Annotated[bool | None, _flag("--skip-bad", None, "Leave broken images out.")] = None
    dtype: Annotated[
        str | None, _flag("--dtype", "|".join(_DTYPES), "Compute in this type. Default: the network's.")
    ] = None
    targets: bool = False
    """Whether labels are targets of a metric; no flag, but for a command that takes a metric to say."""

    def __post_init__(self) -> None:
        if self.dtype is not None and self.dtype not in _DTYPES:
            raise UnknownName("dtype", self.dtype, _DTYPES)
        if self.own:
            return
        for one in fields(self)[2:-2]:
            if getattr(self, one.name) and not self._elsewhere:
                raise InvalidOption(f"{options.flag(one.name)} is for data of your own: name them with --dataset PATH")

    @property
    def given(self) -> dict[str, Any]:
        """The flags that were given, by name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)[:-1]}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def own(self) -> bool:
        """Whether the data are the user's own, by a path or a function."""
        return self.dataset is not None and self.dataset not in {listing.name for listing in data.available()}

    @property
    def type(self) -> torch.dtype | None:
        """The type to compute in, None for the network's own."""
        return _DTYPES[self.dtype] if self.dtype is not None else None

    def test(self) -> Dataset:
        """What is measured."""
        name = self._named()
        return self._open(name, Split.TEST) if self.own else data.load(name, "test")

    def calibration_images(self) -> Dataset:
        """Training images for methods that look at data, as many of each class."""
        if self._elsewhere is not None:
            elsewhere = self._training_elsewhere(self._elsewhere)
            return picked(elsewhere, calibration_numbers(elsewhere, CALIBRATION_IMAGES))
        name = self._named()
        if self.own:
            return self._open(name, Split.CALIBRATION)
        if self._count is None:
            return data.load(name, "calibration")
        part = data.load(name, "calibration" if self._count <= CALIBRATION_IMAGES else "train")
        return picked(part, calibration_numbers(part, self._count))

    def held_out(self, count: int) -> Dataset:
        """The last training images that are not among those of `calibration_images`."""
        name = self._named()
        if not self.own and self.calibration is None:
            return data.load(name, "train").last(count)
        if self._elsewhere is not None:
            training = self._training_elsewhere(self._elsewhere)
        else:
            training = self._open(name, Split.TRAIN) if self.own else data.load(name, "train")
        rest = torch.ones(len(training), dtype=torch.bool)
        rest[calibration_numbers(training, self._count or CALIBRATION_IMAGES)] = False
        if not bool(rest.any()):
            raise InvalidData(
                f"{training.name} has {len(training)} training images, all of which are for calibration: take fewer, ",
                Argument("calibration", len(training) // 2),
            )
        return picked(training, rest.nonzero()[:, 0][-count:])

    @cached_property
    def preparation(self) -> Preparation:
        """What is done to the images."""
        function = None
        if self.preprocess is not None:
            function = _guarded(imported(self.preprocess, "function"), self.preprocess)
        low, high = _numbers("--range", self.range, 2) or (0.0, 1.0)
        return Preparation(
            size=self.size,
            channels=self.channels,
            range=(low, high),
            mean=_numbers("--mean", self.mean),
            std=_numbers("--std", self.std),
            layout=_layout(self.layout),
            preprocess=function,
            frames=self.frames,
        )

    @property
    def _count(self) -> int | None:
        return int(self.calibration) if self.calibration is not None and self.calibration.isdigit() else None

    @property
    def _elsewhere(self) -> str | None:
        return self.calibration if self._count is None else None

    def _named(self) -> str:
        if self.dataset is None:
            names = ", ".join(listing.name for listing in data.available())
            raise InvalidOption(f"choose the data set of the network with --dataset: {names}, or the path of your own")
        return self.dataset

    def _training_elsewhere(self, name: str) -> Dataset:
        if name in {listing.name for listing in data.available()}:
            return data.load(name, "train")
        try:
            return self._open(name, Split.TRAIN)
        except InvalidData:
            return replace(self._open(name, Split.TEST), split="calibration")

    def _open(self, name: str, split: Split) -> Dataset:
        if not is_own(name) and not Path(name).exists():
            known = [listing.name for listing in data.available()]
            raise (
                UnknownName("data set", name, known)
                if Path(name).parent == Path() and not Path(name).suffix
                else InvalidData(f"there is no file or folder {name}")
            )
        training = split is not Split.TEST and self._count is None
        if training and is_own(name) and name == self.dataset and not _takes_split(imported(name, "data set")):
            raise without_training(f"{name} takes no argument split, so it")
        opened = data.open(
            _given(name, split) if is_own(name) else name,
            split,
            preparation=self.preparation,
            labels=self.labels if name == self.dataset else None,
            classes=_classes(self.classes),
            first_label=self.first_label or 0,
            skip_bad=bool(self.skip_bad),
            calibration=self._count,
            targets=self.targets,
        )
        return replace(opened, name=name, source=name) if is_own(name) else opened


def with_source(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the flags of `Source` where it takes a `source`; a command without one stays as it is."""
    signature = inspect.signature(command, eval_str=True)
    if "source" not in signature.parameters:
        return command
    flags = {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in get_type_hints(Source, include_extras=True).items()
        if get_origin(annotation) is Annotated
    }
    kept = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in signature.parameters.values()
        if parameter.name != "source"
    ]

    @functools.wraps(command)
    def wrapped(**arguments: Any) -> None:
        named = {name: arguments.pop(name) for name in flags}
        command(**arguments, source=Source(**named))

    wrapped.__signature__ = signature.replace(parameters=[*kept, *flags.values()])  # type: ignore[attr-defined]
    return wrapped


def tell(dataset: Dataset, what: str) -> None:
    """Says what was read, before work starts."""
    console.note(f"{what}: {data.summary(dataset)}")


def _given(name: str, split: Split) -> Any:
    """What the user's function returns; it is told the part, if it takes one."""
    function = imported(name, "data set")
    with own_code(name):
        if _takes_split(function):
            return function(split="test" if split is Split.TEST else "train")
        return function()


def _takes_split(function: Callable[..., Any]) -> bool:
    return "split" in inspect.signature(function).parameters


def _guarded(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def call(image: Any) -> Any:
        with own_code(name):
            return function(image)

    return call


def _layout(text: str | None) -> Layout | None:
    if text is None:
        return None
    if text not in tuple(Layout):
        raise UnknownName("layout", text, map(str, Layout))
    return Layout(text)


def _numbers(flag: str, text: str | None, count: int | None = None) -> tuple[float, ...]:
    if text is None:
        return ()
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        raise InvalidOption(f"{flag} takes numbers with commas between them, not {text!r}") from None
    if count is not None and len(found) != count:
        raise InvalidOption(f"{flag} takes {count} numbers with a comma between them, not {text!r}")
    return found


def _classes(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    path = Path(text)
    if path.is_file():
        return tuple(line.strip() for line in path.read_text().splitlines() if line.strip())
    if "," not in text:
        raise InvalidOption(
            f"--classes takes names with commas between them, or a file with one in each line; {text!r} is neither"
        )
    return tuple(text.split(","))
