"""Neuromorphic chips: their published limits, and whether a conversion fits."""

from respike.errors import UnknownName
from respike.hardware.checking import check
from respike.hardware.chip import Broken, Chip, Fit, Need
from respike.hardware.chips import fpga, loihi2, speck, spinnaker2, truenorth, xylo
from respike.hardware.layers import Layer, layers_of

ALL: tuple[Chip, ...] = (loihi2.CHIP, speck.CHIP, spinnaker2.CHIP, xylo.CHIP, truenorth.CHIP, fpga.CHIP)
"""Every chip."""


def find(name: str) -> Chip:
    """The chip of that name.

    Args:
        name: as the command line has it.

    Raises:
        UnknownName: there is none.
    """
    known = {chip.name: chip for chip in ALL}
    if name not in known:
        raise UnknownName("target", name, known)
    return known[name]


__all__ = ["ALL", "Broken", "Chip", "Fit", "Layer", "Need", "check", "find", "layers_of"]
