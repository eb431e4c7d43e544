"""Reports for people: a table and a figure, from measured numbers alone."""

from respike.report.figures import accuracy_over_time, save
from respike.report.files import check_writable, write
from respike.report.table import human, summary

__all__ = ["accuracy_over_time", "check_writable", "human", "save", "summary", "write"]
