"""Triton kernels of the batched engine: populations through all steps in registers, products with unit spikes."""

from respike.engines.fused.firing import Fired, fire
from respike.engines.fused.launch import available, require
from respike.engines.fused.products import IntegerProducts, Products, SplitProducts, product, readers_of_unit_spikes

__all__ = [
    "Fired",
    "IntegerProducts",
    "Products",
    "SplitProducts",
    "available",
    "fire",
    "product",
    "readers_of_unit_spikes",
    "require",
]
