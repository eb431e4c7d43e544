"""Data sets of labelled images: what is embedded, what lies on this machine, and how to fetch the rest."""

from respike.data.catalogue import CALIBRATION_IMAGES, Split
from respike.data.dataset import Dataset, Pixels
from respike.data.fetching import Fetched, fetch
from respike.data.listing import Listing, available
from respike.data.loading import load

__all__ = [
    "CALIBRATION_IMAGES",
    "Dataset",
    "Fetched",
    "Listing",
    "Pixels",
    "Split",
    "available",
    "fetch",
    "load",
]
