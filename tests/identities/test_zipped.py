"""A zip is the folder it holds; what leads out of it, links, bombs and damage are refused, and nothing is left."""

import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.identities import archives
from facematch.identities.archives import is_zip, unzipped
from facematch.photos.photo import PhotoLimits

LIMITS = PhotoLimits()


def zip_of(path: Path, members: dict[str, bytes], *, stored: bool = False) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def left(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.name != "unpacked"] if cache.exists() else []


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"a.jpg": b"1", "b.jpg": b"2"}, {"a.jpg": b"1", "b.jpg": b"2"}),
        ({"query/": b"", "query/a.jpg": b"1", "query/b.jpg": b"2"}, {"a.jpg": b"1", "b.jpg": b"2"}),
        ({"x/y/a.jpg": b"1", "x/y/z/b.jpg": b"2"}, {"a.jpg": b"1", "z/b.jpg": b"2"}),
        ({"q/a.jpg": b"1", "__MACOSX/q/._a.jpg": b"m", "q/.DS_Store": b"s", "q/._a.jpg": b"m"}, {"a.jpg": b"1"}),
        ({"q\\a.jpg": b"1", "q\\b.jpg": b"2"}, {"a.jpg": b"1", "b.jpg": b"2"}),
        ({"ü 日本.jpg": b"1"}, {"ü 日本.jpg": b"1"}),
        ({}, {}),
    ],
)
def test_it_is_the_folder_that_it_holds(tmp_path: Path, members: dict[str, bytes], found: dict[str, bytes]) -> None:
    folder = unzipped(zip_of(tmp_path / "q.zip", members), tmp_path / "cache", LIMITS)
    assert files(folder) == found


def test_each_content_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = unzipped(zip_of(tmp_path / "q.zip", {"a.jpg": b"1"}), tmp_path / "cache", LIMITS)
    monkeypatch.setattr(archives, "_extract_member", lambda *_: pytest.fail("unpacked again"))
    assert unzipped(shutil.copy(tmp_path / "q.zip", tmp_path / "r.zip"), tmp_path / "cache", LIMITS) == first
    monkeypatch.undo()
    assert unzipped(zip_of(tmp_path / "q.zip", {"a.jpg": b"2"}), tmp_path / "cache", LIMITS) != first


def _link(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        member = zipfile.ZipInfo("a.jpg")
        member.create_system, member.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        made.writestr(member, "/etc/passwd")


def _encrypted(path: Path) -> None:
    data = bytearray(zip_of(path, {"a.jpg": b"1"}).read_bytes())
    for mark, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.index(mark) + place] |= 1
    path.write_bytes(data)


def _twice(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.jpg", "1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            made.writestr("a.jpg", "2")


def _lying(path: Path) -> None:
    # A member that says it is one byte long, and holds ten million.
    data = bytearray(zip_of(path, {"a.jpg": bytes(10_000_000)}).read_bytes())
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        data[data.index(mark) + place : data.index(mark) + place + 4] = (1).to_bytes(4, "little")
    path.write_bytes(data)


def _members(members: dict[str, bytes]) -> Callable[[Path], None]:
    return lambda path: shutil.move(zip_of(path.with_suffix(".new"), members), path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_members({"../a.jpg": b"1"}), "which leads out of the folder"),
        (_members({"q/../../a.jpg": b"1"}), "which leads out of the folder"),
        (_members({"/etc/a.jpg": b"1"}), "which leads out of the folder"),
        (_members({"..\\a.jpg": b"1"}), "which leads out of the folder"),
        (_members({"C:\\a.jpg": b"1"}), "which leads out of the folder"),
        (_link, "which is a link or a device"),
        (_encrypted, "which is encrypted"),
        (_twice, "holds 'a.jpg' twice"),
        (_members({"a.jpg": bytes(3_000_000)}), "of 3 MB; photos.max_bytes is 2 MB"),
        (_members({f"{n}.jpg": bytes(1_900_000) for n in range(8)}), "when unpacked, which no photos do"),
        (_lying, "is damaged"),
        (lambda path: path.write_bytes(b"<html>not found</html>"), "is damaged"),
        (lambda path: path.write_bytes(zip_of(path, {"a.jpg": b"1" * 999}).read_bytes()[:-30]), "is damaged"),
    ],
)  # fmt: skip
def test_what_is_refused_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], words: str
) -> None:
    monkeypatch.setattr(archives, "_ALWAYS", 10_000_000)
    path = tmp_path / "q.zip"
    make(path)
    with pytest.raises(FacematchError, match=words) as caught:
        unzipped(path, tmp_path / "cache", PhotoLimits(max_bytes=2_000_000))
    assert str(path) in caught.value.message
    assert len(caught.value.message) < 400
    assert left(tmp_path / "cache") == []
    assert sorted(each.name for each in tmp_path.iterdir()) in (["cache", "q.zip"], ["q.zip"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(0, 10_000), byte=st.integers(1, 255), cut=st.booleans())
def test_any_damage_is_a_folder_or_an_error_with_words(tmp_path: Path, place: int, byte: int, cut: bool) -> None:
    members = {f"query/{number}.jpg": bytes([number]) * 50 for number in range(4)}
    data = bytearray(zip_of(tmp_path / "whole.zip", members, stored=True).read_bytes())
    place %= len(data)
    data = data[:place] if cut else data[:place] + bytes([data[place] ^ byte]) + data[place + 1 :]
    path, cache = tmp_path / "damaged.zip", tmp_path / "cache"
    path.write_bytes(data)
    shutil.rmtree(cache, ignore_errors=True)
    try:
        folder = unzipped(path, cache, LIMITS)
    except FacematchError:
        assert left(cache) == []
    else:
        assert all(path.resolve().is_relative_to(folder.resolve()) for path in folder.rglob("*"))


def test_what_is_a_zip(tmp_path: Path) -> None:
    assert is_zip(zip_of(tmp_path / "photos", {"a.jpg": b"1"}))  # by its content
    (tmp_path / "cut.ZIP").write_bytes(b"PK")
    assert is_zip(tmp_path / "cut.ZIP")  # so that its damage is told
    (tmp_path / "folder.zip").mkdir()
    assert not is_zip(tmp_path / "folder.zip")
    (tmp_path / "a.jpg").write_bytes(b"1")
    assert not is_zip(tmp_path / "a.jpg")
    assert not is_zip(tmp_path / "nowhere.zip")
