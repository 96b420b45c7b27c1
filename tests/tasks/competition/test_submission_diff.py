"""Differences of two submissions, as values and on a page that is whole in itself."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from facematch.tasks.competition.diff import Change, changed_queries, diff_page

NAMES = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True)
IMAGES = st.dictionaries(st.sampled_from(["q1", "q2", "q3"]), NAMES)


@given(left=IMAGES, right=IMAGES)
def test_exactly_what_differs_is_listed(left: dict[str, list[str]], right: dict[str, list[str]]) -> None:
    changes = changed_queries(left, right)
    assert {change.query for change in changes} == {
        query for query in {*left, *right} if left.get(query) != right.get(query)
    }
    for change in changes:
        assert change.left == tuple(left.get(change.query, ()))
        assert change.right == tuple(right.get(change.query, ()))
    firsts = [change.first_differs for change in changes]
    assert firsts == sorted(firsts, reverse=True)
    assert changed_queries(left, left) == []


def test_the_page_holds_its_pictures_and_obeys_no_name(tmp_path: Path) -> None:
    for name in ("q.png", "a.png"):
        PillowImage.fromarray(np.full((50, 400, 3), 200, np.uint8)).save(tmp_path / name)
    nasty = '<script>alert("x")</script>.jpg'
    changes = [Change("q.png", ("a.png", nasty), ("a.png",)), Change(nasty, (), ("a.png",))]
    page = diff_page(
        changes, (3, 4), tmp_path, tmp_path, ["the group differs: <us> and them"], tmp_path / "in"
    ).decode()
    assert "<script>" not in page
    assert page.count("data:image/jpeg;base64,") == 2  # the query and a.png, though that stands there three times
    assert page.count('href="../a.png"') == 3  # each leads to its photo
    assert ">the group differs: &lt;us&gt; and them</p>" in page
    assert "2 queries are answered differently, 1 of them with another best name." in page
    assert "3: not answered" in page
    assert page.count('class="marked"') == 2  # the nasty name, and a.png where the other side has no answer


def test_a_long_list_is_cut_and_says_so(tmp_path: Path) -> None:
    changes = [Change(f"{number}.jpg", ("a",), ("b",)) for number in range(300)]
    page = diff_page(changes, (1, 2), tmp_path, tmp_path).decode()
    assert "The first 200 are shown." in page
    assert page.count("<h2 ") == 200


def test_a_link_is_an_address_whatever_the_photo_is_called(tmp_path: Path) -> None:
    names = ("javascript:alert(1).png", 'a"b <c>.png', "ü%41#?.png")
    for name in names:
        PillowImage.fromarray(np.full((9, 9, 3), 200, np.uint8)).save(tmp_path / name)
    page = diff_page([Change("q.png", names, ())], (1, 2), tmp_path, tmp_path, (), tmp_path).decode()
    for link in ("javascript%3Aalert%281%29.png", "a%22b%20%3Cc%3E.png", "%C3%BC%2541%23%3F.png"):
        assert f'<a href="{link}">' in page
