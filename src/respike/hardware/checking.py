"""`check`: whether a conversion fits a chip, which limit it breaks first, and what would make it fit."""

from __future__ import annotations

from respike.errors import Argument, InvalidOption, InvalidPlan, RespikeError
from respike.export.portable import CannotExport, Portable, portable
from respike.hardware.chip import Broken, Chip, Fit, Need
from respike.hardware.layers import layers_of
from respike.lower import fixed_point
from respike.spiking import SpikingNetwork
from respike.typed import SPIKING, check_kind

_WIDEST = 32
_LEAST_BITS, _MOST_BITS = 4, 16


def check(spiking: SpikingNetwork, chip: Chip, *, bits: int | None = None) -> Fit:
    """Holds a conversion against the published limits of a chip.

    The conversion is lowered to integers of the chip's widths, as `lower.fixed_point` does, and every layer is then
    compared with every limit.

    Args:
        spiking: the converted network.
        chip: the chip, one of `hardware.ALL` or one of your own.
        bits: of a weight; as many as the chip has unless given.

    Raises:
        InvalidOption: bits out of range.
    """
    check_kind("spiking", spiking, SpikingNetwork, SPIKING)
    check_kind("chip", chip, Chip, "respike.hardware.ALL has them")
    wanted = min(bits or chip.weight_bits, _MOST_BITS)
    if wanted < _LEAST_BITS:
        raise InvalidOption(f"weights are lowered to {_LEAST_BITS} to {_MOST_BITS} bits, not to {wanted}")
    broken: list[Broken] = []
    if (bits or 0) > chip.weight_bits:
        fix = f"use weights of {chip.weight_bits} bits"
        broken.append(Broken("", "weight bits", str(bits), str(chip.weight_bits), fix))
    lowered, width = _lowered(spiking, chip, wanted, broken)
    layers = layers_of(lowered)
    needs = tuple(
        Need(layer.name, layer.neurons, layer.weights, layer.fan_in, chip.cores_of(layer)) for layer in layers
    )
    return Fit(chip, needs, (*broken, *chip.broken(layers, lowered.plan)), wanted, width)


def _lowered(spiking: SpikingNetwork, chip: Chip, bits: int, broken: list[Broken]) -> tuple[Portable, int | None]:
    """The conversion in integers, and the bits of its potentials; in floats, where it cannot be integers."""
    widths = range(min(chip.membrane_bits, _WIDEST), _WIDEST + 1)
    reason = ""
    for width in widths:
        try:
            lowered = portable(fixed_point(spiking.network, spiking.plan, bits=bits, membrane_bits=width), shifts=True)
        except InvalidOption as error:
            reason = reason or str(error)
            continue
        except (InvalidPlan, CannotExport) as error:
            fix, option = _advice(error)
            what = "numbers that cannot be whole", "whole numbers alone"
            broken.append(Broken("", "integers", *what, fix, option))
            return _in_floats(spiking), None
        if width > chip.membrane_bits:
            fix = f"use fewer bits for weights; with {bits} bits a potential needs {width}"
            broken.append(Broken("", "membrane bits", f"{width} ({reason})", str(chip.membrane_bits), fix))
        return lowered, width
    broken.append(Broken("", "membrane bits", f"more than {_WIDEST}", str(chip.membrane_bits), "use fewer bits"))
    return _in_floats(spiking), None


def _advice(error: RespikeError) -> tuple[str, Argument | None]:
    """The message of an error, and the argument that it ends with."""
    *texts, last = error.args
    return ("".join(map(str, texts)), last) if isinstance(last, Argument) else (str(error), None)


def _in_floats(spiking: SpikingNetwork) -> Portable:
    try:
        return portable(spiking, shifts=True)
    except (InvalidPlan, CannotExport):
        return Portable(*spiking.plan.applied(spiking.network), {}, 1.0, spiking.decoding)
