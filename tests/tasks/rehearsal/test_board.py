"""What the leaderboard shows, as values."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from facematch.charts.picture_page import Picture
from facematch.evaluation.score import Score
from facematch.tasks.rehearsal.board import PhotoNumbers, group_name, leaderboard, missed, plot
from facematch.tasks.rehearsal.store import Received

HISTORY = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 1000)), min_size=1, max_size=30)


def received(number: int, group: str, score: float) -> Received:
    return Received(number, datetime(2026, 1, 1), group, Score(0, 0, 0), score, "digest")


@given(history=HISTORY)
def test_groups_stand_in_order_of_their_best(history: list[tuple[str, int]]) -> None:
    every = [received(number, *each) for number, each in enumerate(history)]
    board = leaderboard(every, "a", 1000)
    assert {each.group for each in board} == {group for group, _ in history}
    assert [each.rank for each in board] == list(range(1, len(board) + 1))
    for row in board:
        own = [each for each in every if each.group == row.group]
        assert row.best.score == max(each.score for each in own)
        assert row.latest == own[-1]
        assert row.count == len(own)
        assert row.own == (row.group == "a")
        assert row.first == own[0].id
    places = [(-each.best.score, each.best.id) for each in board]
    assert places == sorted(places)  # who reached a score first stands first


@given(scores=st.lists(st.floats(0, 1000), min_size=1, max_size=100))
def test_a_plot_stays_in_its_box(scores: list[float]) -> None:
    points = [
        tuple(map(float, point.split(","))) for point in plot([received(0, "a", s) for s in scores], 1000).split()
    ]
    assert len(points) == min(60, len(scores))
    assert all(0 <= x <= 160 and 0 <= y <= 36 for x, y in points)
    heights = [y for _, y in points]
    assert np.argmin(heights) in np.flatnonzero(np.isclose(heights, min(heights)))
    assert [x for x, _ in points] == sorted(x for x, _ in points)


@pytest.fixture
def photos(tmp_path: Path) -> PhotoNumbers:
    for side, name in (("query", "q1.png"), ("gallery", "g1.png"), ("gallery", "g2.png")):
        (tmp_path / side).mkdir(exist_ok=True)
        PillowImage.fromarray(np.full((300, 200, 3), 90, np.uint8)).save(tmp_path / side / name)
    (tmp_path / "gallery" / "bad.jpg").write_bytes(b"no photo")
    (tmp_path / "secret.png").write_bytes((tmp_path / "query" / "q1.png").read_bytes())
    return PhotoNumbers(tmp_path / "query", tmp_path / "gallery")


def number(picture: Picture) -> int:
    assert picture.source
    return int(picture.source.rsplit("/", 1)[1].split("?")[0])


def test_only_photos_of_the_folders_can_be_seen(photos: PhotoNumbers) -> None:
    thumbnail = photos.thumbnail(number(photos.picture("query", "q1.png")))
    assert thumbnail is not None
    assert thumbnail[:3] == b"\xff\xd8\xff"
    for name in ("../secret.png", "secret.png", "g1.png", "", "/etc/passwd"):
        assert photos.picture("query", name).source == ""
    assert [photos.thumbnail(number) for number in (-1, 4, 10**9)] == [None] * 3


def test_a_photo_that_cannot_be_read_has_no_thumbnail(photos: PhotoNumbers) -> None:
    assert photos.thumbnail(number(photos.picture("gallery", "bad.jpg"))) is None


def test_another_servers_photos_have_other_addresses(tmp_path: Path, photos: PhotoNumbers) -> None:
    again = PhotoNumbers(tmp_path / "query", tmp_path / "gallery")
    assert again.picture("query", "q1.png").source != photos.picture("query", "q1.png").source
    assert again.picture("query", "q1.png").lines == ("q1.png",)


@given(text=st.text(st.characters(), max_size=400))
def test_what_is_shown_can_be_printed_and_sent(text: str) -> None:
    name = group_name(text)
    assert name.isprintable()
    assert len(name) <= 82
    assert name.encode("utf-8").decode("utf-8") == name
    assert name == group_name(name)
    assert name not in ("", ".", "..")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("us", "us"), (" us\n", "us"), ("", "(no name)"), ("\x00\ud800", "(no name)"), ("..", "(..)"), (".", "(.)"),
        ("…", "…"), ("a" * 81, f"{'a' * 79}…"),
    ],
)  # fmt: skip
def test_a_groups_name(text: str, name: str) -> None:
    assert group_name(text) == name


def test_missed_queries_are_those_without_a_right_name_among_ten(photos: PhotoNumbers) -> None:
    wrong = [f"w{number}.jpg" for number in range(10)]
    truth = {"q1.png": {"g1.png"}, "q2.png": {"g2.png"}, "q3.png": {"g1.png", "g2.png"}, "q4.png": {"g1.png"}}
    images = {"q1.png": [*wrong, "g1.png"], "q2.png": [*wrong[:9], "g2.png"], "q3.png": ["g2.png"]}
    count, found = missed(images, truth, photos)
    assert (count, [each.heading for each in found]) == (2, ["q1.png", "q4.png"])
    query, answered, right = found[0].rows
    assert [picture.lines for picture in query.pictures] == [("q1.png",)]
    assert [picture.lines[0] for picture in answered.pictures] == wrong
    assert [picture.lines[0] for picture in right.pictures] == ["g1.png"]
    assert [picture.marked for row in found[0].rows for picture in row.pictures] == [*[False] * 11, True]
    assert right.pictures[0].source
    assert found[1].rows[1].pictures == ()
    assert missed(images, truth, photos, limit=1)[0] == 2
