"""Own data: every reader gives the images and labels that were written, and what is refused says what to do."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from respike import data
from respike.data import Dataset, Layout, Preparation, idx
from respike.errors import Argument, InvalidData, InvalidFile, InvalidOption, RespikeError

_CLASSES = ("cat", "dog", "emu")
_RANDOM = np.random.default_rng(3)
_PIXELS = _RANDOM.integers(0, 256, (9, 6, 7, 3), np.uint8)
"""Nine images of 6 x 7 pixels in colours, three of each class, in the order of the classes."""
_LABELS = np.repeat(np.arange(3), 3)
_GREY = _PIXELS[..., 0]


def _png(image: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    return buffer.getvalue()


def _class_folder(folder: Path) -> Path:
    for number, (image, label) in enumerate(zip(_PIXELS, _LABELS, strict=True)):
        place = folder / _CLASSES[label]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.png").write_bytes(_png(image))
    return folder


def _npz(folder: Path) -> Path:
    np.savez(folder / "own.npz", images=_PIXELS, labels=_LABELS)
    return folder / "own.npz"


def _npy(folder: Path) -> Path:
    np.save(folder / "x_test.npy", _PIXELS)
    np.save(folder / "y_test.npy", _LABELS[:, None])
    return folder / "x_test.npy"


def _safetensors(folder: Path) -> Path:
    save_file({"data": torch.from_numpy(_PIXELS), "targets": torch.eye(3)[_LABELS]}, folder / "own.safetensors")
    return folder / "own.safetensors"


def _idx(folder: Path) -> Path:
    (folder / "t10k-images-idx4-ubyte").write_bytes(idx.build(_PIXELS))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx.build(_LABELS.astype(np.uint8)))
    return folder


def _files(folder: Path) -> list[str]:
    _class_folder(folder / "images")
    return [f"images/{_CLASSES[label]}/{number}.png" for number, label in enumerate(_LABELS)]


def _csv(folder: Path) -> Path:
    rows = [f"{file};{_CLASSES[label]}" for file, label in zip(_files(folder), _LABELS, strict=True)]
    (folder / "own.csv").write_text("\n".join(["file;label", *rows]))
    return folder / "own.csv"


def _csv_without_names(folder: Path) -> Path:
    rows = [f"{file},{label}" for file, label in zip(_files(folder), _LABELS, strict=True)]
    (folder / "own.csv").write_text("\n".join(rows))
    return folder / "own.csv"


def _table() -> Any:
    images = [{"bytes": _png(image), "path": None} for image in _PIXELS]
    return pyarrow.table({"image": images, "label": _LABELS.tolist()})


_FEATURES = {"image": {"_type": "Image"}, "label": {"names": list(_CLASSES), "_type": "ClassLabel"}}


def _parquet(folder: Path) -> Path:
    """As Hugging Face's hub keeps them: the features stand in the metadata of the schema."""
    described = json.dumps({"info": {"features": _FEATURES}}).encode()
    table = _table().replace_schema_metadata({b"huggingface": described})
    (folder / "data").mkdir()
    pyarrow.parquet.write_table(table, folder / "data" / "test-00000-of-00001.parquet")
    return folder


def _hugging_face(folder: Path) -> Path:
    """The files that `datasets.DatasetDict.save_to_disk` writes."""
    place = folder / "test"
    place.mkdir()
    (folder / "dataset_dict.json").write_text('{"splits": ["test"]}')
    (place / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    (place / "dataset_info.json").write_text(json.dumps({"features": _FEATURES}))
    table = _table()
    with pyarrow.ipc.new_stream(str(place / "data-00000-of-00001.arrow"), table.schema) as writer:
        writer.write_table(table)
    return folder


_WRITERS: dict[str, tuple[Callable[[Path], Path], bool]] = {
    "class folder": (_class_folder, True),
    "npz": (_npz, False),
    "npy": (_npy, False),
    "safetensors": (_safetensors, False),
    "IDX": (_idx, False),
    "CSV": (_csv, True),
    "CSV without names": (_csv_without_names, False),
    "Parquet": (_parquet, True),
    "Hugging Face": (_hugging_face, True),
}
"""Writes the nine images, and whether the names of the classes are written too."""


def _expected() -> Tensor:
    return torch.from_numpy(_PIXELS).movedim(-1, 1).float() / 255


@pytest.mark.parametrize("kind", _WRITERS)
def test_what_was_written_is_read(kind: str, tmp_path: Path) -> None:
    write, named = _WRITERS[kind]
    opened = data.open(write(tmp_path))
    assert torch.equal(opened.images, _expected())
    assert opened.labels.tolist() == _LABELS.tolist()
    assert opened.classes == (_CLASSES if named else ("0", "1", "2"))
    assert (len(opened), opened.labelled, opened.split) == (9, True, "test")
    assert "9 images in 3 classes" in str(data.summary(opened))


def test_every_reader_has_a_writer_in_these_tests() -> None:
    from respike.data import readers

    elsewhere = (readers.event_files, readers.gestures, readers.mask_folder)  # test_data_events and test_data_masks
    images = [reader for reader in readers.ALL if reader not in [one.READER for one in elsewhere]]
    for reader in images:
        assert any(kind.startswith(reader.name) or reader.name == f"{kind}s" for kind in _WRITERS), reader.name


class _Numbered(torch.utils.data.Dataset[Any]):
    """A data set of PIL images, as torchvision's are without a transform."""

    def __len__(self) -> int:
        return len(_PIXELS)

    def __getitem__(self, number: int) -> Any:
        if number >= len(self):
            raise IndexError(number)
        return Image.fromarray(_PIXELS[number]), int(_LABELS[number])


class _WithTargets(_Numbered):
    targets = _LABELS.tolist()


def _objects() -> dict[str, Any]:
    images, labels = torch.from_numpy(_PIXELS).movedim(-1, 1), torch.from_numpy(_LABELS)
    return {
        "two tensors": (images, labels),
        "two arrays": (_PIXELS, _LABELS),
        "torch Dataset": TensorDataset(images.float() / 255, labels),
        "samples of PIL": _Numbered(),
        "samples with targets": _WithTargets(),
        "DataLoader": DataLoader(TensorDataset(images, labels), batch_size=4),
        "batches": [(images[:5], labels[:5]), (images[5:], labels[5:])],
    }


@pytest.mark.parametrize("kind", _objects())
def test_objects_are_read_like_files(kind: str) -> None:
    opened = data.open(_objects()[kind])
    assert torch.equal(opened.images, _expected())
    assert opened.labels.tolist() == _LABELS.tolist()
    assert [len(images) for images, _ in opened.batches(4)] == [4, 4, 1]


def test_what_has_no_labels_is_unlabelled(tmp_path: Path) -> None:
    alone = data.open(_class_folder(tmp_path) / "cat")
    assert (len(alone), alone.labelled) == (3, False)
    assert "3 images without labels" in str(data.summary(alone))
    assert not data.open(torch.from_numpy(_PIXELS)).labelled
    np.save(tmp_path / "one.npy", _PIXELS)
    assert not data.open(tmp_path / "one.npy").labelled
    (tmp_path / "labels.txt").write_text("\n".join(map(str, _LABELS)))
    assert data.open(tmp_path / "one.npy", labels=tmp_path / "labels.txt").labels.tolist() == _LABELS.tolist()


# Parts


def test_parts_are_told_apart_and_calibration_is_the_first_of_each_class(tmp_path: Path) -> None:
    _class_folder(tmp_path / "train")
    _class_folder(tmp_path / "val" / "..")
    for place in ("cat", "dog", "emu"):
        (tmp_path / "val" / place).mkdir(parents=True)
        (tmp_path / place).rename(tmp_path / "val" / place)
    test, calibration = data.open(tmp_path), data.open(tmp_path, "calibration", calibration=6)
    assert (len(test), test.split) == (9, "test")
    assert calibration.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert torch.equal(calibration.images, _expected()[[0, 1, 3, 4, 6, 7]])


def test_arrays_of_both_parts_in_one_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=_GREY[:6], y_train=_LABELS[:6], x_test=_GREY[6:], y_test=_LABELS[6:])
    assert len(data.open(tmp_path / "a.npz")) == 3
    assert torch.equal(data.open(tmp_path / "a.npz", "train").images, torch.from_numpy(_GREY[:6, None]).float() / 255)


@given(st.integers(1, 8))
def test_images_set_aside_are_not_measured(count: int) -> None:
    whole = torch.from_numpy(_GREY), torch.from_numpy(_LABELS)
    if count > 2 * 3:
        count = 6
    test, aside = (data.open(whole, split, calibration=count) for split in ("test", "calibration"))
    both = torch.cat([test.images, aside.images])
    assert len(both) == 9
    assert {image.numpy().tobytes() for image in both} == {
        image.tobytes() for image in (_GREY[:, None] / np.float32(255))
    }


@pytest.mark.parametrize("kind", [_npz, _idx])
def test_without_a_training_part_calibration_says_how_to_get_one(kind: Callable[[Path], Path], tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="how many of these to set aside") as refused:
        data.open(kind(tmp_path), "calibration")
    fix = next(part for part in refused.value.args if isinstance(part, Argument))
    assert fix.name == "calibration"
    assert len(data.open(kind(tmp_path), "calibration", calibration=3)) == 3


# Preparation


def test_bytes_become_exactly_the_usual_numbers() -> None:
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(Preparation().values(every), every.float() / 255)
    assert torch.equal(Preparation(range=(0, 255)).values(every), every.float())
    signed = Preparation(range=(-1, 1)).values(every)
    assert (float(signed.min()), float(signed.max())) == (-1.0, 1.0)
    normalised = Preparation(mean=(0.5,), std=(0.25,)).values(every)
    torch.testing.assert_close(normalised, (every.float() / 255 - 0.5) / 0.25)


def test_mean_and_std_are_of_channels(tmp_path: Path) -> None:
    mean, std = (0.1, 0.2, 0.3), (0.5, 1.0, 2.0)
    opened = data.open(_class_folder(tmp_path), preparation=Preparation(mean=mean, std=std))
    wanted = (_expected() - torch.tensor(mean).reshape(3, 1, 1)) / torch.tensor(std).reshape(3, 1, 1)
    torch.testing.assert_close(opened.images, wanted)
    with pytest.raises(InvalidOption, match="2 numbers and the images have 3 channels"):
        data.open(tmp_path, preparation=Preparation(mean=(0.1, 0.2))).images.sum()


@pytest.mark.parametrize(
    ("size", "shape"), [(4, (4, 4)), ("4", (4, 4)), ("6/4", (4, 4)), ("3x5", (3, 5)), ((3, 5), (3, 5)), ("6x7", (6, 7))]
)
def test_sizes(size: Any, shape: tuple[int, int], tmp_path: Path) -> None:
    opened = data.open(_class_folder(tmp_path), preparation=Preparation(size=size))
    assert tuple(opened.images.shape) == (9, 3, *shape)
    if size == "6/4":  # nothing is resized: 6 pixels are the shorter side
        assert torch.equal(opened.images, _expected()[:, :, 1:5, 2:6])


def test_a_function_of_ones_own_gets_pil_images_or_tensors(tmp_path: Path) -> None:
    def brightness(image: Any) -> Tensor:
        return torch.as_tensor(np.asarray(image, np.float32)).mean().reshape(1)

    prepared = Preparation(preprocess=brightness)
    wanted = torch.from_numpy(_PIXELS.reshape(9, -1).astype(np.float32)).mean(1, keepdim=True)
    torch.testing.assert_close(data.open(_class_folder(tmp_path), preparation=prepared).images, wanted)
    torch.testing.assert_close(data.open((_PIXELS, _LABELS), preparation=prepared).images, wanted)


def test_grey_files_have_one_channel(tmp_path: Path) -> None:
    for number, image in enumerate(_GREY):
        (tmp_path / f"{number}.png").write_bytes(_png(image))
    assert torch.equal(data.open(tmp_path).images, torch.from_numpy(_GREY[:, None]).float() / 255)
    assert data.open(tmp_path, preparation=Preparation(channels=3)).images.shape == (9, 3, 6, 7)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"size": "0"}, "no image of 0"),
        ({"size": "4/9"}, "cut out"),
        ({"size": "large"}, "HEIGHTxWIDTH"),
        ({"range": (1.0, 0.0)}, "must rise"),
        ({"std": (0.0,)}, "positive"),
        ({"channels": 2}, "1 or 3"),
        ({"preprocess": str, "size": 4}, "leave size"),
    ],
)
def test_impossible_preparations_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidOption, match=told):
        Preparation(**options)


# To the network


@given(st.sampled_from([(3, 6, 7), (6, 7, 3)]))
def test_channels_stand_where_the_network_wants_them(shape: tuple[int, ...]) -> None:
    fitted = data.fitted(data.open((_PIXELS, _LABELS)), shape, 3)
    images = torch.from_numpy(_PIXELS).float() / 255
    assert torch.equal(fitted.images, images if shape[-1] == 3 else images.movedim(-1, 1))


def test_grey_images_become_rows_for_perceptrons() -> None:
    fitted = data.fitted(data.open((_GREY, _LABELS)), (42,), 5)
    assert torch.equal(fitted.images, torch.from_numpy(_GREY.reshape(9, -1)).float() / 255)
    assert fitted.classes == ("0", "1", "2", "3", "4")
    assert "reshaped" in fitted.notes[-1]


def _advice(error: RespikeError, value: Any = None) -> dict[str, Any]:
    """The argument that an error advises, with the value that it gives, or with this one."""
    fix = next(part for part in error.args if isinstance(part, Argument))
    return {fix.name: fix.value if value is None else value}


def test_another_size_is_refused_with_the_size_that_is_taken(tmp_path: Path) -> None:
    opened = data.open(_class_folder(tmp_path))
    with pytest.raises(InvalidData, match=r"gives images of shape \[3, 6, 7\] and the network takes \[3, 8, 9\]") as no:
        data.fitted(opened, (3, 8, 9), 3)
    again = data.open(tmp_path, preparation=Preparation(**_advice(no.value)))
    assert data.fitted(again, (3, 8, 9), 3).images.shape == (9, 3, 8, 9)
    with pytest.raises(InvalidData, match="channels") as no:
        data.fitted(opened, (1, 6, 7), 3)
    again = data.open(tmp_path, preparation=Preparation(**_advice(no.value)))
    assert data.fitted(again, (1, 6, 7), 3).images.shape == (9, 1, 6, 7)


def test_labels_that_do_not_start_at_zero_are_refused_with_the_first_label() -> None:
    with pytest.raises(InvalidData, match="labels run from 1 to 3") as no:
        data.fitted(data.open((_GREY, _LABELS + 1)), (1, 6, 7), 3)
    assert data.open((_GREY, _LABELS + 1), **_advice(no.value)).labels.tolist() == _LABELS.tolist()
    with pytest.raises(InvalidData, match="labels up to 7, and the network has only 3"):
        data.fitted(data.open((_GREY, _LABELS + 5)), (1, 6, 7), 3)
    with pytest.raises(InvalidData, match="run from -1 to 1") as no:
        data.open((_GREY, _LABELS - 1))
    assert _advice(no.value) == {"first_label": -1}


def test_another_number_of_classes_wants_their_order(tmp_path: Path) -> None:
    opened = data.open(_class_folder(tmp_path))
    with pytest.raises(InvalidData, match=r"3 classes \(cat, dog, emu") as no:
        data.fitted(opened, (3, 6, 7), 5)
    order = ("bee", "emu", "cat", "ant", "dog")
    again = data.open(tmp_path, **_advice(no.value, order))
    assert data.fitted(again, (3, 6, 7), 5).labels.tolist() == [2] * 3 + [4] * 3 + [1] * 3
    with pytest.raises(InvalidData, match="class 'dog', which is none of the 2 classes"):
        data.open(tmp_path, classes=("cat", "emu"))


def test_another_range_is_noticed_where_it_matters() -> None:
    random = torch.Generator().manual_seed(0)
    images = torch.rand(64, 3, 4, 4, generator=random)
    dark = (images.mean((1, 2, 3)) < 0.5).long()

    def network(batch: Tensor) -> Tensor:
        return torch.stack([batch.mean((1, 2, 3)), torch.full((len(batch),), 127.5)], dim=1)

    told = data.other_range(network, data.open((images, dark)))
    assert "with values from 0 to 255" in told
    assert not data.other_range(network, data.open((images * 255, dark)))
    assert not data.other_range(network, data.open(images))


def test_exchanged_colours_are_noticed() -> None:
    images = torch.rand(64, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    red = (images[:, 0].mean((1, 2)) > images[:, 2].mean((1, 2))).long()

    def network(batch: Tensor) -> Tensor:
        return torch.stack([batch[:, 0].mean((1, 2)), batch[:, 2].mean((1, 2))], dim=1)

    assert "blue, green and red" in data.other_range(network, data.open((images, red)))


# Bad input


def test_a_broken_image_is_named_and_can_be_left_out(tmp_path: Path) -> None:
    broken = _class_folder(tmp_path) / "dog" / "4.png"
    broken.write_bytes(broken.read_bytes()[:-60])
    with pytest.raises(InvalidFile, match=r"dog/4\.png") as no:
        data.open(tmp_path).images.sum()
    rest = data.open(tmp_path, **_advice(no.value))
    assert rest.labels.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert "left out 1 broken image:" in str(data.summary(rest))
    broken.write_bytes(b"no image")
    with pytest.raises(InvalidFile, match=r"dog/4\.png"):
        data.open(tmp_path)


def test_images_of_several_sizes_need_one(tmp_path: Path) -> None:
    odd = _class_folder(tmp_path) / "emu" / "8.png"
    odd.write_bytes(_png(_PIXELS[8][:5]))
    with pytest.raises(InvalidData, match="2 sizes") as no:
        data.open(tmp_path)
    assert data.open(tmp_path, preparation=Preparation(**_advice(no.value, 6))).images.shape[2:] == (6, 6)


def test_mixed_layouts_are_refused(tmp_path: Path) -> None:
    _class_folder(tmp_path / "one")
    (tmp_path / "one" / "loose.png").write_bytes(_png(_PIXELS[0]))
    with pytest.raises(InvalidData, match="mixes two layouts: class folders"):
        data.open(tmp_path / "one")
    _class_folder(tmp_path / "two")
    _class_folder(tmp_path / "two" / "train")
    with pytest.raises(InvalidData, match="mixes two layouts: parts"):
        data.open(tmp_path / "two")
    images = [(torch.zeros(3, 6, 7), 0), (torch.zeros(6, 7, 3), 1)]
    with pytest.raises(InvalidData, match=r"image 1 has the shape \[6, 7, 3\] and image 0 \[3, 6, 7\]"):
        data.open(images)


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _broken_header() -> bytes:
    """An array whose header has a bracket too few: numpy gives it to Python's own parser."""
    stream = io.BytesIO()
    np.save(stream, _PIXELS)
    return stream.getvalue().replace(b"}", b"{")


def _zipped(array: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("images.npy", array)
    return stream.getvalue()


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    whole = _npz(tmp_path).read_bytes()
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    cases: list[tuple[Path, type[RespikeError], str]] = [
        (tmp_path / "none", InvalidFile, "no file or folder"),
        (_write(tmp_path / "cut.npz", whole[:100]), InvalidFile, r"cut\.npz"),
        (_write(tmp_path / "p.npy", pickled.getvalue()), InvalidFile, "pickled"),
        (_write(tmp_path / "header.npy", _broken_header()), InvalidFile, r"header\.npy is corrupted"),
        (_write(tmp_path / "header.npz", _zipped(_broken_header())), InvalidFile, "array images of .* cannot be read"),
        (_write(tmp_path / "a.parquet", b"PAR1"), InvalidFile, r"a\.parquet"),
        (_write(tmp_path / "a.safetensors", b"12345678"), InvalidFile, r"a\.safetensors"),
        (_write(tmp_path / "a.csv", b"file,label\na.png"), InvalidData, "row 2 .* has 1 columns"),
        (_write(tmp_path / "b.csv", b"a.png,3"), InvalidFile, r"no file .*a\.png"),
        (_write(tmp_path / "c.csv", b"\xff\xfe"), InvalidFile, "UTF-8"),
        (_write(tmp_path / "d.csv", "file,label\na.png,²\nb.png,--5\n".encode()), InvalidFile, r"no file .*a\.png"),
        (_write(tmp_path / "e.csv", b"file,label\na.png," + b"9" * 5000), InvalidFile, r"no file .*a\.png"),
        (_write(tmp_path / "notes.txt", b"hello"), InvalidData, "no data that respike reads"),
    ]
    for path, kind, told in cases:
        with pytest.raises(kind, match=told):
            data.open(path)
    np.savez(tmp_path / "named.npz", first=_PIXELS, second=_LABELS)
    with pytest.raises(InvalidData, match="first, second"):
        data.open(tmp_path / "named.npz")
    with pytest.raises(InvalidData, match="8 labels for 9 images"):
        data.open((_PIXELS, _LABELS[:8]))
    with pytest.raises(InvalidData, match="labels must be whole numbers"):
        data.open((_PIXELS, np.linspace(0, 1, 9)))
    with pytest.raises(InvalidData, match="have no layout 'hw'"):
        data.open((_PIXELS, _LABELS), preparation=Preparation(layout=Layout.NO_CHANNELS))
    with pytest.raises(InvalidFile, match=r"long\.txt must hold labels"):
        data.open(_PIXELS, labels=_write(tmp_path / "long.txt", b"9" * 30))
    for large in (10**6, 2**62):
        with pytest.raises(InvalidData, match=rf"labels up to {large:,}, and no network tells more than 1,000,000"):
            data.open((_PIXELS, np.where(_LABELS == 2, large, _LABELS)))
    assert len(data.open((_PIXELS, np.where(_LABELS == 2, 10**6 - 1, _LABELS))).classes) == 10**6
    with pytest.raises(InvalidOption, match="a part of data"):
        data.open((_PIXELS, _LABELS), "dev")


def test_a_data_set_can_be_picked_from_without_decoding(tmp_path: Path) -> None:
    opened = data.open(_class_folder(tmp_path), calibration=3)
    assert isinstance(opened, Dataset)
    assert opened.take(2).images.shape == (2, 3, 6, 7)
    assert opened.last(1).labels.tolist() == [2]
