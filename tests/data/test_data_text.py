"""Texts as windows of one-hot characters: nothing of the text is lost, and what follows is what follows."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from respike import data
from respike.data import Split
from respike.data.catalogue import Member, find
from respike.data.loading import read
from respike.data.text import ALPHABET, WINDOW, plain, split_jargon, windows
from respike.errors import InvalidFile


@given(st.text(max_size=200))
def test_plain_text_has_the_alphabet_alone_and_stays_what_it_is(text: str) -> None:
    once = plain(text)
    assert set(once) <= set(ALPHABET)
    assert "  " not in once
    assert plain(once) == once
    assert plain("“The\n\tJargon’s — File”") == '"the jargon\'s - file"'


@given(st.text(st.sampled_from(ALPHABET), min_size=WINDOW + 1, max_size=5 * WINDOW))
def test_windows_spell_the_text_and_labels_are_one_ahead(text: str) -> None:
    images, labels = windows([text.encode()], ["a text"])
    assert images.shape == (len(images), 1, WINDOW, len(ALPHABET))
    assert np.array_equal(np.unique(images), [0, 255])
    assert (images.astype(int).sum(-1) == 255).all()
    shown = "".join(ALPHABET[n] for n in images.argmax(-1).flatten())
    following = "".join(ALPHABET[n] for n in labels.flatten())
    count = len(images) * WINDOW
    assert (shown, following) == (text[:count], text[1 : count + 1])
    assert 0 < len(text) - count <= WINDOW


def test_a_package_becomes_the_files_of_the_data_set(tmp_path: Path) -> None:
    text = "".join(f"{number} times “Foo” and\n   Bar.\n" for number in range(400))
    (tmp_path / "usr" / "share").mkdir(parents=True)
    (tmp_path / "usr" / "share" / "jargon.txt.gz").write_bytes(gzip.compress(text.encode()))
    split_jargon(tmp_path)
    contents = [(tmp_path / f"jargon-{part}.txt").read_bytes() for part in ("train", "test")]
    assert b"".join(contents).decode() == plain(text)
    assert len(contents[1]) == len(plain(text)) // 10

    members = {
        split: (Member(f"jargon-{split}.txt", hashlib.md5(content, usedforsecurity=False).hexdigest()),)
        for split, content in zip((Split.TRAIN, Split.TEST), contents, strict=True)
    }
    spec = replace(find("jargon"), members=members)
    test = read(spec, Split.TEST, tmp_path)
    assert test.targets
    assert test.labels.shape == (len(test), WINDOW)
    assert test.images.shape == (len(test), 1, WINDOW, len(ALPHABET))
    calibration = read(spec, Split.CALIBRATION, tmp_path)
    train = {image.tobytes() for image in read(spec, Split.TRAIN, tmp_path).pixels[:].numpy()}
    assert calibration.targets
    assert len(calibration) > 0
    assert {image.tobytes() for image in calibration.pixels[:].numpy()} <= train
    (tmp_path / "jargon-test.txt").write_bytes(b"something else")
    with pytest.raises(InvalidFile, match=r"jargon-test\.txt"):
        read(spec, Split.TEST, tmp_path)
    assert data.available()[-2].name == "jargon"
