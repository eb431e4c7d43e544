"""Trained networks of the papers, with the recipes that trained them."""

from respike.zoo.entries import ENTRIES, Descent, Entry, Recipe, find
from respike.zoo.records import SHIPPED, Epoch, TrainingRecord, load, record, trained
from respike.zoo.training import Score, evaluate, train

__all__ = [
    "ENTRIES",
    "SHIPPED",
    "Descent",
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
    "trained",
]
