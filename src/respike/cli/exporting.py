"""What `respike convert --to` writes: which format a name means, and with which options."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from torch import Tensor

from respike import SpikingNetwork, archive
from respike.cli import console
from respike.cli.networks import CONVERTED
from respike.errors import InvalidOption
from respike.export import Converted, Pooling, targets, write_folder, write_nir, write_torch_archive
from respike.files import check_new
from respike.lower import fixed_point
from respike.lower.fixed_point import MEMBRANE_BITS


class Format(Enum):
    """What can be written, by the end of its name."""

    RESPIKE = CONVERTED
    NIR = ".nir"
    TORCH = ".pt2"
    FOLDER = "/"


@dataclass(frozen=True)
class Export:
    """Where to, and how.

    Args:
        path: the file or folder.
        target: the simulator that a NIR file is for, None for most of them.
        bits: of a weight, for a conversion in integers; None for floats.
        membrane_bits: of a potential, for a conversion in integers; None for the usual number.
        allow_metadata: write what NIR cannot say as metadata.
        force: replace what is there.
    """

    path: Path
    format: Format
    target: str | None = None
    bits: int | None = None
    membrane_bits: int | None = None
    allow_metadata: bool = False
    force: bool = False

    def check(self) -> None:
        """Raises for options that say nothing about the format, and where nothing may be written."""
        kind = self.format
        if (self.target is not None or self.allow_metadata) and kind is not Format.NIR:
            flag = "--target" if self.target is not None else "--allow-metadata"
            raise InvalidOption(f"{flag} does not apply to {self.path.name}; it is for files that end in .nir")
        if self.bits is not None and kind not in (Format.NIR, Format.FOLDER):
            raise InvalidOption(f"--bits does not apply to {self.path.name}; it is for .nir files and folders")
        if self.membrane_bits is not None and self.bits is None:
            raise InvalidOption("--membrane-bits is for integers: give --bits too")
        if self.target is not None:
            targets.find(self.target)
        check_new(self.path, force=self.force, folder=kind is Format.FOLDER)

    def write(self, spiking: SpikingNetwork, images: Tensor | None = None) -> None:
        """Writes it. Of the images a folder has golden vectors."""
        converted: Converted = spiking
        if self.bits is not None:
            width = self.membrane_bits or MEMBRANE_BITS
            converted = fixed_point(spiking.network, spiking.plan, bits=self.bits, membrane_bits=width)
        match self.format:
            case Format.RESPIKE:
                archive.write(self.path, spiking.network, spiking.plan, force=self.force)
            case Format.TORCH:
                write_torch_archive(self.path, spiking, force=self.force)
            case Format.FOLDER:
                without = write_folder(self.path, converted, images=images, force=self.force)
                if images is None:
                    console.note("no golden vectors were written: name images that the network takes by --dataset")
                if without is not None:
                    console.note(f"run.py and run.c were not written: {without}")
            case Format.NIR:
                pooling = Pooling.SUM if self.target is None else targets.find(self.target).pooling
                write_nir(self.path, converted, pooling=pooling, allow_metadata=self.allow_metadata, force=self.force)


def format_of(text: str) -> Format:
    """The format that a name on the command line means; `InvalidOption` with what there is."""
    for kind in Format:
        if text.endswith(kind.value):
            return kind
    raise InvalidOption(
        f"the format of {text!r} is not clear: its name must end in {CONVERTED} (read by respike), .nir (NIR), .pt2 "
        "(torch.export), or / (a folder of arrays)"
    )
