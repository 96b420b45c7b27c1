"""The index a ranking uses, and the reason that is given."""

import pytest

from facematch.ranking import choice
from facematch.ranking.choice import choose_index
from facematch.settings.ranking import INDEXES, IndexKind, allowed


@pytest.mark.parametrize(
    ("queries", "gallery", "k", "metric", "kind", "reason"),
    [
        (1_500, 1_500, 10, "cosine", "exact", "1,500 photos are compared at once"),
        (1_000, 1_000_000, 10, "euclidean", "exact", "an index pays from 75,000 queries on; there are 1,000"),
        (75_000, 100_000, 10, "euclidean", "hnsw", "75,000 queries are worth an index of 100,000 photos"),
        (75_000, 49_999, 10, "euclidean", "exact", "49,999 photos are compared at once"),
        (75_000, 1_000_000, 10, "euclidean", "exact", "misses too many, or takes as long"),
        (50_000, 1_000_000, 10, "manhattan", "exact", "no index for the metric manhattan"),
        (50_000, 1_000_000, 10, "hamming", "exact", "from 90,000 queries"),
        (90_000, 1_000_000, 10, "hamming", "hnsw", "worth an index"),
        (90_000, 20_000, 20_000, "cosine", "exact", "the whole gallery is ranked"),
    ],
)
def test_auto_says_why(queries: int, gallery: int, k: int, metric: str, kind: IndexKind, reason: str) -> None:
    chosen = choose_index("auto", queries, gallery, k, 64, metric)
    assert chosen.kind == kind
    assert reason in chosen.reason


def test_a_copy_that_does_not_fit_in_memory_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_free_memory", lambda: 1e8)
    chosen = choose_index("auto", 80_000, 100_000, 10, 2048, "cosine")
    assert (chosen.kind, chosen.reason) == (
        "exact",
        "an index holds a copy of the vectors, which does not fit in memory",
    )
    assert choose_index("auto", 80_000, 100_000, 10, 512, "cosine").kind == "hnsw"


@pytest.mark.parametrize("wanted", [each for each in INDEXES if each != "auto"])
def test_what_was_asked_for_is_kept_without_a_word(wanted: IndexKind) -> None:
    chosen = choose_index(wanted, 10, 5_000, 10, 64, "hamming" if "multi" in wanted else "cosine")
    assert (chosen.kind, chosen.reason) == (wanted, "")
    assert chosen.approximate == (wanted in ("hnsw", "ivf-pq"))
    assert choose_index(wanted, 10, 5_000, 5_000, 64, "cosine").kind == "exact"  # a whole ranking


def test_cells_need_photos_to_be_learned_from() -> None:
    assert choose_index("ivf-pq", 10, 999, 10, 64, "cosine").reason == "999 photos are too few for cells"
    assert choose_index("ivf-pq", 10, 1_000, 10, 64, "cosine").kind == "ivf-pq"


def test_each_metric_has_its_indexes() -> None:
    known = {metric: [each for each in INDEXES if allowed(each, metric)] for metric in ("cosine", "jaccard", "hamming")}
    assert known == {
        "cosine": ["auto", "exact", "hnsw", "ivf-pq"],
        "jaccard": ["auto", "exact"],
        "hamming": ["auto", "exact", "multi-index-hashing", "hnsw"],
    }
