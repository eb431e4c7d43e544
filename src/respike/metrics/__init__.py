"""Metrics of outputs other than classes: one file each; `ALL` is the tuple of them."""

from respike.metrics.cosine_similarity import CosineSimilarity
from respike.metrics.mean_iou import MeanIoU
from respike.metrics.mean_squared_error import MeanSquaredError
from respike.metrics.metric import Metric
from respike.metrics.pixel_accuracy import PixelAccuracy
from respike.metrics.r_squared import RSquared

ALL: tuple[type[Metric], ...] = (CosineSimilarity, MeanIoU, MeanSquaredError, PixelAccuracy, RSquared)

__all__ = ["ALL", "CosineSimilarity", "MeanIoU", "MeanSquaredError", "Metric", "PixelAccuracy", "RSquared"]
