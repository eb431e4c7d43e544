"""Calibration: what activations look like, from data or from the weights alone."""

from respike.calibrate.batches import Batch, Calibration, check_apart, check_spikes, first_images, image_batches
from respike.calibrate.bounds import activation_bounds
from respike.calibrate.channels import channel_axis, for_channels
from respike.calibrate.rounding import largest_units, least_squares_units
from respike.calibrate.scales import largest_weights, site, sites
from respike.calibrate.statistics import ActivationStatistics, Statistics, observe, together

__all__ = [
    "ActivationStatistics",
    "Batch",
    "Calibration",
    "Statistics",
    "activation_bounds",
    "channel_axis",
    "check_apart",
    "check_spikes",
    "first_images",
    "for_channels",
    "image_batches",
    "largest_units",
    "largest_weights",
    "least_squares_units",
    "observe",
    "site",
    "sites",
    "together",
]
