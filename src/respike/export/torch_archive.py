"""A `torch.export` archive (.pt2): the converted network as a program of torch's own operators."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import torch
from torch import nn

from respike.coding import ConstantCurrent
from respike.errors import Argument
from respike.export.portable import CannotExport
from respike.files import check_new, write
from respike.spiking import SpikingNetwork
from respike.typed import SPIKING, check_kind


def write_torch_archive(path: str | Path, spiking: SpikingNetwork, *, force: bool = False) -> None:
    """Writes the spiking network as an archive that `torch.export.load` reads without respike; whole or not at all.

    The program takes images `[batch, *shape]`, with any batch, and gives what the `SpikingNetwork` gives. Its time loop
    is unrolled, so the file grows with the number of steps.

    Args:
        path: the file.
        spiking: the spiking network.
        force: replace what is there.

    Raises:
        CannotExport: an input coding other than `ConstantCurrent`, which looks at the images' values.
        InvalidFile: a file that is there (unless `force`), or cannot be written.
    """
    check_kind("spiking", spiking, SpikingNetwork, SPIKING)
    target = Path(path)
    check_new(target, force=force)
    program = to_program(spiking)
    # To memory first: on a disk that is full, torch ends the process.
    content = io.BytesIO()
    torch.export.save(program, content)
    write(target, content.getvalue(), force=force)


def to_program(spiking: SpikingNetwork) -> torch.export.ExportedProgram:
    """The spiking network as an exported program; see `write_torch_archive`."""
    check_kind("spiking", spiking, SpikingNetwork, SPIKING)
    if spiking.plan.coding != ConstantCurrent():
        raise CannotExport(
            f"{type(spiking.plan.coding).__name__} input checks the values of the images, which no exported program "
            "does: convert with ",
            Argument("coding", ConstantCurrent()),
        )
    module: nn.Module = spiking.to_module().eval()
    (entry,) = spiking.network.inputs
    images = torch.zeros(2, *entry.shape, dtype=spiking.network.dtype, device=spiking.network.device)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        # Not strict, as torch has it from 2.7 on: 2.6 otherwise reads this module's bytecode, and knows no `match`.
        return torch.export.export(module, (images,), dynamic_shapes=({0: torch.export.Dim.AUTO},), strict=False)
