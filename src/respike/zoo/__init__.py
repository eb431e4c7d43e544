"""Trained networks of the papers, with the recipes that trained them."""

from respike.zoo.entries import ENTRIES, Entry, Recipe, find
from respike.zoo.records import SHIPPED, Epoch, TrainingRecord, load, record
from respike.zoo.training import Score, evaluate, train

__all__ = [
    "ENTRIES",
    "SHIPPED",
    "Entry",
    "Epoch",
    "Recipe",
    "Score",
    "TrainingRecord",
    "evaluate",
    "find",
    "load",
    "record",
    "train",
]
