"""Files and folders appear whole or not at all, and never in the place of others unless told so."""

from __future__ import annotations

from pathlib import Path

import pytest

from respike.errors import InvalidFile
from respike.files import check_folder, check_new, check_writable, new, write


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def full(partial: Path, content: bytes) -> int:
        with partial.open("wb") as file:
            file.write(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InvalidFile, match=r"cannot write .*No space left"):
        write(path, b"new")
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["a.json"]


def test_places_that_cannot_be_written_are_found_early(tmp_path: Path) -> None:
    check_writable(tmp_path / "a")
    with pytest.raises(InvalidFile, match="there is no folder"):
        check_writable(tmp_path / "missing" / "a")
    with pytest.raises(InvalidFile, match="it is a folder"):
        check_writable(tmp_path)


@pytest.mark.parametrize("folder", [False, True])
def test_what_is_there_stays_unless_forced(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "net"
    for text in ("old", "new"):
        with new(path, force=text == "new", folder=folder) as partial:
            (partial / "a" if folder else partial).write_text(text)
        if text == "old":
            with pytest.raises(InvalidFile, match="force=True"), new(path, force=False, folder=folder):
                pass
    assert (path / "a" if folder else path).read_text() == "new"
    with pytest.raises(ZeroDivisionError), new(path, force=True, folder=folder) as partial:
        (partial / "a" if folder else partial).write_text(f"half {1 // 0}")
    assert (path / "a" if folder else path).read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["net"]
    with pytest.raises(InvalidFile, match="it is a"), new(path, force=True, folder=not folder):
        pass


def test_a_folder_with_something_in_it_is_not_written_into(tmp_path: Path) -> None:
    check_folder(tmp_path, force=False)
    check_folder(tmp_path / "figures", force=False)
    (tmp_path / "old").touch()
    check_folder(tmp_path, force=True)
    with pytest.raises(InvalidFile, match="not empty: force=True"):
        check_folder(tmp_path, force=False)
    with pytest.raises(InvalidFile, match="it is no folder"):
        check_folder(tmp_path / "old", force=True)
    with pytest.raises(InvalidFile, match="is there already: force=True"):
        check_new(tmp_path / "old", force=False)
