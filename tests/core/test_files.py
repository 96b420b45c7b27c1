"""Files are whole or not there, whatever happens while they are written."""

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from facematch.core import files
from facematch.core.errors import FacematchError
from facematch.core.files import replacing, sha256_of_file, sweep, write_bytes, write_json


def test_a_file_and_its_folders_are_made(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "c.bin", b"abc")
    assert (tmp_path / "a" / "b" / "c.bin").read_bytes() == b"abc"
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c.bin"]


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_others_may_read_it_as_the_user_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "c.bin", b"abc")
    finally:
        os.umask(before)
    assert (tmp_path / "c.bin").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyboardInterrupt()])
def test_what_breaks_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "c.bin"
    path.write_bytes(b"old")

    def write() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["c.bin"]


def test_a_full_disk_is_said_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "c.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FacematchError, match=r"c\.bin could not be written: No space left on device") as caught:
        write_bytes(path, b"new")
    assert "Free space on the disk" in caught.value.hint
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["c.bin"]


def test_a_full_disk_is_said_where_a_library_says_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.bin"
    path.write_bytes(b"old")
    errors = iter([OSError(errno.ENOSPC, "No space left on device")])

    def full(*_: Any) -> None:
        raise next(errors)

    def write() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError("unexpected pos 97034944 vs 97034836")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(FacematchError, match=r"c\.bin could not be written: No space left on device"):
            write()
    with pytest.raises(RuntimeError, match="unexpected pos"):  # of a disk with room it is what it says
        write()
    assert path.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["c.bin"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FacematchError, match="could not be written"):
        write_bytes(tmp_path / "file" / "c.bin", b"x")


def test_a_full_disk_is_said_where_a_library_has_made_room_again(tmp_path: Path) -> None:
    words = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(FacematchError, match=r"c\.bin could not be written: No space left on device\."):
        _fail(tmp_path / "c.bin", RuntimeError(words))  # safetensors removes its own half file first


def _fail(path: Path, error: Exception) -> None:
    with replacing(path):
        raise error


@contextmanager
def writing(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the middle of writing a file, killed at the end; it left a file of a library's own beside it."""
    code = (
        "import sys, time; from pathlib import Path; from facematch.core.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half'); temporary.with_name('.tmpA1b2C3').write_bytes(b'more')\n"
        "    print('writing', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        yield writer
        writer.kill()
        writer.wait(10)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_writer_leaves_the_old_file_and_the_next_one_clears_up(tmp_path: Path) -> None:
    path = tmp_path / "c.bin"
    path.write_bytes(b"old")
    with writing(path):
        (tmp_path / ".hidden.writing-of-somebody").mkdir()
        other = next(each for each in names(tmp_path) if "-" in each and "somebody" not in each)
        elsewhere = re.sub(r"writing-\w{8}", "writing-00000000", other)
        (tmp_path / elsewhere).mkdir()
        write_bytes(tmp_path / "first", b"")
        assert other in names(tmp_path)  # its process is alive
    assert path.read_bytes() == b"old"
    files._swept.cache_clear()  # as in another process
    write_bytes(path, b"new")
    assert names(tmp_path) == [elsewhere, ".hidden.writing-of-somebody", "c.bin", "first"]
    sweep(tmp_path, nobody_else_writes=True)
    assert names(tmp_path) == [".hidden.writing-of-somebody", "c.bin", "first"]


def test_any_name_that_the_disk_takes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 120 + ".safetensors")  # 252 bytes
    write_bytes(path, b"x")
    assert path.read_bytes() == b"x"


def test_json_keeps_order_and_letters(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, None], "a": "Größe"}
    write_json(tmp_path / "v.json", value)
    text = (tmp_path / "v.json").read_text(encoding="utf-8")
    assert list(json.loads(text)) == ["b", "a"]
    assert "Größe" in text
    assert text.endswith("\n")


def test_the_digest_of_a_large_file(tmp_path: Path) -> None:
    data = os.urandom(3_000_001)
    (tmp_path / "x").write_bytes(data)
    assert sha256_of_file(tmp_path / "x") == hashlib.sha256(data).hexdigest()
