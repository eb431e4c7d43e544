"""Triton kernels of the batched engine: populations through all steps in registers, products with unit spikes."""

from respike.engines.fused.firing import Fired, Kernel, fire, kernel_of
from respike.engines.fused.launch import available, require
from respike.engines.fused.products import IntegerProducts, Products, SplitProducts, product, readers_of_unit_spikes

__all__ = [
    "Fired",
    "IntegerProducts",
    "Kernel",
    "Products",
    "SplitProducts",
    "available",
    "fire",
    "kernel_of",
    "product",
    "readers_of_unit_spikes",
    "require",
]
