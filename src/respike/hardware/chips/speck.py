"""SynSense's Speck, with nine DYNAP-CNN layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from respike.hardware.chip import Broken, Chip
from respike.hardware.layers import Layer
from respike.ir import AvgPool, Conv
from respike.plan import Plan

_KI = 1024
KERNEL_MEMORY = tuple(_KI * size for size in (16, 16, 16, 32, 32, 64, 64, 16, 16))
"""Weights that each of the nine cores holds."""
NEURON_MEMORY = tuple(_KI * size for size in (64, 64, 64, 32, 32, 16, 16, 16, 16))
"""Potentials that each of the nine cores holds."""
_CHANNELS, _INPUT, _OUTPUT, _KERNEL, _PADDING, _DESTINATIONS = 1024, 128, 64, 16, 7, 2
_STRIDES, _POOLS = (1, 2, 4, 8), (1, 2, 4)


def kernel_memory(layer: Layer) -> int:
    """The entries that a layer's weights take, `c · 2^(⌈log2(k_x k_y)⌉ + ⌈log2 f⌉)`: addresses are powers of 2.

    Args:
        layer: with c channels in, f out, and kernels of k_x times k_y.
    """
    total = 0
    for one in layer.maps:
        outputs, inputs = one.weight.shape[:2]
        area = math.prod(one.weight.shape[2:])
        total += inputs * 2 ** (math.ceil(math.log2(area)) + math.ceil(math.log2(outputs)))
    return total


def _further(layers: Sequence[Layer], plan: Plan) -> list[Broken]:
    found = [one for layer in layers for one in _shape(layer)]
    unplaced = _unplaced(layers)
    if unplaced is not None:
        taken = f"{kernel_memory(unplaced):,} weights and {unplaced.neurons:,} potentials"
        fix = "use fewer channels, a larger stride, or a smaller image"
        memories = sorted(set(zip(KERNEL_MEMORY, NEURON_MEMORY, strict=True)))
        held = " or ".join(f"{kernels // _KI} Ki and {neurons // _KI} Ki" for kernels, neurons in memories)
        found.append(Broken(unplaced.name, "memory of a core", taken, f"{held} in what is left", fix))
    return found


def _shape(layer: Layer) -> list[Broken]:
    """Limits of one layer's geometry."""
    found = []

    def within(limit: str, value: str, allowed: str, fits: bool, fix: str) -> None:
        if not fits:
            found.append(Broken(layer.name, limit, value, allowed, fix))

    if len(layer.maps) > 1:
        within("maps", str(len(layer.maps)), "one in each core", False, "let branches with a map of their own spike")
    for one in layer.maps:
        outputs = one.weight.shape[0]
        within("channels", f"{outputs:,}", f"{_CHANNELS:,}", outputs <= _CHANNELS, "use fewer channels")
        if not isinstance(one, Conv):
            continue
        kernel = tuple(one.weight.shape[2:])
        size = "x".join(map(str, kernel))
        square = len(set(kernel)) == 1 and max(kernel) <= _KERNEL
        within("kernel", size, f"squares up to {_KERNEL}x{_KERNEL}", square, "use a smaller or a square kernel")
        strides = all(step in _STRIDES for step in one.stride)
        within("stride", str(max(one.stride)), f"{_STRIDES}", strides, "use another stride")
        within("padding", str(max(one.padding)), f"0 to {_PADDING}", max(one.padding) <= _PADDING, "use less padding")
        within("groups", str(one.groups), "1", one.groups == 1, "use a convolution without groups")
        within("dilation", str(max(one.dilation)), "1", max(one.dilation) == 1, "use a kernel without dilation")
    for pool in layer.pools:
        if isinstance(pool, AvgPool):
            even = all(size in _POOLS for size in pool.kernel) and pool.kernel == pool.stride
            size = "x".join(map(str, pool.kernel))
            within("sum pool", size, f"{_POOLS} without overlap", even, "use another pool")
    if len(layer.shape) == 3:
        side = max(layer.shape[1:])
        within("map", f"{side} wide", f"{_OUTPUT}", side <= _OUTPUT, "use a larger stride, or a smaller image")
    within("destinations", str(layer.readers), str(_DESTINATIONS), layer.readers <= _DESTINATIONS, "use fewer branches")
    return found


def _unplaced(layers: Sequence[Layer]) -> Layer | None:
    """The first layer for which no core is left, in the best distribution; None where all have one."""
    holders: dict[int, Layer] = {}

    def place(layer: Layer, tried: set[int]) -> bool:
        for core, (kernels, neurons) in enumerate(zip(KERNEL_MEMORY, NEURON_MEMORY, strict=True)):
            if core in tried or kernel_memory(layer) > kernels or layer.neurons > neurons:
                continue
            tried.add(core)
            if core not in holders or place(holders[core], tried):
                holders[core] = layer
                return True
        return False

    return next((layer for layer in layers if not place(layer, set())), None)


CHIP = Chip(
    name="speck",
    title="SynSense Speck (DYNAP-CNN)",
    sources=(
        "https://github.com/synsense/sinabs docs/speck/overview.md: nine layers, weights of 8 bits, states of 16 bits, "
        "kernels up to 16x16, strides 1, 2, 4 and 8, padding up to 7, sum pools of 1, 2 and 4, 1024 channels, maps up "
        "to 64x64, two destinations, and the formula of the kernel memory",
        "https://github.com/synsense/sinabs sinabs/backend/dynapcnn/chips/dynapcnn.py (get_constraints): the memories "
        "of the nine cores; the same file: one threshold for each layer, reset by subtraction or to zero",
    ),
    weight_bits=8,
    membrane_bits=16,
    cores=9,
    thresholds_per_layer=1,
    further=_further,
    notes="Each layer takes one of nine cores whose memories differ; layers are distributed so that as many as "
    "possible find one.",
)
