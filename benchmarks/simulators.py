"""Runs exported NIR files in simulators of others, compares every spike, and makes a table of docs/hardware/export.md.

`python benchmarks/simulators.py [--at FOLDER] [SIMULATOR ...]` makes the virtual environments that are missing (their
versions of nir clash), exports the networks, and runs each simulator named in its environment, or what is missing in
benchmarks/simulators.json. Needs a package index. The environments lie in FOLDER, outside of the tree.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import subprocess
import tempfile
import venv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from respike import Probe, SpikingNetwork, data, load, methods, zoo
from respike.engines import batched
from respike.export import Pooling, portable, targets, write_nir
from respike.ir import Network
from respike.lower import FixedPoint, fixed_point
from respike.neurons import Above, IntegrateFire
from respike.plan import Plan

ROOT = Path(__file__).parents[1]
ROWS = Path(__file__).with_suffix(".json")
PAGE = ROOT / "docs" / "hardware" / "export.md"
START, END = "<!-- made by benchmarks/simulators.py -->", "<!-- end -->"
IMAGES = 100
FEW = {"brian2": 5, "nengo": 5}
"""Images for simulators that take one after the other, spike by spike in Python."""
BATCH = 20

COMMON = ("torch==2.13.0", "numpy", "scipy", "h5py", "matplotlib", "loguru", "tqdm")
RESPIKE = ("safetensors", "pooch", "platformdirs", "pillow", "typer", "rich")


@dataclass(frozen=True)
class Environment:
    """Packages that can be installed together. `alone` are installed without what they depend on."""

    packages: tuple[str, ...]
    alone: tuple[str, ...]


ENVIRONMENTS = {
    # samna, on which sinabs depends, is for its hardware only.
    "nir-1.0.4": Environment(("nir==1.0.4", "nirtorch==2.0.2", "pbr"), ("sinabs==3.1.3",)),
    "nir-1.0.8": Environment(
        ("nir==1.0.8", "nirtorch==2.6", "numba"),
        (
            *("snntorch==1.0.0", "spikingjelly==2.0.0", "SciencePlots", "norse==1.0.0", "neurobench==2.3.0", "tonic"),
            *("rockpool==2.0", "nengo==4.1.0"),
        ),
    ),
    # Brian 2.9.0 does not import with NumPy 2.4.
    "numpy-1": Environment(("nir==1.0.8", "numpy<2", "cython", "sympy", "jinja2", "pyparsing"), ("brian2==2.9.0",)),
}


@dataclass(frozen=True)
class Subject:
    """A network of the zoo, converted by max_norm."""

    name: str
    dataset: str
    steps: int


SUBJECTS = (Subject("mnist-cnn", "mnist", 32), Subject("cifar10-resnet8", "cifar10", 8))


@dataclass(frozen=True)
class Case:
    """One way to run a subject.

    Args:
        name: "float64", the numbers of a float32 file computed in float64, where order of summation flips no spike;
            "float32"; or "integers" of 8 bits, in float32, which is exact for them.
    """

    name: str

    @property
    def dtype(self) -> torch.dtype:
        """In which the simulator computes."""
        return torch.float64 if self.name == "float64" else torch.float32


RUNS = {
    f"{subject.name}, {case.name}": (subject, case)
    for case in (Case("float64"), Case("integers"), Case("float32"))
    for subject in SUBJECTS
}


def environment(name: str, at: Path) -> Path:
    """The Python of an environment, which is made where it is missing."""
    folder = at / f"simulators-{name}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print("making", folder, flush=True)
        wanted = ENVIRONMENTS[name]
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
        subprocess.run([*pip, *COMMON, *RESPIKE, *wanted.packages], check=True)
        subprocess.run([*pip, "--no-deps", *wanted.alone], check=True)
        (folder / "ready").touch()
    return python


def environment_of(target: targets.Target) -> str:
    """The environment that a simulator needs."""
    if target.name == "brian2":
        return "numpy-1"
    return "nir-1.0.4" if target.nir == "<=1.0.4" else "nir-1.0.8"


@functools.cache
def planned(subject: Subject) -> tuple[Network, Plan, Tensor]:
    """The network, its plan, and the test images."""
    images = data.load(subject.dataset, "calibration").images
    network = load(zoo.load(subject.name), images[:8])
    plan = methods.max_norm.plan(network, images[:500], steps=subject.steps)
    return network, plan, data.load(subject.dataset, "test").images[:IMAGES]


@functools.cache
def exported(subject: Subject, case: Case, pooling: Pooling, above: bool) -> tempfile.TemporaryDirectory[str]:
    """A folder with the file, the images, and the spikes that a simulator should give."""
    network, plan, test = planned(subject)
    converted: SpikingNetwork | FixedPoint = SpikingNetwork(network, plan)
    if case.name == "integers":
        converted = fixed_point(network, _above(plan) if above else plan)
        converted = replace(converted, network=converted.network.to(torch.float32))
        test = converted.encode(test).float()
    folder = tempfile.TemporaryDirectory()
    write_nir(Path(folder.name) / "net.nir", converted, pooling=pooling, allow_metadata=True)
    lowered = portable(converted, pooling)
    given = test.to(case.dtype)
    torch.save(given, Path(folder.name) / "images.pt")
    torch.save(_spikes(lowered.network.to(case.dtype), lowered.plan, given), Path(folder.name) / "spikes.pt")
    return folder


def folder_for(subject: Subject, case: Case, target: targets.Target) -> str:
    """The folder for a simulator. Of integers there are no averages; and their potentials meet thresholds all the time,
    so that the plan must fire as the simulator does.
    """
    integers = case.name == "integers"
    pooling = Pooling.FUSED if integers and target.pooling is Pooling.AVERAGE else target.pooling
    return exported(subject, case, pooling, integers and target.fires == ">").name


def _above(plan: Plan) -> Plan:
    sites = {name: replace(site, neuron=IntegrateFire(fires=Above())) for name, site in plan.sites.items()}
    return replace(plan, sites=sites)


def _spikes(network: Network, plan: Plan, images: Tensor) -> dict[str, Tensor]:
    """Per population `[steps, images, *shape]`, by its name in NIR, as respike gives them."""
    kept: dict[str, list[Tensor]] = {name: [] for name in plan.sites}
    for part in torch.split(images, BATCH):
        recording = batched(network, plan, part, Probe(spikes=tuple(plan.sites)))
        for name, spikes in recording.spikes.items():
            kept[name].append(spikes.to(torch.int8))
    return {name.replace(".", "_"): torch.cat(parts, 1) for name, parts in kept.items()}


def compare(target: targets.Target, case: Case, steps: int, folder: Path) -> dict[str, Any]:
    """Runs the file in the simulator, in this process, and counts what differs."""
    wanted: dict[str, Tensor] = torch.load(folder / "spikes.pt")
    images: Tensor = torch.load(folder / "images.pt")[: FEW.get(target.name, IMAGES)]
    module = target.load(folder / "net.nir").to(case.dtype)
    spikes = neurons = differing = counts = 0
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        found = target.run(module, part.expand(steps, *part.shape), tuple(wanted))
        for name, ours in wanted.items():
            mine, theirs = ours[:, start : start + len(part)], found[name].to(torch.int8)
            spikes += int(mine.sum(dtype=torch.int64))
            neurons += mine[0].numel()
            differing += int((mine != theirs).sum())
            counts += int((mine.sum(0, dtype=torch.int64) != theirs.sum(0, dtype=torch.int64)).sum())
    result = {"spikes": spikes, "neurons": neurons, "differing_spikes": differing, "differing_counts": counts}
    return result | {"version": version(target.name), "nir": version("nir"), "images": len(images), "steps": steps}


def run(target: targets.Target, subject: Subject, case: Case, at: Path) -> dict[str, Any]:
    """What one simulator gives, in its environment."""
    python = environment(environment_of(target), at)
    words = [str(python), __file__, "--inside", folder_for(subject, case, target), target.name, case.name]
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*words, str(subject.steps)], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{target.name} failed on {subject.name}, {case.name}:\n{done.stderr}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def table(rows: Mapping[str, Mapping[str, dict[str, Any]]]) -> str:
    """The rows as Markdown."""
    lines = [["simulator", "nir", "fires", *RUNS], ["---"] * (3 + len(RUNS))]
    for target in targets.ALL:
        if found := rows.get(target.name):
            some = next(iter(found.values()))
            cells = [_cell(found[name]) if name in found else "not run" for name in RUNS]
            lines.append([f"{target.name} {some['version']}", some["nir"], f"`{target.fires}`", *cells])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _cell(row: dict[str, Any]) -> str:
    differing = row["differing_spikes"]
    if not differing:
        return f"all {row['spikes']:,}" + (f" ({row['images']} images)" if row["images"] != IMAGES else "")
    return f"{differing:,} of {row['spikes']:,} spikes, {row['differing_counts']:,} of {row['neurons']:,} counts differ"


def main() -> None:
    """Runs the simulators named, or all, and writes rows and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="SIMULATOR")
    parser.add_argument("--at", type=Path, default=Path(tempfile.gettempdir()), metavar="FOLDER")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside is not None:
        name, case, steps = given.names
        print(json.dumps(compare(targets.find(name), Case(case), int(steps), given.inside)))
        return
    rows = json.loads(ROWS.read_text()) if ROWS.exists() else {}
    for (name, (subject, case)), target in itertools.product(RUNS.items(), targets.ALL):
        if target.name not in given.names if given.names else name in rows.get(target.name, {}):
            continue
        rows.setdefault(target.name, {})[name] = run(target, subject, case, given.at)
        print(target.name, name, rows[target.name][name], flush=True)
        ROWS.write_text(json.dumps(rows, indent=1) + "\n")
        before, rest = PAGE.read_text().split(START)
        PAGE.write_text(f"{before}{START}\n\n{table(rows)}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
