"""A text as windows of characters: one-hot images, and the character that follows at each place as labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from respike.data.files import unpacked
from respike.files import write

ALPHABET = tuple(map(chr, (*range(32, 65), *range(91, 127))))
"""The printable characters of ASCII without capital letters, in their order."""
WINDOW = 64
"""Characters that a network sees at one time."""
_TEST_SHARE = 10
"""One character in so many is for testing: the end of the text."""
_PLAIN = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "—": "-", "–": "-"})
_NUMBERS = {character: number for number, character in enumerate(ALPHABET)}


def plain(text: str) -> str:
    """The text in the characters of `ALPHABET`: lower case, white space as one space, other characters left out."""
    spaced = re.sub(r"\s+", " ", text.translate(_PLAIN).lower())
    return re.sub(" +", " ", "".join(character for character in spaced if character in _NUMBERS))


def split_jargon(folder: Path) -> None:
    """Makes the files of the data set `jargon` in a folder that has jargon.txt.gz somewhere in it."""
    (path,) = folder.rglob("jargon.txt.gz")
    text = plain(unpacked(path).decode())
    first_of_test = len(text) - len(text) // _TEST_SHARE
    write(folder / "jargon-train.txt", text[:first_of_test].encode())
    write(folder / "jargon-test.txt", text[first_of_test:].encode())


def windows(contents: Sequence[bytes], names: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The windows of a text one after the other, `[n, 1, WINDOW, characters]`, and what follows each character.

    Args:
        contents: one file, in the characters of `ALPHABET`.
        names: of the file, for messages.

    Returns:
        Images of 255 where the character is and 0 elsewhere, and labels `[n, WINDOW]`: numbers of characters.
    """
    (content,) = contents
    ids = np.array([_NUMBERS[character] for character in content.decode()], np.uint8)
    count = (len(ids) - 1) // WINDOW
    shown, following = (ids[start : start + count * WINDOW].reshape(count, 1, WINDOW) for start in (0, 1))
    return np.eye(len(ALPHABET), dtype=np.uint8)[shown] * np.uint8(255), following[:, 0]
