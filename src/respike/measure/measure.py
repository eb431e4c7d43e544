"""The verb `measure`: what a conversion costs and gains, over a data set."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from respike.bounds import Bounds
from respike.cost import HOROWITZ_45NM, EnergyModel, fan_outs
from respike.engines import Engine, check_engine, fastest
from respike.errors import Argument, InvalidData, InvalidNetwork
from respike.measure.batches import BATCH_SIZE, Batch, Labelled, batches, size
from respike.measure.early_exit import EarlyExit, exiting
from respike.measure.fingerprint import run_of
from respike.measure.kept import Kept
from respike.measure.memory import check_memory
from respike.measure.report import Report, report
from respike.measure.rounded import outputs_and_rounded
from respike.measure.tally import Tally, tally
from respike.measure.work import check_computes
from respike.measure.workers import ALONE, Workers
from respike.progress import Progress, shown, silent
from respike.record import Probe
from respike.simulate import simulate
from respike.spiking import SpikingNetwork
from respike.typed import SPIKING, check_kind


def measure(
    spiking: SpikingNetwork,
    dataset: Labelled,
    *,
    engine: Engine | None = None,
    energy: EnergyModel = HOROWITZ_45NM,
    tolerance: float | None = None,
    limit: int | None = None,
    early_exit: EarlyExit | None = None,
    dataset_name: str = "",
    progress: Progress | bool = silent,
    resume: Path | None = None,
    workers: Workers = ALONE,
) -> Report:
    """Runs a converted network and the network itself over a data set, and reports both.

    Beside them stands the network with activations rounded to the levels that its spiking neurons have
    (`measure.rounded`).

    Images without labels are measured against what the network itself decides: accuracy then means agreement. Outputs
    that are no classes of whole images have their own verb, `respike.score`.

    Ctrl-C ends the run early; the report then covers the images that were finished, and says so. Before the first
    batch is finished there is nothing to report, and the interrupt passes through, as it does where several workers
    share the run: none of them knows what the others have.

    Args:
        spiking: the converted network.
        dataset: a `Dataset`, images `[images, *shape]` with integer labels `[images]`, or batches of them; or images
            alone.
        engine: who simulates; the fastest that can unless given.
        energy: the energy model behind `energy_ratio`.
        tolerance: the share of the images by which the right decisions may fall short of the network's and still count
            as reached, rounded down to whole images; unless given, what chance explains on so many images (half of
            Wilson's interval of the network's accuracy).
        limit: the number of images at most; all unless said.
        early_exit: also report what exiting early by this rule would give (`cost.early_exit`).
        dataset_name: for the report.
        progress: called after each batch with the number of images up to its end; True draws a bar.
        resume: a folder in which finished batches are kept, and taken from where they are there already.
        workers: who shares the run (`measure.workers()` under torchrun); every one of them gets the report.

    Raises:
        InvalidData: no images, wrong shapes, NaN or infinite values, labels that are not integers or do not fit, an
            output that is not one value per class.
        InvalidNetwork: the network itself gives NaN or infinite outputs, or has no layers with weights.
        InvalidFile: the folder to resume from holds another run's batches.
        InvalidOption: a limit below 1, a tolerance that is no share, or so many steps that memory cannot hold their
            outputs.
        InvalidPlan: early exit by a bound, where none can be had.
        WorkerLost: another worker ended, or measures something else.
    """
    check_kind("spiking", spiking, SpikingNetwork, SPIKING)
    check_engine(engine)
    if limit is not None:
        Bounds(1, whole=True).check("limit", limit)
    if tolerance is not None:
        Bounds(0, 1).check("tolerance", tolerance)
    shape = spiking.network.shapes[spiking.network.outputs[0]]
    if len(shape) != 1:
        raise InvalidData(
            f"classes need an output with one value per class, but the output has shape {list(shape)}: respike.score "
            "compares it by a metric, ",
            Argument("metric"),
        )
    check_computes(spiking.network)
    check_memory(spiking)
    engine = engine or fastest(spiking.network, spiking.plan)
    fan_out = fan_outs(spiking.network, spiking.plan)
    rule = exiting(early_exit, spiking.network, spiking.plan) if early_exit is not None else None

    def simulated(batch: Batch) -> Tally:
        probe = Probe(spike_counts=False, fan_out=fan_out)
        still = spiking.plan.still(batch.images)
        outputs, rounded = outputs_and_rounded(spiking.network, spiking.plan, still)
        if not bool(torch.isfinite(outputs).all()):
            raise InvalidNetwork(f"the network itself gives NaN or infinite outputs before image {batch.stop}")
        record = simulate(spiking, batch.images, probe, engine=engine, first_image=batch.first_image)
        return tally(outputs, record, batch.labels, spiking.plan, rule, rounded)

    started = time.perf_counter()
    run = {}
    if resume is not None or workers is not ALONE:
        name = getattr(engine, "__name__", type(engine).__name__)
        run = run_of(spiking, engine=name, limit=limit, early_exit=early_exit, batch_size=BATCH_SIZE)
    kept = Kept.of(resume, run) if resume is not None else None
    total, complete = Tally(), True
    doing, images = f"{spiking.network.origin} {spiking.plan.method}", size(dataset, limit)
    try:
        with shown(progress) as told:
            for batch in batches(dataset, spiking, limit, workers.claims(run)):
                part = kept.read(batch) if kept is not None else None
                if part is None:
                    part = simulated(batch)
                    if kept is not None:
                        kept.write(batch, part)
                total += part
                told(doing, batch.stop, images)
    except KeyboardInterrupt:
        if not total.images or workers.size > 1:
            raise
        complete = False
    total = workers.together(total)
    if not total.images:
        raise InvalidData("no image was measured")
    return report(
        spiking,
        total,
        fan_out,
        energy=energy,
        tolerance=tolerance,
        dataset_name=dataset_name,
        engine=engine,
        seconds=time.perf_counter() - started,
        complete=complete,
        early_exit=early_exit,
    )
