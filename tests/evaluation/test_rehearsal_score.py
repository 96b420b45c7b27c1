"""Scoring, against a count by hand and by a naive reference."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.evaluation.score import Score, read_ground_truth, score_submission
from facematch.settings.competition import CompetitionForm

NAMES = [f"g{n}" for n in range(14)]
TRUTHS = st.dictionaries(
    st.sampled_from([f"q{n}" for n in range(8)]), st.frozensets(st.sampled_from(NAMES)), min_size=1
)
IMAGES = st.dictionaries(st.sampled_from([f"q{n}" for n in range(10)]), st.lists(st.sampled_from(NAMES), max_size=13))


def published() -> tuple[dict[str, list[str]], dict[str, frozenset[str]]]:
    # 107 queries: 12 right at once, 11 more within five names, 11 more within ten.
    places = [0] * 12 + [4] * 11 + [9] * 11 + [10] * 20 + [None] * 53
    images, truth = {}, {}
    for number, place in enumerate(places):
        names = [f"wrong{n}.jpg" for n in range(12)]
        if place is not None:
            names[place] = f"right{number}.jpg"
        images[f"q{number}.jpg"] = names
        truth[f"q{number}.jpg"] = frozenset({f"right{number}.jpg", f"also{number}.jpg"})
    return images, truth


def test_the_published_example() -> None:
    score = score_submission(*published())
    assert (score.top1, score.top5, score.top10) == (0.11214953271028037, 0.21495327102803738, 0.3177570093457944)
    shares = (score.top1, score.top5, score.top10)
    assert CompetitionForm().score(*shares) == pytest.approx((600 * 12 + 300 * 23 + 100 * 34) / 107)


def test_extra_queries_are_ignored_and_missing_ones_are_wrong() -> None:
    images, truth = published()
    extra = {**images, "mine.jpg": ["right0.jpg"] * 10}
    assert score_submission(extra, truth) == score_submission(images, truth)
    del images["q0.jpg"]
    assert score_submission(images, truth).top1 == 11 / 107
    assert score_submission({}, truth) == Score(0, 0, 0)


def naive(images: Mapping[str, Sequence[str]], truth: Mapping[str, frozenset[str]]) -> tuple[float, ...]:
    hits = [0, 0, 0]
    for query in truth:
        first = None
        for place, name in enumerate(images.get(query, []), start=1):
            if name in truth[query]:
                first = place
                break
        for index, k in enumerate((1, 5, 10)):
            if first is not None and first <= k:
                hits[index] += 1
    return tuple(hit / len(truth) for hit in hits)


@given(IMAGES, TRUTHS)
def test_any_submission_against_the_naive_reference(
    images: dict[str, list[str]], truth: dict[str, frozenset[str]]
) -> None:
    score = score_submission(images, truth)
    assert (score.top1, score.top5, score.top10) == naive(images, truth)
    assert score.top1 <= score.top5 <= score.top10
    assert 0 <= CompetitionForm().score(score.top1, score.top5, score.top10) <= 1000


@given(IMAGES, TRUTHS)
def test_repeated_names_are_harmless(images: dict[str, list[str]], truth: dict[str, frozenset[str]]) -> None:
    repeated = {query: names[:10] + names[:10][::-1] for query, names in images.items()}
    assert score_submission(repeated, truth).top1 == score_submission(images, truth).top1
    once = {query: [name for name in names for _ in range(2)] for query, names in images.items()}
    assert score_submission(once, truth).top10 <= score_submission(images, truth).top10


def test_a_truth_without_queries() -> None:
    with pytest.raises(FacematchError, match="no queries"):
        score_submission({}, {})


class TestGroundTruth:
    def test_it_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "truth.json"
        path.write_text(json.dumps({"q.jpg": ["é.jpg", "b.jpg", "b.jpg"], "r.jpg": []}))
        assert read_ground_truth(path) == {"q.jpg": frozenset({"é.jpg", "b.jpg"}), "r.jpg": frozenset()}

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("{", "is damaged, or of another kind"),
            ("[]", "is a JSON list, not an object"),
            ("{}", "is empty: 0 queries"),
            ('{"q.jpg": [], "r.jpg": []}', "is empty: 2 queries, none with a right gallery photo"),
            ('{"q.jpg": "a.jpg"}', "'a.jpg' for the query 'q.jpg', not a list of names"),
            ('{"q.jpg": ["a.jpg", 7]}', "['a.jpg', 7] for the query 'q.jpg', not a list of names"),
            ('{"groupname": "us", "images": {}}', "'us' for the query 'groupname'"),
        ],
    )
    def test_another_form(self, tmp_path: Path, text: str, words: str) -> None:
        path = tmp_path / "truth.json"
        path.write_text(text)
        with pytest.raises(FacematchError) as caught:
            read_ground_truth(path)
        assert words in caught.value.message
        assert str(path) in caught.value.message

    @pytest.mark.parametrize(("name", "words"), [("absent.json", "does not exist"), (".", "is not a file")])
    def test_a_missing_file(self, tmp_path: Path, name: str, words: str) -> None:
        with pytest.raises(FacematchError) as caught:
            read_ground_truth(tmp_path / name)
        assert words in caught.value.message
        assert "facematch sample" in caught.value.hint
