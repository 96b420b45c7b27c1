"""Submissions: their form and every defect."""

import json
import os
from collections.abc import Mapping
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.settings.competition import Dialect
from facematch.tasks.competition.submission import Submission, check, defects

QUERIES = [f"q{n}.jpg" for n in range(4)]
GALLERY = [f"g{n:02}.jpg" for n in range(20)]


def right() -> dict[str, tuple[str, ...]]:
    return {query: tuple(GALLERY[n : n + 10]) for n, query in enumerate(QUERIES)}


def found(images: Mapping[str, tuple[str, ...]], group: str = "us") -> list[str]:
    return defects(Submission(group, images), QUERIES, GALLERY)


class TestForm:
    def test_payload_is_the_text_that_the_server_expects(self) -> None:
        sent = Submission("us", {"q.jpg": ("a.jpg", "b.jpg")})
        assert json.loads(sent.payload()) == {"groupname": "us", "images": {"q.jpg": ["a.jpg", "b.jpg"]}}
        dialect = Dialect(group_key="team", images_key="answers")
        assert json.loads(sent.payload(dialect)) == {"team": "us", "answers": {"q.jpg": ["a.jpg", "b.jpg"]}}
        assert Submission.from_payload(sent.payload(dialect), dialect) == sent

    @settings(max_examples=40)
    @given(
        st.text(max_size=20),
        st.dictionaries(st.text(max_size=9), st.lists(st.text(max_size=9), max_size=11).map(tuple), max_size=3),
    )
    def test_a_payload_read_again_is_the_same_submission(self, group: str, images: dict[str, tuple[str, ...]]) -> None:
        sent = Submission(group, images)
        again = Submission.from_payload(sent.payload())
        assert again == sent
        assert list(again.images) == list(images)
        assert again.payload() == sent.payload()

    def test_a_name_that_is_not_unicode_survives(self) -> None:
        name = os.fsdecode(b"caf\xe9.jpg")
        sent = Submission("us", {name: (name,)})
        assert Submission.from_payload(sent.payload()) == sent

    def test_it_cannot_change_after_it_was_checked(self) -> None:
        images = right()
        sent = Submission("us", images)
        before = sent.payload()
        images["q0.jpg"] = ()
        assert sent.payload() == before
        with pytest.raises(FrozenInstanceError):
            sent.group = "them"  # type: ignore[misc]

    def test_other_keys_are_ignored(self) -> None:
        assert Submission.from_payload(b'{"groupname": "us", "images": {}, "year": 2026}') == Submission("us", {})

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"", "cannot be read as JSON"),
            (b"groupname=us", "cannot be read as JSON"),
            (b"\xff\xfe\xfd", "cannot be read as JSON"),
            (b"[" * 100_000, "cannot be read as JSON"),
            (b"[1]", "is a JSON list, not an object"),
            (b'{"group": "us", "images": {}}', "has no key 'groupname'; its keys: 'group', 'images'"),
            (b'{"groupname": "us"}', "has no key 'images'; its keys: 'groupname'"),
            (b"{}", "its keys: none"),
            (b'{"groupname": 7, "images": {}}', "has 7 as 'groupname', not a text"),
            (b'{"groupname": "us", "images": []}', "has [] as 'images', not an object"),
            (b'{"groupname": "us", "images": {"q.jpg": "a.jpg"}}', "'a.jpg' for the query q.jpg, not a list"),
            (b'{"groupname": "us", "images": {"q.jpg": ["a", null]}}', "the name None for the query q.jpg"),
            (b'{"groupname": "us", "images": {"q.jpg": [["a"]]}}', "the name ['a'] for the query q.jpg"),
            (b'{"groupname": "us", "images": {"q": [], "q": []}}', "the key 'q' twice"),
        ],
    )
    def test_another_form_is_named(self, data: bytes, words: str) -> None:
        with pytest.raises(FacematchError) as caught:
            Submission.from_payload(data)
        assert words in caught.value.message
        assert "groupname" in caught.value.hint

    def test_the_message_stays_short_for_a_long_payload(self) -> None:
        with pytest.raises(FacematchError) as caught:
            Submission.from_payload(json.dumps({"groupname": "us", "images": {"q" * 9999: "a" * 9999}}).encode())
        assert len(caught.value.message) < 400


class TestDefects:
    def test_a_right_submission_has_none(self) -> None:
        assert found(right()) == []
        check(Submission("us", right()), QUERIES, GALLERY)

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            ({"q1.jpg": None}, "queries of the folder that are missing: 1 (q1.jpg)"),
            ({"mine.jpg": tuple(GALLERY[:10])}, "queries that are not in the query folder: 1 (mine.jpg)"),
            ({"q1.jpg": tuple(GALLERY[:9])}, "queries without exactly 10 names: 1 (q1.jpg has 9)"),
            ({"q1.jpg": tuple(GALLERY[:11])}, "queries without exactly 10 names: 1 (q1.jpg has 11)"),
            ({"q1.jpg": ()}, "queries without exactly 10 names: 1 (q1.jpg has 0)"),
            ({"q1.jpg": (*GALLERY[:9], "g03.jpg")}, "queries that name a photo twice: 1 (q1.jpg names g03.jpg)"),
            ({"q1.jpg": (*GALLERY[:9], "x.jpg")}, "names that are not in the gallery: 1 (x.jpg for q1.jpg)"),
            ({"q1.jpg": (*GALLERY[:9], "q3.jpg")}, "names that are query photos: 1 (q3.jpg for q1.jpg)"),
            (
                {"q1.jpg": (*GALLERY[:9], "gallery/g15.jpg")},
                "names with a folder part or without extension: 1 (gallery/g15.jpg for q1.jpg)",
            ),
            (
                {"q1.jpg": (*GALLERY[:9], "gallery\\g15.jpg")},
                "names with a folder part or without extension: 1 (gallery\\g15.jpg for q1.jpg)",
            ),
            ({"q1.jpg": (*GALLERY[:9], "g15")}, "names with a folder part or without extension: 1 (g15 for q1.jpg)"),
        ],
    )
    def test_each_is_named_alone(self, change: dict[str, tuple[str, ...] | None], line: str) -> None:
        images = {query: names for query, names in {**right(), **change}.items() if names is not None}
        assert found(images) == [line]

    @pytest.mark.parametrize("name", ["query/q1.jpg", "q1", ""])
    def test_a_query_name_with_a_folder_or_without_extension(self, name: str) -> None:
        images = {query if query != "q1.jpg" else name: names for query, names in right().items()}
        assert found(images) == [
            "queries of the folder that are missing: 1 (q1.jpg)",
            f"query names with a folder part or without extension: 1 ({name})",
        ]

    @pytest.mark.parametrize("group", ["", "  \n"])
    def test_an_empty_group_name(self, group: str) -> None:
        assert found(right(), group) == ["the group's name is empty"]

    def test_no_queries(self) -> None:
        assert found({}) == ["the submission has no queries"]

    def test_an_empty_query_folder(self) -> None:
        assert defects(Submission("us", {}), [], GALLERY)[0] == "the query folder names no photos"

    def test_a_gallery_of_nine(self) -> None:
        images = {query: tuple(GALLERY[n:9]) for n, query in enumerate(QUERIES)}
        lines = defects(Submission("us", images), QUERIES, GALLERY[:9])
        assert lines[0] == "the gallery has 9 photos; each query needs 10 different ones"
        assert "queries without exactly 10 names: 4" in lines[1]

    def test_a_gallery_counts_different_names(self) -> None:
        lines = defects(Submission("us", right()), QUERIES, [GALLERY[0]] * 20)
        assert lines[0].startswith("the gallery has 1 photos")

    def test_a_name_in_both_folders_counts_as_a_query(self) -> None:
        lines = defects(Submission("us", right()), QUERIES, [*GALLERY, "q0.jpg"])
        assert lines == []
        images = {**right(), "q1.jpg": ("q0.jpg", *GALLERY[:9])}
        lines = defects(Submission("us", images), QUERIES, [*GALLERY, "q0.jpg"])
        assert lines == ["names that are query photos: 1 (q0.jpg for q1.jpg)"]

    def test_names_without_extension_are_right_where_the_folder_has_them(self) -> None:
        queries, gallery = [n[:-4] for n in QUERIES], [n[:-4] for n in GALLERY]
        images = {q[:-4]: tuple(name[:-4] for name in names) for q, names in right().items()}
        assert defects(Submission("us", images), queries, gallery) == []

    def test_the_same_ten_names_for_every_query(self) -> None:
        same = {query: tuple(GALLERY[:10]) for query in QUERIES}
        [line] = found(same)
        assert "all 4 queries have the same 10 names" in line
        two = dict(list(same.items())[:2])
        assert defects(Submission("us", two), QUERIES[:2], GALLERY) == []
        # A gallery of ten leaves no choice of names, only of their order.
        turned = {query: tuple(GALLERY[n:10] + GALLERY[:n]) for n, query in enumerate(QUERIES)}
        assert defects(Submission("us", turned), QUERIES, GALLERY[:10]) == []

    def test_many_cases_are_counted_and_three_shown(self) -> None:
        queries = [f"q{n}.jpg" for n in range(100)]
        lines = defects(Submission("us", right()), queries, GALLERY)
        assert lines == ["queries of the folder that are missing: 96 (q4.jpg, q5.jpg, q6.jpg … and 93 more)"]

    def test_everything_wrong_at_once_is_still_short(self) -> None:
        images = {f"a/{n}" * 1000: ("x", "x", f"g/{n}", f"y{n}.jpg", "q0.jpg") for n in range(1000)}
        lines = found(images, "")
        assert len(lines) == 8
        assert max(map(len, lines)) < 700

    def test_the_folders_swapped(self) -> None:
        images = {name: tuple(QUERIES) for name in GALLERY}
        lines = "\n".join(found(images))
        for kind in ("missing: 4", "not in the query folder: 20", "query photos: 80", "without exactly 10 names: 20"):
            assert kind in lines

    def test_check_lists_them_all(self) -> None:
        with pytest.raises(FacematchError) as caught:
            check(Submission("", {**right(), "q1.jpg": ()}), QUERIES, GALLERY)
        assert "- the group's name is empty\n- queries without exactly 10 names: 1" in caught.value.message
        assert "folders" in caught.value.hint

    @given(st.data())
    def test_any_ten_of_the_gallery_are_right(self, data: st.DataObject) -> None:
        ten = st.permutations(GALLERY).map(lambda names: tuple(names[:10]))
        images = {query: data.draw(ten) for query in QUERIES}
        if len(set(images.values())) > 1:
            assert found(images) == []
