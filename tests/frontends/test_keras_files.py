"""Files that are broken, or made to do harm: refused, and nothing in them is run."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import marshal
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from frontends.keras_models import keras, layers, sequential
from respike.errors import InvalidFile, InvalidNetwork, RespikeError, UnsupportedOperator
from respike.frontends.keras.original import quiet
from respike.hdf5 import check_heaps
from respike.load import load

L: Any = layers


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one network as `.keras` and `.h5`."""
    folder = tmp_path_factory.mktemp("keras")
    with quiet():
        model = sequential((6, 6, 2), L.Conv2D(3, 3, activation="relu"), L.Flatten(), L.Dense(2))
        model.save(folder / "model.keras")
        model.save(folder / "model.h5")
    return folder


def rezipped(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of a `.keras` file with its parts changed."""
    with zipfile.ZipFile(source) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    change(parts)
    with zipfile.ZipFile(target, "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)
    return target


def configured(change: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    """A change of the configuration."""

    def edit(parts: dict[str, bytes]) -> None:
        config = json.loads(parts["config.json"])
        change(config)
        parts["config.json"] = json.dumps(config).encode()

    return edit


def live_code(marker: Path) -> dict[str, Any]:
    """The configuration of a Lambda layer whose code creates a file."""
    code = eval(f"lambda x: open({str(marker)!r}, 'w') and x").__code__
    text = base64.b64encode(marshal.dumps(code)).decode()
    function = {"class_name": "__lambda__", "config": {"code": text, "defaults": None, "closure": None}}
    options = {"name": "code", "trainable": True, "dtype": "float32", "function": function}
    return {"module": "keras.layers", "class_name": "Lambda", "config": options, "registered_name": None}


def insert(layer: dict[str, Any]) -> Callable[[Any], None]:
    """A layer in front of the last one."""
    return lambda config: config["config"]["layers"].insert(-1, layer)


def option(key: str, value: Any) -> Callable[[Any], None]:
    """An option of the convolution."""

    def edit(config: Any) -> None:
        config["config"]["layers"][1]["config"][key] = value

    return edit


def crafted(marker: Path) -> dict[str, tuple[Callable[[Any], None], str]]:
    """Ways to hide code in a configuration, and why each is refused."""
    touch = {"module": "pathlib", "class_name": "Path.touch", "config": {"self": str(marker)}, "registered_name": None}
    function = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
    path = {"module": "keras.layers", "class_name": "StringLookup", "registered_name": None}
    dense = {**path, "class_name": "Dense", "config": {"name": "x"}}
    return {
        "lambda": (insert(live_code(marker)), "holds Python code"),
        "module": (insert({**touch, "config": {"name": "x"}}), "somebody's own"),
        "named as ours": (insert({**touch, "class_name": "Dense", "config": {"name": "x"}}), "somebody's own"),
        "registered": (insert({**dense, "registered_name": "A>B"}), "somebody's own"),
        "file reader": (insert({**path, "config": {"name": "x", "vocabulary": "/etc/passwd"}}), "before the network"),
        "wrapper": (insert({**dense, "class_name": "Bidirectional"}), "wraps another layer"),
        "activation object": (option("activation", touch), "plain values only"),
        "activation function": (option("activation", function), "plain values only"),
        "lambda activation": (option("activation", live_code(marker)["config"]["function"]), "plain values only"),
        "unknown activation": (option("activation", "os.system"), "'os.system' is not supported"),
        "policy": (option("dtype", {**touch, "class_name": "DTypePolicyMap"}), "plain values only"),
        "extra object": (option("extra", touch), "plain values only"),
    }


@pytest.mark.parametrize("kind", crafted(Path()))
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_configuration_is_refused_and_not_run(kind: str, suffix: str, sound: Path, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / f"model{suffix}"
    change, reason = crafted(marker)[kind]
    if suffix == ".keras":
        rezipped(sound / "model.keras", path, configured(change))
    else:
        path.write_bytes((sound / "model.h5").read_bytes())
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config)
            file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(UnsupportedOperator, match=reason):
        load(path)
    assert not marker.exists()


def test_the_code_in_the_tests_is_live(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with quiet():
        layer = keras.saving.deserialize_keras_object(live_code(marker), safe_mode=False)
        layer.function(1.0)
    assert marker.exists()


@pytest.mark.parametrize("key", ["kernel_initializer", "bias_regularizer", "kernel_constraint"])
def test_what_serves_training_is_never_looked_at(key: str, sound: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    change = option(key, {"module": "pathlib", "class_name": "Path", "config": {"touch": str(marker)}})
    load(rezipped(sound / "model.keras", tmp_path / "model.keras", configured(change)))
    assert not marker.exists()


def test_zip_bombs_are_refused_before_they_unfold(sound: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.weights.h5", "metadata.json"):
        path = tmp_path / "bomb.keras"
        with zipfile.ZipFile(sound / "model.keras") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for part in old.namelist():
                new.writestr(part, bytes(30_000_000) if part == name else old.read(part))
        with pytest.raises(InvalidFile, match=f"{name} would unpack"):
            load(path)


def test_an_archive_that_lies_about_sizes_is_refused(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "liar.keras"
    with zipfile.ZipFile(sound / "model.keras") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            new.writestr(part, bytes(30_000_000) if part == "config.json" else old.read(part))
    content = path.read_bytes()
    path.write_bytes(content.replace((30_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    with pytest.raises(InvalidFile, match=r"config\.json|damaged"):
        load(path)


@pytest.mark.parametrize("name", ["../outside", "/absolute", "assets/../../outside", "code.py", "model.weights.npz"])
def test_archives_hold_nothing_else(name: str, sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    path = rezipped(sound / "model.keras", folder / "model.keras", lambda parts: parts.update({name: b"x"}))
    with pytest.raises(InvalidFile, match="more than Keras writes"):
        load(path)
    assert [p.name for p in tmp_path.rglob("*")] == ["inside", "model.keras"]


def test_two_files_of_one_name_are_refused(sound: Path, tmp_path: Path) -> None:
    path = rezipped(sound / "model.keras", tmp_path / "model.keras", lambda parts: None)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(InvalidFile, match="two files of one name"):
        load(path)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_files_are_refused(suffix: str, keep: float, sound: Path, tmp_path: Path) -> None:
    content = (sound / f"model{suffix}").read_bytes()
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(InvalidFile):
        load(path)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_damage_anywhere_gives_no_errors_but_ours(suffix: str, sound: Path, tmp_path: Path) -> None:
    content = (sound / f"model{suffix}").read_bytes()
    random = np.random.default_rng(0)
    for _ in range(40):
        broken = bytearray(content)
        for place in random.integers(0, len(content), 8):
            broken[place] ^= int(random.integers(1, 256))
        path = tmp_path / f"model{suffix}"
        path.write_bytes(bytes(broken))
        with contextlib.suppress(RespikeError):  # the damage may lie where nobody reads, or be another weight's value
            load(path)


def weights_file(parts: dict[str, bytes], change: Callable[[h5py.File], None]) -> None:
    """A change of the weights."""
    stream = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(stream, "r+") as file:
        change(file)
    parts["model.weights.h5"] = stream.getvalue()


KERNEL = "layers/dense/vars/0"


def links(elsewhere: Path) -> dict[str, tuple[Callable[[h5py.File], None], str]]:
    """Weights that are not in the file, or not as large as they say."""

    def replaced(make: Callable[[h5py.File], None]) -> Callable[[h5py.File], None]:
        def change(file: h5py.File) -> None:
            del file[KERNEL]
            make(file)

        return change

    def external(file: h5py.File) -> None:
        file[KERNEL] = h5py.ExternalLink(str(elsewhere), "kernel")

    def soft(file: h5py.File) -> None:
        file[KERNEL] = h5py.SoftLink("/layers/conv2d/vars/0")

    def raw(file: h5py.File) -> None:
        file.create_dataset(KERNEL, (48, 2), "f4", external=[(str(elsewhere), 0, 48 * 2 * 4)])

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((48, 2), "f4")
        layout[:] = h5py.VirtualSource(str(elsewhere), "kernel", (48, 2))
        file.create_virtual_dataset(KERNEL, layout)

    def compressed(file: h5py.File) -> None:
        file.create_dataset(KERNEL, data=np.zeros((48, 2), np.float32), compression="gzip")

    def endless(file: h5py.File) -> None:
        file.create_dataset(KERNEL, (2**20, 2**20), "f4", chunks=(1024, 1024))

    def other_shape(file: h5py.File) -> None:
        file[KERNEL] = np.ones((5, 2), np.float32)

    def text(file: h5py.File) -> None:
        file[KERNEL] = np.full((48, 2), b"code")

    def nothing(file: h5py.File) -> None:
        file.create_group(KERNEL)

    makers: dict[str, tuple[Callable[[h5py.File], None], str]] = {
        "external link": (external, "does not follow"),
        "soft link": (soft, "does not follow"),
        "raw data elsewhere": (raw, "kept in another file"),
        "virtual": (virtual, "kept in another file"),
        "compressed": (compressed, "compressed"),
        "endless": (endless, "bytes"),
        "other shape": (other_shape, r"dense"),
        "text": (text, "bytes of numbers"),
        "group": (nothing, "no array"),
        "missing": (lambda file: None, "no weights of"),
    }
    return {name: (replaced(make), reason) for name, (make, reason) in makers.items()}


@pytest.mark.parametrize("kind", links(Path()))
def test_weights_lie_in_the_file(kind: str, sound: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.h5"
    with h5py.File(elsewhere, "w") as file:
        file["kernel"] = np.ones((48, 2), np.float32)
    change, reason = links(elsewhere)[kind]
    path = rezipped(sound / "model.keras", tmp_path / "model.keras", lambda parts: weights_file(parts, change))
    with pytest.raises((InvalidFile, InvalidNetwork), match=reason):
        load(path)


def test_h5_weights_elsewhere_are_refused(sound: Path, tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "model.h5", tmp_path / "elsewhere.h5"
    path.write_bytes((sound / "model.h5").read_bytes())
    elsewhere.write_bytes(path.read_bytes())
    with h5py.File(path, "r+") as file:
        del file["model_weights"]
        file["model_weights"] = h5py.ExternalLink(str(elsewhere), "model_weights")
    with pytest.raises(InvalidFile, match="of its own"):
        load(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c["config"].pop("layers"), "not one that Keras writes"),
        (lambda c: c["config"].update(layers=[]), "without layers"),
        (lambda c: c["config"]["layers"].append(c["config"]["layers"][-1]), "two layers have one name"),
        (lambda c: c.update(class_name="MyModel"), "MyModel"),
        (lambda c: c["config"]["layers"][1]["config"].update(strides=0), "each must be 1 or more"),
        (lambda c: c["config"]["layers"][1]["config"].update(strides="x"), "make no sense"),
        (lambda c: c["config"]["layers"][0]["config"].update(batch_shape=[None, -3, 6, 2]), "."),
        (lambda c: c["config"]["layers"][0]["config"].update(batch_shape=7), "."),
        (lambda c: c["config"]["layers"][0]["config"].update(batch_shape=[None, 10**6, 10**6, 2]), "values a sample"),
        (lambda c: c["config"]["layers"][1].update(config=None), "not one that Keras writes"),
    ],
)
def test_configurations_that_make_no_sense(
    change: Callable[[Any], None], reason: str, sound: Path, tmp_path: Path
) -> None:
    path = rezipped(sound / "model.keras", tmp_path / "model.keras", configured(change))
    with pytest.raises(RespikeError, match=reason):
        load(path)


def test_a_configuration_nested_without_end_is_refused(sound: Path, tmp_path: Path) -> None:
    deep = b'{"class_name": "Sequential", "config": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    path = rezipped(sound / "model.keras", tmp_path / "model.keras", lambda parts: parts.update({"config.json": deep}))
    with pytest.raises(InvalidFile, match="damaged"):
        load(path)


def test_files_of_weights_alone_and_missing_files(sound: Path, tmp_path: Path) -> None:
    with quiet():
        sequential((3,), L.Dense(2)).save_weights(tmp_path / "only.weights.h5")
    with pytest.raises(InvalidFile, match="without the network"):
        load(tmp_path / "only.weights.h5")
    for name in ("missing.keras", "missing.h5"):
        with pytest.raises(InvalidFile, match="no file"):
            load(tmp_path / name)


def _heap(*objects: tuple[int, int], size: int = 4096) -> bytes:
    """A global heap of objects: their numbers, and the sizes that they claim."""
    body = b"".join(
        struct.pack("<HHIQ", number, 0, 0, claimed)
        + (bytes(-(-claimed // 8) * 8) if number and claimed < size else b"")
        for number, claimed in objects
    )
    return (b"before" + b"GCOL\x01\0\0\0" + struct.pack("<Q", size) + body).ljust(6 + size, b"\0")


def test_heaps_that_are_sound_are_read() -> None:
    check_heaps(_heap((1, 6), (2, 2119), (0, 4096 - 16 - 24 - 16 - 2120)))
    check_heaps(b"no heap at all")


@pytest.mark.parametrize("objects", [((0, 0),), ((1, 6), (0, 0)), ((1, 2**63),), ((1, 2**64 - 8),), ((0, 5000),)])
def test_heaps_over_which_the_library_would_run_forever_are_refused(objects: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(InvalidFile, match="damaged: a text or list at byte"):
        check_heaps(_heap(*objects))


def test_a_file_with_a_heap_of_nothing_is_refused_at_once(tmp_path: Path) -> None:
    """Found among 500 damaged files: the HDF5 library read it without end."""
    path = tmp_path / "model.h5"
    with quiet():
        sequential((4,), L.Dense(3)).save(path)
    content = bytearray(path.read_bytes())
    first = content.index(b"GCOL") + 16
    content[first : first + 16] = struct.pack("<HHIQ", 0, 0, 0, 0)
    path.write_bytes(bytes(content))
    with pytest.raises(InvalidFile, match="damaged: a text or list"):
        load(path)
