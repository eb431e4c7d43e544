"""Damaged files of every kind that is read: refused in words, whatever the damage, with bounded memory and time.

`RESPIKE_DAMAGED=500 pytest tests/test_damaged_files.py` tries so many of each kind; `RESPIKE_DAMAGED_FIRST=500` others,
and `RESPIKE_DAMAGED_KINDS=model.onnx,list.csv` those kinds alone.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import damage
from report.samples import REPORT
from respike import SpikingNetwork, data, load, methods, metrics, score, zoo
from respike.data import idx
from respike.errors import InvalidFile, RespikeError
from respike.export import to_nir, write_nir
from respike.export.nir_graph import KEY
from respike.fitting.store import write_fit
from respike.ir import GELU
from respike.measure import Batch, Kept, Tally
from respike.neurons import FittedFewSpikes

COUNT = int(os.environ.get("RESPIKE_DAMAGED", "12"))
FIRST = int(os.environ.get("RESPIKE_DAMAGED_FIRST", "0"))
KINDS = os.environ.get("RESPIKE_DAMAGED_KINDS", ",".join(damage.READERS)).split(",")


def _model() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4))
    return nn.Sequential(*layers).eval()


def _converted(path: Path) -> None:
    network = load(_model(), torch.rand(2, 2, 8, 8))
    SpikingNetwork(network, methods.max_norm(network, torch.rand(8, 2, 8, 8), steps=5)).save(path)


def _record(path: Path) -> None:
    path.write_text(json.dumps(asdict(zoo.record("mnist-cnn"))))


def _checkpoint(path: Path) -> None:
    network = nn.Linear(40, 30)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.rand(2, 40)).sum().backward()
    optimizer.step()
    epoch = zoo.records.Epoch(1, 0.5, 0.5, 0.5, 1.0)
    zoo.checkpoint.Checkpoint(path, {"name": "linear"}).save(network, optimizer, (epoch,))


def _kept(path: Path) -> None:
    batch = Batch(0, 0, torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))
    Kept(path.parent).write(batch, Tally({"images": torch.tensor(2)}))


def _idx(path: Path) -> None:
    content = idx.build(np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28))
    if path.suffix == ".gz":
        import gzip

        content = gzip.compress(content)
    path.write_bytes(content)


def _archive(path: Path) -> None:
    member = path.with_name("test_batch.bin")
    member.write_bytes(bytes(30730))
    with tarfile.open(path, "w:gz") as tar:
        tar.add(member, member.name)


def _image(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def _study(path: Path) -> None:
    from respike import tuning

    network = damage.tiny()
    held_out = (torch.rand(8, 4) + 1, torch.arange(8) % 4)
    tuning.tune(network, torch.rand(8, 4), held_out, trials=2, longest=8, storage=path, name="tiny")


def _onnx(path: Path) -> None:
    torch.onnx.export(_model(), (torch.rand(2, 2, 8, 8),), path, dynamo=False, opset_version=17)


def _keras(path: Path) -> None:
    from frontends.keras_models import layers, sequential
    from respike.frontends.keras.original import quiet

    with quiet():
        sequential((8, 8, 2), layers.Conv2D(3, 3, activation="relu"), layers.Flatten(), layers.Dense(4)).save(path)


def _arrays() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return np.random.default_rng(0).integers(0, 255, (4, 6, 7, 3), dtype=np.uint8), np.arange(4)


def _npy(path: Path) -> None:
    images, labels = _arrays()
    np.save(path, labels if path.stem == "labels" else images)


def _tensors(path: Path) -> None:
    images, labels = _arrays()
    save_file({"images": torch.from_numpy(images), "labels": torch.from_numpy(labels)}, path)


def _encoded() -> list[bytes]:
    images, _ = _arrays()
    contents = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "png")
        contents.append(buffer.getvalue())
    return contents


def _csv(path: Path) -> None:
    for number, content in enumerate(_encoded()):
        path.with_name(f"{number}.png").write_bytes(content)
    path.write_text("file,label\n" + "".join(f"{number}.png,{number % 2}\n" for number in range(4)))


def _table() -> Any:
    import pyarrow

    return pyarrow.table({"image": [{"bytes": image, "path": None} for image in _encoded()], "label": [0, 1, 2, 1]})


def _parquet(path: Path) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(_table(), path)


def _hugging_face(path: Path) -> None:
    """The folder that `datasets` writes, around the file that is damaged."""
    import pyarrow.ipc

    path.with_name("state.json").write_text('{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}')
    features = {"label": {"names": ["cat", "dog", "emu"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    path.with_name("dataset_info.json").write_text(json.dumps({"features": features}))
    table = _table()
    with pyarrow.ipc.new_stream(str(path.with_name("data-00000-of-00001.arrow")), table.schema) as writer:
        writer.write_table(table)


def _spiking() -> SpikingNetwork:
    network = damage.tiny()
    return SpikingNetwork(network, methods.max_norm(network, torch.rand(4, 4) + 1, steps=3))


def _fit(path: Path) -> None:
    write_fit(path, "gelu", FittedFewSpikes(GELU(), (1.0, 0.5), (1.0, 0.5), (1.0, 0.5), -4.0, 4.0, 0.1))


EXPERIMENT = """command = "evaluate"
network = "mnist-cnn"
method = "fit"
input_steps = 12
refine = ["correct_biases"]
limit = 1000
force = true
json = "results.json"

[made_with]
respike = "0.2.0"
torch = "2.6.0"
"""
SOUND: dict[str, Callable[[Path], object]] = {
    "net.respike": _converted,
    "weights.safetensors": lambda path: save_file(nn.Linear(40, 30).state_dict(), path),
    "mnist-cnn.json": _record,
    "net.checkpoint.safetensors": _checkpoint,
    "000000.safetensors": _kept,
    "run.json": lambda path: path.write_text('{"network": "linear"}'),
    "images-idx3-ubyte.gz": _idx,
    "images-idx3-ubyte": _idx,
    "cifar.tar.gz": _archive,
    "image.png": _image,
    "image.jpg": _image,
    "image.webp": _image,
    "image.bmp": _image,
    "images.npz": lambda path: np.savez_compressed(path, images=_arrays()[0], labels=_arrays()[1]),
    "images.npy": _npy,
    "images.safetensors": _tensors,
    "list.csv": _csv,
    "images.parquet": _parquet,
    "state.json": _hugging_face,
    "dataset_info.json": _hugging_face,
    "data-00000-of-00001.arrow": _hugging_face,
    "labels.txt": lambda path: path.write_text("0\n1\n2\n1\n"),
    "labels.npy": _npy,
    "report.json": lambda path: path.write_text(REPORT.to_json()),
    "score.json": lambda path: path.write_text(
        score(_spiking(), torch.rand(4, 4) + 1, metrics.CosineSimilarity()).to_json()
    ),
    "respike.nir.json": lambda path: path.write_text(to_nir(_spiking(), allow_metadata=True).metadata[KEY]),
    "net.nir": lambda path: write_nir(path, _spiking(), allow_metadata=True),
    "experiment.toml": lambda path: path.write_text(EXPERIMENT),
    "fits.json": _fit,
    "tuning.db": _study,
    "model.pt2": lambda path: torch.export.save(torch.export.export(_model(), (torch.rand(2, 2, 8, 8),)), path),
    "model.onnx": _onnx,
    "model.keras": _keras,
    "model.h5": _keras,
}
PACKAGES: dict[str, str] = {
    "tuning.db": "optuna",
    "model.onnx": "onnx",
    "model.keras": "keras",
    "model.h5": "keras",
    "images.parquet": "pyarrow",
    "state.json": "pyarrow",
    "dataset_info.json": "pyarrow",
    "data-00000-of-00001.arrow": "pyarrow",
    "respike.nir.json": "nir",
    "net.nir": "nir",
    "model.pt2": "torch",
}
"""Which package a file is read with. What one package reads, one process reads, and so the files without a package."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("package", ["", *sorted(set(PACKAGES.values()))])
def test_a_damaged_file_is_refused_in_words(package: str, tmp_path: Path) -> None:
    if package and find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    paths: list[Path] = []
    for name in damage.READERS:
        if PACKAGES.get(name, "") == package and name in KINDS:
            folder = tmp_path / str(len(paths))
            folder.mkdir()
            paths.append(folder / name)
            SOUND[name](paths[-1])
    # In a process with one thread, which can have children.
    command = [sys.executable, damage.__file__, str(FIRST), str(COUNT), *map(str, paths)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "KERAS_BACKEND": "torch"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (ended.returncode, ended.stdout.strip()) == (0, ""), ended.stderr[-2000:]


@pytest.mark.parametrize("name", [name for name in damage.READERS if name.endswith((".json", ".toml"))])
def test_texts_that_are_nested_without_end_are_refused(name: str, tmp_path: Path) -> None:
    if name in PACKAGES and find_spec(PACKAGES[name]) is None:
        pytest.skip(f"{PACKAGES[name]} is not installed")
    SOUND[name](tmp_path / name)
    (tmp_path / name).write_text(("a = " if name.endswith(".toml") else "") + "[" * 100_000)
    with contextlib.suppress(RespikeError):  # the command line and the store of fits raise nothing at all
        damage.READERS[name](tmp_path / name)


def test_every_kind_has_a_sound_file() -> None:
    assert SOUND.keys() == damage.READERS.keys()


def test_arrow_does_not_follow_offsets_that_lead_out_of_a_file(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow (pip install 'respike[arrow]')")
    offsets = np.array([0, 1 << 30, 6], np.int32)
    texts = pyarrow.Array.from_buffers(
        pyarrow.binary(), 2, [None, pyarrow.py_buffer(offsets.tobytes()), pyarrow.py_buffer(b"abcdef")]
    )
    table = pyarrow.table({"image": texts, "label": [0, 1]})
    path = tmp_path / "data-00000-of-00001.arrow"
    with pyarrow.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    path.with_name("state.json").write_text(json.dumps({"_data_files": [{"filename": path.name}]}))
    with pytest.raises(InvalidFile, match=r"arrow is corrupted, truncated, or no Arrow file"):
        data.open(tmp_path)


_END = b"PK\x05\x06" + bytes(18)
_OF_TWO_DISKS = bytes(99) + b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 2) + _END


def _with_a_name_that_is_no_text() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/é", b"")
    return content.getvalue().replace("é".encode(), b"\x85\x85")


@pytest.mark.parametrize("content", [_OF_TWO_DISKS, _with_a_name_that_is_no_text()], ids=["disks", "name"])
def test_archives_that_zipfile_stumbles_over_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(content)
    with pytest.raises(InvalidFile, match=r"model\.pt2.* is damaged"):
        load(path)
