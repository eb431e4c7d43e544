"""Reports for people: figures and a page, from measured numbers."""

from respike.report.collect import Run, Shown, collect, sample_size, worth_showing
from respike.report.figures import accuracy_over_time, save
from respike.report.html import page
from respike.report.page_data import Bounds, PageData
from respike.report.page_figures import save_figures

__all__ = [
    "Bounds",
    "PageData",
    "Run",
    "Shown",
    "accuracy_over_time",
    "collect",
    "page",
    "sample_size",
    "save",
    "save_figures",
    "worth_showing",
]
