"""Files that have been damaged: cut short, overwritten, shuffled, filled with zeros, each by a seed of its own.

`python tests/damage.py FIRST COUNT FILE...` reads each file with the damages of so many seeds; how follows from its
name.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch

from respike import SpikingNetwork, data, load, zoo
from respike.cli import main
from respike.data import idx
from respike.data.catalogue import Member
from respike.data.encoded import EncodedImages
from respike.data.files import unpacked
from respike.data.imagenet import PREPARATION
from respike.data.places import Place
from respike.errors import RespikeError
from respike.export import Metadata
from respike.export.nir_graph import KEY
from respike.export.targets.target import read_graph
from respike.files import read
from respike.fitting.store import read_fit
from respike.ir import GELU, Activation, Input, Linear, Network, ReLU
from respike.measure import Batch, Kept, Report, Score
from respike.tensor_file import parse

MEMORY = 3 << 30
"""Bytes by which a process that reads a damaged file may grow."""

SECONDS = 60
"""That reading one file may take."""

AT_ONCE = 50
"""Files that one process reads."""


def damaged(content: bytes, seed: int) -> bytes:
    """The content with one to three damages."""
    chance = random.Random(seed)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        content = chance.choice((_flip, _flip, _cut, _zero, _overwrite, _repeat, _drop, _front))(content, chance)
    return content


def _span(content: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(content) + 1)
    return start, min(len(content), start + chance.choice((1, 4, 64, 4096)))


def _flip(content: bytes, chance: random.Random) -> bytes:
    if not content:
        return content
    place = chance.choice((chance.randrange(len(content)), chance.randrange(min(len(content), 512))))
    return content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _zero(content: bytes, chance: random.Random) -> bytes:
    start, stop = _span(content, chance)
    return content[:start] + bytes(stop - start) + content[stop:]


def _overwrite(content: bytes, chance: random.Random) -> bytes:
    start, stop = _span(content, chance)
    return content[:start] + chance.randbytes(stop - start) + content[stop:]


def _repeat(content: bytes, chance: random.Random) -> bytes:
    start, stop = _span(content, chance)
    return content[:stop] + content[start:]


def _drop(content: bytes, chance: random.Random) -> bytes:
    start, stop = _span(content, chance)
    return content[:start] + content[stop:]


def _front(content: bytes, chance: random.Random) -> bytes:
    """The beginning, where lengths and counts stand, with large numbers in it."""
    start = chance.randrange(min(len(content), 64) + 1)
    return content[:start] + b"\xff" * chance.choice((1, 4, 8)) + content[start + chance.choice((1, 4, 8)) :]


def read_damaged(path: Path, read: Callable[[Path], object], seeds: Iterable[int]) -> list[str]:
    """What goes wrong when a file is read with the damage of each seed: nothing may but a `RespikeError`.

    Files are read in processes of their own, `AT_ONCE` in each, with bounded memory and time: a crash is seen and goes
    no further.
    """
    content, left, wrong = path.read_bytes(), list(seeds), []
    while left:
        tried, found, end = _child(path, content, read, left[:AT_ONCE])
        wrong += found
        if end:
            wrong.append(f"seed {tried[-1]}: {end}")
        left = left[len(tried) :]
    path.write_bytes(content)
    return wrong


def _child(
    path: Path, content: bytes, read: Callable[[Path], object], seeds: list[int]
) -> tuple[list[int], list[str], str]:
    """The seeds that a child of this process has tried, what went wrong, and how the last one ended it, if it did."""
    inlet, outlet = os.pipe()
    child = os.fork()
    if not child:
        os.close(inlet)
        _bound()
        for seed in seeds:
            os.write(outlet, f"tried {seed}\n".encode())
            path.write_bytes(damaged(content, seed))
            if message := _wrong(path, read):
                os.write(outlet, f"wrong seed {seed}: {message}\n".encode())
        os._exit(0)
    os.close(outlet)
    with os.fdopen(inlet, "rb") as said:
        lines = [line.partition(" ") for line in said.read().decode().splitlines()]
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    tried = [int(rest) for kind, _, rest in lines if kind == "tried"]
    end = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}" if code else ""
    return tried, [rest for kind, _, rest in lines if kind == "wrong"], end


def _bound() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def _wrong(path: Path, read: Callable[[Path], object]) -> str:
    """What went wrong, in a line."""
    signal.alarm(SECONDS)
    try:
        read(path)
    except RespikeError:
        return ""
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        said = " ".join(str(error)[:200].split())
        return f"{type(error).__name__}: {said} ({place.filename}:{place.lineno})"
    finally:
        signal.alarm(0)
    return ""


def _converted(path: Path) -> object:
    spiking = SpikingNetwork.load(path)
    return spiking(torch.zeros(1, *spiking.network.inputs[0].shape))


def _weights(path: Path) -> object:
    network = torch.nn.Linear(40, 30)
    zoo.records.fill(network, parse(read(path), path)[0], path)
    return network(torch.zeros(1, 40))


def _record(path: Path) -> object:
    return zoo.record("mnist-cnn", path.parent)


def _checkpoint(path: Path) -> object:
    network = torch.nn.Linear(40, 30)
    optimizer = torch.optim.Adam(network.parameters())
    return zoo.checkpoint.Checkpoint(path, {"name": "linear"}).restore(network, optimizer)


def _kept(path: Path) -> object:
    batch = Batch(0, 0, torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))
    return Kept(path.parent).read(batch)


def _run(path: Path) -> object:
    return Kept.of(path.parent, {"network": "linear"})


def _idx(path: Path) -> object:
    return idx.parse(unpacked(path), path.name)


def _archive(path: Path) -> object:
    return Place(path, Member("test_batch.bin", "d764ed329f93aa6b1068020d675b7253")).read()


def _images(path: Path) -> object:
    return EncodedImages((path,), PREPARATION)[0:1]


def tiny() -> Network:
    """A network of two layers."""
    nodes = (Input("x", (), (4,)), Activation("r", ("x",), ReLU()), Linear("fc", ("r",), torch.ones(4, 4)))
    return Network(nodes, ("fc",), "tiny")


def _study(path: Path) -> object:
    from respike import tuning

    return tuning.from_study(tiny(), torch.rand(8, 4), path, "tiny")


def _own_data(path: Path) -> object:
    """Data of one's own: what is in a file, and every image."""
    dataset = data.open(path)
    data.summary(dataset)
    return [dataset.pixels[number : number + 1] for number in range(min(len(dataset), 4))]


def _labels(path: Path) -> object:
    images = path.with_name("photos.npy")
    np.save(images, np.zeros((4, 6, 6), np.uint8))
    return data.open(images, labels=path)


def _report(path: Path) -> object:
    return str(Report.from_json(read(path).decode(errors="replace")))


def _score(path: Path) -> object:
    return str(Score.from_json(read(path).decode(errors="replace")))


def _graph(path: Path) -> object:
    """What respike has written into a NIR graph beside the graph."""
    from types import SimpleNamespace

    return Metadata.of(SimpleNamespace(metadata={KEY: read(path)}))


def _nir(path: Path) -> object:
    return read_graph(path, "a simulator")


def _experiment(path: Path) -> object:
    """As the command line does, which tells what is wrong itself."""
    with contextlib.redirect_stdout(io.StringIO()):
        return main(["run", str(path), "--show"])


def _fit(path: Path) -> object:
    return read_fit(path, "gelu", GELU(), -4.0, 4.0)


READERS: Mapping[str, Callable[[Path], object]] = {
    "net.respike": _converted,
    "weights.safetensors": _weights,
    "mnist-cnn.json": _record,
    "net.checkpoint.safetensors": _checkpoint,
    "000000.safetensors": _kept,
    "run.json": _run,
    "images-idx3-ubyte.gz": _idx,
    "images-idx3-ubyte": _idx,
    "cifar.tar.gz": _archive,
    "image.png": _images,
    "image.jpg": _images,
    "image.webp": _images,
    "image.bmp": _images,
    "images.npz": _own_data,
    "images.npy": _own_data,
    "images.safetensors": _own_data,
    "list.csv": _own_data,
    "images.parquet": _own_data,
    "state.json": lambda path: _own_data(path.parent),
    "dataset_info.json": lambda path: _own_data(path.parent),
    "data-00000-of-00001.arrow": lambda path: _own_data(path.parent),
    "labels.txt": _labels,
    "labels.npy": _labels,
    "report.json": _report,
    "score.json": _score,
    "respike.nir.json": _graph,
    "net.nir": _nir,
    "experiment.toml": _experiment,
    "fits.json": _fit,
    "tuning.db": _study,
    "model.pt2": load,
    "model.onnx": load,
    "model.keras": load,
    "model.h5": load,
}
"""How each kind of file is read, by the name of a sound one."""


if __name__ == "__main__":
    _, first, count, *places = sys.argv
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for sound in map(Path, places):
        READERS[sound.name](sound)  # the sound file is read, so that it is the damage that is refused
        for wrong in read_damaged(sound, READERS[sound.name], range(int(first), int(first) + int(count))):
            print(f"{sound.name}: {wrong}", flush=True)
