"""Two folders that were mixed up are noticed, without reading more than it takes."""

from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.photos import photo
from facematch.photos.photo import PhotoFile, PhotoLimits, digest_of
from facematch.pipeline.folders import base_name, check_folders, doubts

LIMITS = PhotoLimits()


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Photos of 1 to 5 and of 6 to 17 bytes; nothing is decoded here."""
    query, gallery = tmp_path / "query", tmp_path / "gallery"
    for folder, lengths in ((query, range(1, 6)), (gallery, range(6, 18))):
        folder.mkdir()
        for length in lengths:
            (folder / f"{length}.jpg").write_bytes(b"x" * length)
    return query, gallery


def test_the_same_bytes_on_both_sides_are_named(sides: tuple[Path, Path]) -> None:
    query, gallery = sides
    (gallery / "copy.jpg").write_bytes((query / "3.jpg").read_bytes())
    with pytest.raises(FacematchError, match=r"1 gallery photos have the same bytes as a query, first 3\.jpg = copy"):
        check_folders(query, gallery, LIMITS, 10)


def test_only_photos_of_one_length_are_read(sides: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    query, gallery = sides
    (gallery / "other.jpg").write_bytes(b"yyy")  # as long as a query
    read: list[str] = []

    def counted(file: PhotoFile, limits: PhotoLimits) -> object:
        read.append(file.name)
        return digest_of(file, limits)

    monkeypatch.setattr(photo, "digest_of", counted)
    checked = check_folders(query, gallery, LIMITS, 10)
    assert [len(side.files) for side in checked] == [5, 13]
    assert read == ["3.jpg", "other.jpg"]


@pytest.mark.parametrize(
    ("name", "base"), [("1.jpg", "1.jpg"), ("ann/1.jpg", "1.jpg"), ("a/b c/.x", ".x"), ("ann/1", "1")]
)
def test_a_submission_names_photos_without_their_folder(name: str, base: str) -> None:
    assert base_name(name) == base


def named(sides: tuple[Path, Path], query: str, gallery: str) -> list[str]:
    parent = sides[0].parent
    moved = sides[0].rename(parent / f"1 {query}"), sides[1].rename(parent / f"2 {gallery}")
    return doubts(*check_folders(*moved, LIMITS, 3))


@pytest.mark.parametrize(
    ("query", "gallery", "count"),
    [
        ("query", "gallery", 0), ("Queries", "Galleries", 0), ("left", "right", 0), ("gallery query", "all", 0),
        ("query", "gallery of queries", 0), ("gallery", "query", 2), ("GALLERIES", "right", 1), ("left", "queries", 1),
    ],
)  # fmt: skip
def test_names_that_look_swapped_are_doubted(sides: tuple[Path, Path], query: str, gallery: str, count: int) -> None:
    assert len(named(sides, query, gallery)) == count


def test_more_queries_than_gallery_photos_are_doubted(sides: tuple[Path, Path]) -> None:
    assert doubts(*check_folders(*sides, LIMITS, 3)) == []
    assert doubts(*check_folders(sides[1], sides[0], LIMITS, 3)) == [
        "there are more queries (12) than gallery photos (5)",
        f"paths.query is {sides[1]}",
        f"paths.gallery is {sides[0]}",
    ]


def test_a_path_may_stand_for_another_folder(sides: tuple[Path, Path]) -> None:
    query, _ = check_folders(Path("q.zip"), sides[1], LIMITS, 10, {Path("q.zip"): sides[0], sides[1]: sides[1]}.get)  # type: ignore[arg-type]
    assert (query.path, query.place, len(query.files)) == (Path("q.zip"), sides[0], 5)
