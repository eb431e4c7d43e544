"""Metrics of outputs other than classes: one file each; `ALL` is the tuple of them."""

from collections.abc import Mapping

from respike.metrics.bits_per_symbol import BitsPerSymbol
from respike.metrics.cosine_similarity import CosineSimilarity
from respike.metrics.mean_iou import MeanIoU
from respike.metrics.mean_squared_error import MeanSquaredError
from respike.metrics.metric import Metric
from respike.metrics.pixel_accuracy import PixelAccuracy
from respike.metrics.r_squared import RSquared

ALL: tuple[type[Metric], ...] = (
    BitsPerSymbol,
    CosineSimilarity,
    MeanIoU,
    MeanSquaredError,
    PixelAccuracy,
    RSquared,
)


def named() -> Mapping[str, type[Metric]]:
    """The metrics by the names of their files, as the command line has them: `mean_iou`, `r_squared`."""
    return {one.__module__.rpartition(".")[2]: one for one in ALL}


__all__ = [
    "ALL",
    "BitsPerSymbol",
    "CosineSimilarity",
    "MeanIoU",
    "MeanSquaredError",
    "Metric",
    "PixelAccuracy",
    "RSquared",
    "named",
]
