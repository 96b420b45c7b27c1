"""Archives are unpacked whole or not at all, only when they are the published ones, and never outside their folder."""

import errno
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.identities.archives import Archive, unpack

FILES = {"a/1.jpg": b"one" * 400, "a/2.jpg": b"two" * 500, "b/1.jpg": bytes(range(256)) * 8, "top.txt": b"beside"}


def member(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    return info, data


def packed(*members: tuple[tarfile.TarInfo, bytes], gz: bool = False) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz" if gz else "w") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return written.getvalue()


def place(path: Path, data: bytes) -> dict[Archive, Path]:
    """Write an archive and describe it as if these bytes were the published ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {Archive(path.name, "https://example.org/set", len(data), "md5", hashlib.md5(data).hexdigest()): path}


def good(gz: bool = False) -> bytes:
    return packed(*(member(name, data) for name, data in FILES.items()), gz=gz)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- whole ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("gz", [False, True])
def test_all_files_are_unpacked_and_nothing_else_is_left(tmp_path: Path, gz: bool) -> None:
    unpack(place(tmp_path / "set.tar", good(gz)), tmp_path / "set")
    assert files_in(tmp_path / "set") == FILES
    assert listed(tmp_path) == ["set", "set.tar"]


def test_several_archives_become_one_folder(tmp_path: Path) -> None:
    archives = {
        **place(tmp_path / "1.tar", packed(member("a/1", b"1"))),
        **place(tmp_path / "2.tar", packed(member("a/2", b"2"), member("b", b"3"))),
    }
    unpack(archives, tmp_path / "set")
    assert files_in(tmp_path / "set") == {"a/1": b"1", "a/2": b"2", "b": b"3"}


def test_an_inner_folder_becomes_the_target_and_its_siblings_are_left_out(tmp_path: Path) -> None:
    unpack(place(tmp_path / "set.tar", good()), tmp_path / "set", inner="a")
    assert files_in(tmp_path / "set") == {"1.jpg": FILES["a/1.jpg"], "2.jpg": FILES["a/2.jpg"]}
    assert listed(tmp_path) == ["set", "set.tar"]


def test_an_archive_without_the_inner_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match="holds no folder birds"):
        unpack(place(tmp_path / "set.tar", good()), tmp_path / "set", inner="birds")
    assert listed(tmp_path) == ["set.tar"]


def test_a_link_that_stays_inside_is_kept(tmp_path: Path) -> None:
    data = packed(member("a/1", b"1"), member("a/2", kind=tarfile.SYMTYPE, link="1"))
    unpack(place(tmp_path / "set.tar", data), tmp_path / "set")
    assert (tmp_path / "set" / "a" / "2").read_bytes() == b"1"


@pytest.mark.parametrize("gz", [False, True])
def test_progress_counts_each_byte_checked_and_unpacked(tmp_path: Path, gz: bool) -> None:
    archives = {**place(tmp_path / "1.tar", good(gz)), **place(tmp_path / "2.tar", good(not gz))}
    seen: list[tuple[int, int]] = []
    unpack(archives, tmp_path / "set", on_progress=lambda done, total: seen.append((done, total)))
    size = sum(path.stat().st_size for path in archives.values())
    done = [position for position, _ in seen]
    assert {total for _, total in seen} == {2 * size}
    assert done == sorted(done)
    assert size in done
    assert done[-1] == 2 * size


def test_it_is_unpacked_beside_the_target_under_a_hidden_name(tmp_path: Path) -> None:
    # On one disk, so that the rename is at once, and never under the name that readers look for.
    met: set[str] = set()
    unpack(
        place(tmp_path / "set.tar", good()),
        tmp_path / "set",
        on_progress=lambda done, total: met.update(listed(tmp_path)),
    )
    hidden = met - {"set.tar"}
    assert len(hidden) == 1
    assert hidden.pop().startswith(".set.")


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_others_may_read_it_as_the_user_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        unpack(place(tmp_path / "set.tar", good()), tmp_path / "set")
    finally:
        os.umask(before)
    assert (tmp_path / "set").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "set" / "a").stat().st_mode & 0o777 == 0o750


# --- not the published one ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda data: data[:-1], "cut short"),
        (lambda data: b"", r"has 0 bytes, the published archive has [\d,]+: it was cut short"),
        (lambda data: data + b"\0", "it is another one"),
        (lambda data: b"x" + data[1:], "its MD5 is [0-9a-f]{32}, expected [0-9a-f]{32}"),
    ],
)
def test_an_archive_of_other_bytes_is_refused(tmp_path: Path, change: Callable[[bytes], bytes], found: str) -> None:
    archives = place(tmp_path / "set.tar", good())
    (tmp_path / "set.tar").write_bytes(change(good()))
    with pytest.raises(FacematchError, match=found) as caught:
        unpack(archives, tmp_path / "set")
    assert caught.value.hint == "Fetch set.tar again from https://example.org/set."
    assert listed(tmp_path) == ["set.tar"]


def test_all_archives_are_checked_before_one_is_unpacked(tmp_path: Path) -> None:
    archives = {**place(tmp_path / "1.tar", good()), **place(tmp_path / "2.tar", good())}
    (tmp_path / "2.tar").write_bytes(good()[:-1])
    seen: list[int] = []
    with pytest.raises(FacematchError, match=r"2\.tar"):
        unpack(archives, tmp_path / "set", on_progress=lambda done, _: seen.append(done))
    assert max(seen) == len(good())


def test_an_archive_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    archives = place(tmp_path / "set.tar", good())
    (tmp_path / "set.tar").unlink()
    with pytest.raises(FacematchError, match=r"set\.tar cannot be read: No such file"):
        unpack(archives, tmp_path / "set")


# --- damaged --------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 1 << 16))
def test_a_cut_archive_gives_everything_or_nothing(tmp_path: Path, cut: int) -> None:
    # What is cut from the end may be padding, or gzip's own checksum, which tarfile does not need.
    data = good(gz=True)
    archives = place(tmp_path / f"{cut}" / "set.tar", data[: cut % len(data)])
    target = tmp_path / f"{cut}" / "set"
    try:
        unpack(archives, target)
    except FacematchError as error:
        assert "is damaged" in error.message  # noqa: PT017 - either outcome is right
        assert listed(target.parent) == ["set.tar"]
    else:
        assert files_in(target) == FILES


@pytest.mark.parametrize(
    "data",
    [
        good()[:700],  # within the first file
        good()[:1100],  # within the second header
        b"<html>not found</html>" * 100,
        good(gz=True)[:100] + b"\xff" * 100 + good(gz=True)[200:],
    ],
)
def test_a_damaged_archive_leaves_nothing(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(FacematchError, match=r"set\.tar is damaged: .+; nothing was unpacked") as caught:
        unpack(place(tmp_path / "set.tar", data), tmp_path / "set")
    assert "Fetch set.tar again" in caught.value.hint
    assert listed(tmp_path) == ["set.tar"]


# --- hostile --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hostile",
    [
        member("../out", b"x"),
        member("a/../../../out", b"x"),
        member("out", kind=tarfile.SYMTYPE, link="../../kept"),
        member("out", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        member("out", kind=tarfile.LNKTYPE, link="../../kept"),
        member("out", kind=tarfile.CHRTYPE),
        member("out", kind=tarfile.BLKTYPE),
        member("out", kind=tarfile.FIFOTYPE),
    ],
    ids=["up", "deep-up", "link-up", "link-absolute", "hard-link", "character", "block", "pipe"],
)
def test_what_leads_outside_is_refused_and_nothing_is_unpacked(
    tmp_path: Path, hostile: tuple[tarfile.TarInfo, bytes]
) -> None:
    root = tmp_path / "data"
    archives = place(root / "set.tar", packed(member("a/1", b"1"), hostile, member("a/2", b"2")))
    (root / "kept").write_bytes(b"kept")
    with pytest.raises(FacematchError, match="does not stay in the folder") as caught:
        unpack(archives, root / "set")
    assert repr(hostile[0].name) in caught.value.message
    assert listed(tmp_path) == ["data"]
    assert files_in(root) == {"set.tar": archives[next(iter(archives))].read_bytes(), "kept": b"kept"}


def test_an_absolute_name_is_one_inside_the_folder(tmp_path: Path) -> None:
    unpack(place(tmp_path / "set.tar", packed(member("/out", b"x"))), tmp_path / "set")
    assert files_in(tmp_path / "set") == {"out": b"x"}
    assert listed(tmp_path) == ["set", "set.tar"]


def test_a_hostile_name_cannot_colour_the_screen(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match="does not stay") as caught:
        unpack(place(tmp_path / "set.tar", packed(member("../\x1b[31mred", b"x"))), tmp_path / "set")
    assert "\x1b" not in caught.value.message


def test_a_python_without_filters_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(FacematchError, match=r"3\.10\.12, 3\.11\.4 and 3\.12") as caught:
        unpack(place(tmp_path / "set.tar", good()), tmp_path / "set")
    assert "unpack set.tar yourself" in caught.value.hint
    assert listed(tmp_path) == ["set.tar"]


# --- interrupted ----------------------------------------------------------------------------------


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = tarfile.TarFile.makefile

    def full(tar: tarfile.TarFile, info: tarfile.TarInfo, path: Any) -> None:
        if info.name == "b/1.jpg":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(tar, info, path)

    monkeypatch.setattr(tarfile.TarFile, "makefile", full)
    with pytest.raises(FacematchError, match="set could not be unpacked: No space left on device") as caught:
        unpack(place(tmp_path / "set.tar", good()), tmp_path / "set")
    assert "Free 0.0 GB" in caught.value.hint
    assert listed(tmp_path) == ["set.tar"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("of the caller")])
def test_what_breaks_leaves_nothing_and_is_passed_on(tmp_path: Path, error: BaseException) -> None:
    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise error

    with pytest.raises(type(error)) as caught:
        unpack(place(tmp_path / "set.tar", good()), tmp_path / "set", on_progress=stop)
    assert caught.value is error
    assert listed(tmp_path) == ["set.tar"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_process_leaves_no_target(tmp_path: Path) -> None:
    place(tmp_path / "set.tar", good())
    code = (
        "import hashlib, sys, time; from pathlib import Path\n"
        "from facematch.identities.archives import Archive, unpack\n"
        "path = Path(sys.argv[1]); data = path.read_bytes()\n"
        "archive = Archive(path.name, '', len(data), 'md5', hashlib.md5(data).hexdigest())\n"
        "def stop(done, total):\n"
        "    if done > total / 2: print('unpacking', flush=True); time.sleep(60)\n"
        "unpack({archive: path}, path.parent / 'set', on_progress=stop)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "set.tar")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"unpacking\n"
    process.kill()
    process.wait(10)
    process.stdout.close()
    assert [name for name in listed(tmp_path) if not name.startswith(".set.")] == ["set.tar"]
    unpack(place(tmp_path / "set.tar", good()), tmp_path / "set")
    assert files_in(tmp_path / "set") == FILES


def test_a_faster_process_keeps_its_folder(tmp_path: Path) -> None:
    def other(done: int, total: int) -> None:
        if done == total:
            (tmp_path / "set").mkdir()
            (tmp_path / "set" / "theirs").write_bytes(b"theirs")

    unpack(place(tmp_path / "set.tar", good()), tmp_path / "set", on_progress=other)
    assert files_in(tmp_path / "set") == {"theirs": b"theirs"}
    assert listed(tmp_path) == ["set", "set.tar"]


def test_a_file_in_the_place_of_the_target_stays(tmp_path: Path) -> None:
    (tmp_path / "set").write_bytes(b"mine")
    with pytest.raises(FacematchError, match="set could not be unpacked"):
        unpack(place(tmp_path / "set.tar", good()), tmp_path / "set")
    assert (tmp_path / "set").read_bytes() == b"mine"
    assert listed(tmp_path) == ["set", "set.tar"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match="could not be unpacked: No such file"):
        unpack(place(tmp_path / "set.tar", good()), tmp_path / "absent" / "set")
