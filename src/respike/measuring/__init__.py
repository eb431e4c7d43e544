"""What `measure` is made of: batches, tallies that add up exactly, what is kept on disk, and who shares the work."""

from respike.measuring.batches import BATCH_SIZE, Batch, Labelled, batches
from respike.measuring.kept import Kept, discard
from respike.measuring.report import Exits, Report
from respike.measuring.tally import Tally
from respike.measuring.workers import ALONE, Alone, Torchrun, WorkerLost, Workers, workers

__all__ = [
    "ALONE",
    "BATCH_SIZE",
    "Alone",
    "Batch",
    "Exits",
    "Kept",
    "Labelled",
    "Report",
    "Tally",
    "Torchrun",
    "WorkerLost",
    "Workers",
    "batches",
    "discard",
    "workers",
]
