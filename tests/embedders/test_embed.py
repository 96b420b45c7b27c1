"""From photo files to embeddings: cached by content and settings, every file accounted for."""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.embedders import embed
from facematch.embedders.embed import PhotoEmbedder
from facematch.faces.cropper import Cropper
from facematch.faces.detectors import NoDetector
from facematch.photos.photo import Photo, PhotoFile, PhotoLimits, Unreadable, decode, find_photos, read_bytes


class MeanColour:
    """An embedder that tells a crop's mean colour and counts what it was given."""

    def __init__(self, version: str = "1", batch: int = 4) -> None:
        self.fingerprint = Fingerprint({"embedder.version": version})
        self.batch = batch
        self.batches: list[int] = []

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batches.append(len(images))
        return images.reshape(len(images), -1, 3).mean(1, dtype=np.float64).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(10):
        PillowImage.new("RGB", (20, 20), (number, 2 * number, 100)).save(photos / f"{number}.png")
    (photos / "x.jpg").write_bytes(b"")
    return photos


def stage(cache: Path, embedder: MeanColour, size: int = 16) -> PhotoEmbedder:
    return PhotoEmbedder(Cropper(NoDetector(), size), embedder, "euclidean", "whole", PhotoLimits(), cache, workers=3)


def test_vectors_and_records_come_in_the_order_of_the_files(folder: Path, tmp_path: Path) -> None:
    embedder = MeanColour()
    seen: list[int] = []
    done = stage(tmp_path / "c", embedder).run(find_photos(folder).files, seen.append)
    assert done.embeddings.names == tuple(f"{i}.png" for i in range(10))
    np.testing.assert_allclose(done.embeddings.vectors, [[i, 2 * i, 100] for i in range(10)], atol=0.5)
    assert [record.status for record in done.records] == ["found"] * 10 + ["unreadable"]
    assert embedder.batches == [4, 4, 2]
    assert seen == list(range(1, 12))


def test_the_second_time_nothing_is_embedded(folder: Path, tmp_path: Path) -> None:
    first = stage(tmp_path / "c", MeanColour()).run(find_photos(folder).files)
    (folder / "3.png").rename(folder / "a-new-name.png")
    again = MeanColour()
    second = stage(tmp_path / "c", again).run(find_photos(folder).files)
    assert again.batches == []
    assert second.embeddings.names[-1] == "a-new-name.png"
    np.testing.assert_array_equal(np.sort(first.embeddings.vectors, 0), np.sort(second.embeddings.vectors, 0))
    assert {record.sha256 for record in first.records} == {record.sha256 for record in second.records}


@pytest.mark.parametrize("own", [{"name": "old.png", "sha256": "00"}, {"name": "old.png", "digest": "00"}])
def test_rows_kept_by_earlier_versions_are_read(folder: Path, tmp_path: Path, own: dict[str, str]) -> None:
    first = stage(tmp_path / "c", MeanColour()).run(find_photos(folder).files)
    for path in (tmp_path / "c").glob("embeddings-*.sqlite"):
        with sqlite3.connect(path) as rows:
            for key, note in rows.execute("SELECT key, note FROM kept").fetchall():
                changed = json.dumps({**json.loads(note), **own})
                rows.execute("UPDATE kept SET note = ?, crc = NULL WHERE key = ?", (changed, key))
    again = MeanColour()
    assert stage(tmp_path / "c", again).run(find_photos(folder).files).records == first.records
    assert again.batches == []


@pytest.mark.parametrize(
    ("note", "data"),
    [
        ("{", b"\0" * 12),
        ("[]", b"\0" * 12),
        (None, b"\0" * 11),
        (None, b""),
        (None, b"\xff" * 12),
        (None, b"\0" * 8),
        ('{"status": "good", "detector": "", "box": null, "score": 0, "reason": ""}', b"\0" * 12),
        ('{"status": "found", "detector": "", "box": [1], "score": 0, "reason": ""}', b"\0" * 12),
    ],
)
@pytest.mark.parametrize("row", [0, 5])
def test_a_row_of_another_form_costs_time_and_no_run(
    folder: Path, tmp_path: Path, note: str | None, data: bytes, row: int
) -> None:
    files = find_photos(folder).files
    first = stage(tmp_path / "c", MeanColour()).run(files)
    (path,) = (tmp_path / "c").glob("embeddings-*.sqlite")
    with sqlite3.connect(path) as rows:
        rows.execute(
            "UPDATE kept SET note = coalesce(?, note), data = ?, crc = NULL WHERE key = ?",
            (note, data, first.records[row].sha256),
        )
    with pytest.warns(UserWarning, match=r"are made again"):
        again = stage(tmp_path / "c", MeanColour()).run(files)
    np.testing.assert_array_equal(again.embeddings.vectors, first.embeddings.vectors)
    assert again.records == first.records
    third = MeanColour()
    stage(tmp_path / "c", third).run(files)
    assert third.batches == []


def test_an_embedder_without_a_vector_for_each_crop_is_refused(folder: Path, tmp_path: Path) -> None:
    class First(MeanColour):
        def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            return super().embed(images)[:1]

    class Growing(MeanColour):
        def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            self.batches.append(0)
            return np.zeros((len(images), len(self.batches)), np.float32)

    files = find_photos(folder).files
    with pytest.raises(FacematchError, match=r"vectors of shape \(1, 3\) for 4 crops; expected one for each"):
        stage(tmp_path / "c", First()).run(files)
    with pytest.warns(UserWarning, match="made again"), pytest.raises(FacematchError, match="of 3 and of 4 numbers"):
        stage(tmp_path / "c", Growing("2")).run(files)


def test_photos_that_cannot_be_read_leave_no_gap(folder: Path, tmp_path: Path) -> None:
    for name in ("2.png", "5.png", "6.png"):
        (folder / name).write_bytes(b"no photo")
    for _ in range(2):  # the second time all come from the cache
        done = stage(tmp_path / "c", MeanColour()).run(find_photos(folder).files)
        assert done.embeddings.names == tuple(f"{i}.png" for i in (0, 1, 3, 4, 7, 8, 9))
        np.testing.assert_allclose(done.embeddings.vectors[:, 0], [0, 1, 3, 4, 7, 8, 9], atol=0.5)


def test_each_file_is_read_and_decoded_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    decoded: list[str] = []

    def counting_read(file: PhotoFile, limits: PhotoLimits) -> tuple[bytes, str] | Unreadable:
        read.append(file.name)
        return read_bytes(file, limits)

    def counting_decode(name: str, data: bytes, sha256: str, limits: PhotoLimits) -> Photo | Unreadable:
        decoded.append(name)
        return decode(name, data, sha256, limits)

    monkeypatch.setattr("facematch.embedders.embed.read_bytes", counting_read)
    monkeypatch.setattr("facematch.faces.stream.decode", counting_decode)
    files = find_photos(folder).files
    stage(tmp_path / "c", MeanColour()).run(files)
    assert sorted(read) == [file.name for file in files]
    assert sorted(decoded) == [f"{i}.png" for i in range(10)]
    stage(tmp_path / "c", MeanColour()).run(files)
    assert len(read) == 2 * len(files)
    assert len(decoded) == 10


def test_only_what_is_new_is_embedded(folder: Path, tmp_path: Path) -> None:
    stage(tmp_path / "c", MeanColour()).run(find_photos(folder).files)
    PillowImage.new("RGB", (20, 20), (200, 0, 0)).save(folder / "new.png")
    again = MeanColour()
    stage(tmp_path / "c", again).run(find_photos(folder).files)
    assert again.batches == [1]


@pytest.mark.parametrize("change", ["embedder", "crop"])
def test_other_settings_have_a_cache_of_their_own(folder: Path, tmp_path: Path, change: str) -> None:
    stage(tmp_path / "c", MeanColour()).run(find_photos(folder).files)
    again = MeanColour(version="2" if change == "embedder" else "1")
    done = stage(tmp_path / "c", again, size=24 if change == "crop" else 16).run(find_photos(folder).files)
    assert sum(again.batches) == 10
    assert done.embeddings.fingerprint.settings["faces.size"] == (24 if change == "crop" else 16)


def test_an_interrupted_run_keeps_what_it_had(folder: Path, tmp_path: Path) -> None:
    class Interrupted(MeanColour):
        def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            if len(self.batches) == 2:
                raise KeyboardInterrupt
            return super().embed(images)

    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path / "c", Interrupted()).run(find_photos(folder).files)
    again = MeanColour()
    stage(tmp_path / "c", again).run(find_photos(folder).files)
    assert sum(again.batches) == 2


def test_a_broken_network_is_an_error_and_is_not_cached(folder: Path, tmp_path: Path) -> None:
    class Broken(MeanColour):
        def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            return super().embed(images) * np.float32(np.nan)

    with pytest.raises(FacematchError, match=r"10 of 10 embeddings hold NaN or infinity, first 0\.png"):
        stage(tmp_path / "c", Broken()).run(find_photos(folder).files)
    fine = MeanColour()
    stage(tmp_path / "c", fine).run(find_photos(folder).files)
    assert sum(fine.batches) == 10


def test_no_photos_give_no_embeddings(tmp_path: Path) -> None:
    done = stage(tmp_path / "c", MeanColour()).run(())
    assert len(done.embeddings) == 0
    assert done.records == ()


@settings(max_examples=60, deadline=None)
@given(there=st.lists(st.booleans(), max_size=40), moved=st.integers(1, 9))
def test_vectors_of_missing_photos_leave_no_gap(there: list[bool], moved: int) -> None:
    kept = embed._Vectors(len(there))
    for row in np.random.default_rng(0).permutation(len(there)).tolist():
        if there[row]:
            kept.put(row, np.full(3, row, np.float32))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(embed, "_MOVED", moved)
        taken, vectors = kept.take()
    assert taken.tolist() == there
    if any(there):
        assert vectors.tolist() == [[row] * 3 for row, is_there in enumerate(there) if is_there]
