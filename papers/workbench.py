"""What the papers' programs share: networks with their data, and measurements that survive an interrupt."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from papers.claims import Claim
from papers.intervals import Estimate, paired
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from torch import Tensor

import respike
from papers import claims
from respike import Plan, Probe, Recording, Report, SpikingNetwork, data, engines, zoo
from respike.data import Dataset
from respike.engines import Engine
from respike.ir import Network
from respike.tensor_file import parse
from respike.zoo.records import fill

BATCH_SIZE = 64
MOST_STEPS = 256
"""Decisions are kept at every step of a run that is no longer than this."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained network of the zoo, with the images that it is measured on.

    calibration: images from the training set. weights: the SHA-256 of the weights' file.
    """

    name: str
    network: Network
    test: Dataset
    calibration: Tensor
    weights: str


@dataclass(frozen=True, eq=False)
class Run:
    """A measured conversion, with its decisions on each image.

    right: `[steps, images]`, whether the decision after each step is right; the last step alone, `[1, images]`, where
    there are more than `MOST_STEPS`. network_right: `[images]`, the same of the network.
    """

    report: Report
    right: Tensor
    network_right: Tensor

    def loss(self, step: int = -1) -> Estimate:
        """Points lost against the network after the step of that index."""
        return paired(self.network_right, self.right[step])


class Decisions:
    """An engine that runs another one and notes what it and the network decide."""

    def __init__(self, engine: Engine) -> None:
        """Of the engine that does the work."""
        self._engine = engine
        self._decisions: list[Tensor] = []
        self._network: list[Tensor] = []
        self.__name__ = getattr(engine, "__name__", type(engine).__name__)

    def __call__(
        self, network: Network, plan: Plan, images: Tensor, probe: Probe | None = None, *, first_image: int = 0
    ) -> Recording:
        """Runs the engine."""
        recording = self._engine(network, plan, images, probe, first_image=first_image)
        decisions = recording.outputs_over_time.argmax(-1)
        self._decisions.append(decisions if len(decisions) <= MOST_STEPS else decisions[-1:])
        self._network.append(network(images).argmax(-1))
        return recording

    def right(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Where the decisions of all images so far are the labels': of the engine, and of the network."""
        return torch.cat(self._decisions, 1) == labels, torch.cat(self._network) == labels


def pack(bits: Tensor) -> dict[str, Any]:
    """Truth values as JSON can hold them."""
    packed = np.packbits(bits.numpy().reshape(-1))
    return {"shape": list(bits.shape), "bits": base64.b64encode(packed.tobytes()).decode()}


def unpack(packed: Mapping[str, Any]) -> Tensor:
    """What `pack` packed."""
    shape = torch.Size(packed["shape"])
    content = np.frombuffer(base64.b64decode(packed["bits"]), np.uint8)
    return torch.from_numpy(np.unpackbits(content, count=shape.numel())).reshape(shape).bool()


@dataclass(frozen=True, eq=False)
class Workbench:
    """Measures with a progress bar, and keeps each finished result as a file, which a second run finds.

    out: the folder of results and figures. networks: those asked for. limit: the number of test images at most.
    long_limit: the same for the longest simulations.
    """

    out: Path
    networks: tuple[str, ...]
    limit: int
    long_limit: int
    bar: Progress

    @property
    def figures(self) -> Path:
        """The folder of the pictures."""
        return self.out / "figures"

    def subject(self, name: str) -> Subject:
        """A network of the zoo, with its data."""
        dataset = zoo.find(name).dataset
        test = self.images(dataset, "test")
        network = respike.load(zoo.load(name), test.take(8).images)
        calibration = self.images(dataset, "calibration").images
        return Subject(name, network, test, calibration, zoo.record(name).sha256)

    def has(self, name: str) -> bool:
        """Whether the weights of a network of the zoo and its data are on this machine."""
        here = {listing.name for listing in data.available() if listing.place is not None}
        return zoo.trained(name) and zoo.find(name).dataset in here

    def epoch(self, subject: Subject, weights: Path) -> Subject:
        """The same network of the zoo with the weights after one epoch."""
        content = weights.read_bytes()
        model = zoo.find(subject.name).build()
        fill(model, parse(content, weights)[0], weights)
        network = respike.load(model.eval(), subject.test.take(8).images)
        return replace(subject, network=network, weights=hashlib.sha256(content).hexdigest())

    def images(self, dataset: str, split: str) -> Dataset:
        """A split of a data set, which is fetched where it is not on this machine."""
        try:
            return data.load(dataset, split)
        except respike.errors.InvalidData:
            with self.task(f"fetching {dataset}", None):
                data.fetch(dataset)
            return data.load(dataset, split)

    def keep(
        self,
        name: str,
        subject: Subject,
        identity: Mapping[str, object],
        compute: Callable[[], Any],
        usable: Callable[[Any], bool] = lambda result: True,
    ) -> Any:
        """A result that JSON can hold: read if it was kept under this name and identity, else computed and kept."""
        known = {"network": subject.name, "weights": subject.weights, "version": respike.__version__}
        known |= {key: str(value) for key, value in identity.items()}
        path = self.out / "results" / f"{subject.name}.{name}.json"
        kept = json.loads(path.read_text()) if path.exists() else {}
        if kept.get("identity") == known and usable(kept["result"]):
            return kept["result"]
        text = json.dumps({"identity": known, "result": compute()}, default=str)
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".part")
        half.write_text(text)
        os.replace(half, path)
        return json.loads(text)["result"]

    def measure(
        self,
        name: str,
        subject: Subject,
        plan: Plan,
        limit: int,
        tolerance: float = 0.0005,
        engine: Engine | None = None,
    ) -> Run:
        """`respike.measure` on the first `limit` test images; an interrupted measurement is not kept."""
        identity = {
            "method": plan.method,
            "options": plan.options,
            "schedule": plan.schedule,
            "readout": plan.readout,
            "images": limit,
            "tolerance": tolerance,
        }

        def compute() -> dict[str, Any]:
            images = subject.test.take(limit)
            seen = Decisions(engine or engines.fastest(subject.network, plan))
            with self.task(f"{subject.name} {name}", len(images)) as task:
                report = respike.measure(
                    SpikingNetwork(subject.network, plan),
                    images.batches(1000),
                    tolerance=tolerance,
                    engine=seen,
                    dataset_name=images.name,
                    progress=lambda _, done, total: self.bar.update(task, completed=done, total=total),
                )
            if not report.complete:
                raise KeyboardInterrupt
            right, network_right = seen.right(images.labels)
            return {"report": asdict(report), "right": pack(right), "network_right": pack(network_right)}

        found = self.keep(name, subject, identity, compute, _is_run)
        return Run(Report(**found["report"]), unpack(found["right"]), unpack(found["network_right"]))

    def track(self, label: str, images: Dataset) -> Iterator[Tensor]:
        """The images of a data set in batches, with a progress bar."""
        with self.task(label, len(images)) as task:
            for batch, _ in images.batches(BATCH_SIZE):
                yield batch
                self.bar.advance(task, len(batch))

    @contextmanager
    def task(self, label: str, total: int | None) -> Iterator[TaskID]:
        """A line of progress for as long as something is done; without a total where its length is not known."""
        task = self.bar.add_task(label, total=total)
        try:
            yield task
        finally:
            self.bar.remove_task(task)


def _is_run(result: Mapping[str, Any]) -> bool:
    """Whether a kept run has decisions, and its report all fields that a report has today."""
    today = fields(Report)
    needed = {field.name for field in today if field.default is MISSING}
    return "right" in result and needed <= set(result["report"]) <= {field.name for field in today}


Program: TypeAlias = Callable[[Workbench], list[Claim]]


def main(
    home: Path,
    title: str,
    networks: Sequence[str],
    long_limit: int | None,
    program: Program,
    arguments: Sequence[str] | None,
) -> int:
    """The command line of a paper: runs its program, and writes `claims.toml` and the README's table.

    home: the paper's folder. long_limit: the default; None where the paper has no long runs. Returns the exit status,
    130 after Ctrl-C.
    """
    parser = argparse.ArgumentParser(description=f"{title}: the paper's figures and tables again, and what holds.")
    parser.add_argument("--limit", type=int, default=10_000, metavar="N", help="test images at most (default: all)")
    parser.add_argument("--network", action="append", choices=networks, help="only this one (may be repeated)")
    parser.add_argument("--out", type=Path, default=home, metavar="DIR", help="where results go (the paper's folder)")
    long_help = f"images of the longest runs ({long_limit})" if long_limit else argparse.SUPPRESS
    parser.add_argument("--long-limit", type=int, default=long_limit or 0, metavar="N", help=long_help)
    options = parser.parse_args(arguments)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    (options.out / "figures").mkdir(parents=True, exist_ok=True)
    try:
        with Progress(*columns) as bar:
            chosen = tuple(options.network or networks)
            found = program(Workbench(options.out, chosen, options.limit, options.long_limit, bar))
    except KeyboardInterrupt:
        print(f"interrupted: what is finished lies in {options.out / 'results'}; run again to continue from there")
        return 130
    claims.write(options.out / "claims.toml", title, found)
    claims.write_readme(home / "README.md", options.out / "README.md", found)
    for claim in found:
        print(f"{claim.verdict}: {claim.id}: paper {claim.paper}, ours {claim.ours}")
    print(claims.summary(found))
    return 0
