"""Converted networks for others: NIR, torch.export archives, a folder of arrays, NeuroBench."""

from respike.export.folder import write_folder
from respike.export.neurobench import EffectiveOperations, effective_operations, neurobench_model
from respike.export.nir_graph import Metadata, to_nir, write_nir
from respike.export.portable import CannotExport, Converted, Pooling, Portable, portable
from respike.export.torch_archive import to_program, write_torch_archive
from respike.export.unit_module import UnitIntegrateFire, UnitModule

__all__ = [
    "CannotExport",
    "Converted",
    "EffectiveOperations",
    "Metadata",
    "Pooling",
    "Portable",
    "UnitIntegrateFire",
    "UnitModule",
    "effective_operations",
    "neurobench_model",
    "portable",
    "to_nir",
    "to_program",
    "write_folder",
    "write_nir",
    "write_torch_archive",
]
