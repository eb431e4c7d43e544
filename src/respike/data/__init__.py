"""Labelled images: data sets that are known by name, how to fetch them, and data of one's own."""

from respike.data.catalogue import CALIBRATION_IMAGES, Split
from respike.data.dataset import Dataset, Pixels
from respike.data.events import EVENT, Events, frames, read_aer, saccades, write_aer
from respike.data.fetching import Fetched, fetch
from respike.data.fitted import fitted, other_range
from respike.data.listing import Listing, available
from respike.data.loading import load
from respike.data.opening import Summary, open, summary
from respike.data.preparation import Layout, Preparation

__all__ = [
    "CALIBRATION_IMAGES",
    "EVENT",
    "Dataset",
    "Events",
    "Fetched",
    "Layout",
    "Listing",
    "Pixels",
    "Preparation",
    "Split",
    "Summary",
    "available",
    "fetch",
    "fitted",
    "frames",
    "load",
    "open",
    "other_range",
    "read_aer",
    "saccades",
    "summary",
    "write_aer",
]
