"""Reports for people: figures and a page, from measured numbers."""

from respike.report.collect import collect
from respike.report.figures import accuracy_over_time, save
from respike.report.html import page
from respike.report.page_data import Bounds, PageData
from respike.report.page_figures import save_figures
from respike.report.runs import Run, Witness, observe

__all__ = [
    "Bounds",
    "PageData",
    "Run",
    "Witness",
    "accuracy_over_time",
    "collect",
    "observe",
    "page",
    "save",
    "save_figures",
]
