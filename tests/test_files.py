"""Files and folders appear whole or not at all, and never in the place of others unless told so."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from respike.errors import InvalidFile
from respike.files import check_folder, check_new, new, read, write


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
    check_new(tmp_path / "a", force=False)
    with pytest.raises(InvalidFile, match="there is no folder"):
        check_new(tmp_path / "missing" / "a", force=False)
    with pytest.raises(InvalidFile, match="it is a folder"):
        check_new(tmp_path, force=True)


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


def test_links_are_written_through(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far/file")
    write(tmp_path / "link", b"new", force=False)  # a link that leads nowhere yet
    with pytest.raises(InvalidFile, match="force=True"):
        write(tmp_path / "link", b"newer", force=False)
    write(tmp_path / "link", b"newest")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "file").read_bytes() == b"newest"
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(InvalidFile, match="cannot write"):
        write(tmp_path / "circle", b"")


def test_a_folder_behind_a_link_is_replaced_there(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with new(tmp_path / "link", force=True, folder=True) as partial:
        (partial / "a").touch()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a").exists()


def test_what_is_no_plain_file_is_neither_written_nor_read(tmp_path: Path) -> None:
    """A pipe without a reader would wait for ever, a device would be replaced."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(InvalidFile, match="no plain file"):
            write(path, b"")
        with pytest.raises(InvalidFile, match="no plain file"):
            read(path)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    with pytest.raises(InvalidFile, match="Is a directory"):
        read(tmp_path)
    with pytest.raises(InvalidFile, match="there is no file"):
        read(tmp_path / "missing")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="files of Linux that are made while they are read")
@pytest.mark.parametrize("name", ["/proc/self/maps", "/proc/kmsg"])
def test_reading_ends_where_the_size_says(name: str) -> None:
    try:
        assert read(Path(name)) == b""
    except InvalidFile as error:
        assert "cannot read" in str(error) or "no file" in str(error)  # noqa: PT017 (either is an end)


def test_a_file_keeps_its_permissions_and_long_names_have_room(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    path.touch()
    path.chmod(0o640)
    write(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


KILL = "os.kill(os.getpid(), signal.SIGKILL)"
REPLACE = """
import os, signal, sys
from pathlib import Path
from respike import files
place = Path(sys.argv[1])
{patch}
with files.new(place / "net", force=True, folder=True) as partial:
    (partial / "a").write_text("new")
"""
MOMENTS = {
    "before the exchange": f"files._exchanged = lambda *_: {KILL}",
    "after the exchange": f"files.shutil.rmtree = lambda *_, **__: {KILL}",
    "before the renames": f"files._exchanged = lambda *_: False; Path.rename = lambda *_: {KILL}",
    "between the renames": f"""
files._exchanged = lambda *_: False
rename, done = Path.rename, []
Path.rename = lambda *names: {KILL} if done else done.append(rename(*names))
""",
}


def kill_itself(place: Path, program: str) -> None:
    """Runs a program on a folder, in the course of which it kills itself."""
    ended = subprocess.run([sys.executable, "-c", program, str(place)], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL


def _write_while_somebody_else_does(path: Path, folder: bool) -> None:
    with new(path, force=False, folder=folder) as partial:
        for place, content in ((partial, "ours"), (path, "theirs")):
            if folder:
                place.mkdir(exist_ok=True)
            (place / "file" if folder else place).write_text(content)


@pytest.mark.parametrize("folder", [False, True])
def test_what_somebody_else_writes_meanwhile_stays(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "theirs"
    with pytest.raises(InvalidFile, match="is there already"):
        _write_while_somebody_else_does(path, folder)
    assert (path / "file" if folder else path).read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_while_a_folder_is_replaced_leaves_the_old_one_or_the_new_one(tmp_path: Path, moment: str) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "a").write_text("old")
    kill_itself(tmp_path, REPLACE.format(patch=MOMENTS[moment]))
    if moment != "between the renames":  # there is no such moment where the system can exchange two names
        assert (tmp_path / "net" / "a").read_text() == ("new" if moment == "after the exchange" else "old")
    with pytest.raises(InvalidFile, match="is there already"):
        check_new(tmp_path / "net", force=False, folder=True)
    assert (tmp_path / "net" / "a").read_text() == ("new" if moment == "after the exchange" else "old")
    with new(tmp_path / "net", force=True, folder=True) as partial:
        (partial / "a").write_text("newest")
    assert (tmp_path / "net" / "a").read_text() == "newest"


def test_a_kill_while_a_file_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    program = f"""
import os, signal, sys
from pathlib import Path
from respike import files
Path.replace = lambda *_: {KILL}
files.write(Path(sys.argv[1]) / "file", b"new")
"""
    kill_itself(tmp_path, program)
    assert (tmp_path / "file").read_text() == "old"
    write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_text() == "new"


def test_two_processes_that_write_one_file_leave_it_whole(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from respike.files import check_folder, check_new, new, read, write
for _ in range(60):
    write(Path(sys.argv[1]), sys.argv[2].encode() * 200_000)
"""
    path = tmp_path / "file"
    others = [subprocess.Popen([sys.executable, "-c", program, str(path), letter]) for letter in "ab"]
    found = set()
    while any(other.poll() is None for other in others):
        if path.exists():
            content = read(path)
            found.add((len(content), content[:1], content.count(content[:1])))
    assert [other.returncode for other in others] == [0, 0]
    assert found <= {(200_000, b"a", 200_000), (200_000, b"b", 200_000)}
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def as_nobody(check: Callable[[], None]) -> bool:
    """Whether a user whom permissions bind is told that a folder is not writable."""
    child = os.fork()
    if not child:
        try:
            os.setuid(65534)
            check()
        except InvalidFile as error:
            os._exit(1 if "is not writable" in str(error) else 2)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


@pytest.fixture
def folder_of_root() -> Iterator[Path]:
    """A folder that others may enter; pytest's own may not be entered by others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_may_not_be_written_to_is_found_early(folder_of_root: Path) -> None:
    assert as_nobody(lambda: check_new(folder_of_root / "file", force=False))
    assert as_nobody(lambda: check_folder(folder_of_root, force=False))
    folder_of_root.chmod(0o777)
    assert not as_nobody(lambda: check_new(folder_of_root / "file", force=False))
