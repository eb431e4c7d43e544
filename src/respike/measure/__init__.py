"""The verb `measure`: batches, tallies that add up exactly, what is kept on disk, who shares the work, the `Report`."""

from respike.measure.batches import BATCH_SIZE, Batch, Labelled, batches
from respike.measure.kept import Kept, discard
from respike.measure.measure import measure
from respike.measure.report import USELESS, Cost, Exits, Report, names
from respike.measure.scoring import Score, score
from respike.measure.tally import Tally
from respike.measure.workers import ALONE, Alone, Torchrun, WorkerLost, Workers, workers

__all__ = [
    "ALONE",
    "BATCH_SIZE",
    "USELESS",
    "Alone",
    "Batch",
    "Cost",
    "Exits",
    "Kept",
    "Labelled",
    "Report",
    "Score",
    "Tally",
    "Torchrun",
    "WorkerLost",
    "Workers",
    "batches",
    "discard",
    "measure",
    "names",
    "score",
    "workers",
]
