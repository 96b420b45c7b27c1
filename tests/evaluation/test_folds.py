"""Folds: no photo on both sides, everybody asks, nothing depends on the order of photos."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.folds import Evaluated, evaluate_folds, fixed_fold, make_folds
from facematch.ranking.embeddings import Embeddings
from facematch.ranking.ranking import distance_estimator


def photos(counts: list[int], distractors: int, seed: int = 0) -> tuple[Embeddings, list[str], list[bool]]:
    people = [f"id{i}" for i, count in enumerate(counts) for _ in range(count)]
    asked = [True] * len(people) + [False] * distractors
    people += [f"other{i}" for i in range(distractors)]
    vectors = np.random.default_rng(seed).normal(size=(len(people), 3)).astype(np.float32)
    names = tuple(f"{person}/{number:03d}" for number, person in enumerate(people))
    return Embeddings(names, vectors, "euclidean", Fingerprint()), people, asked


cases = st.tuples(st.lists(st.integers(1, 9), max_size=8), st.integers(0, 6), st.integers(2, 6), st.integers(0, 99))


@settings(deadline=None)
@given(cases)
def test_every_photo_asks_once_and_meets_others_of_its_person(case: tuple[list[int], int, int, int]) -> None:
    counts, distractors, count, seed = case
    embeddings, people, asked = photos(counts, distractors)
    folds = make_folds(embeddings, people, asked, count=count, seed=seed)
    shown = dict(zip(embeddings.names, people, strict=True))
    asking = []
    for fold in folds:
        assert not set(fold.query.names) & set(fold.gallery.names)
        assert len(fold.query) + len(fold.gallery) == len(embeddings)
        assert fold.people == tuple(shown[name] for name in fold.query.names)
        assert fold.gallery_people == tuple(shown[name] for name in fold.gallery.names)
        for name, person, right in zip(fold.query.names, fold.people, fold.relevant, strict=True):
            assert right == {other for other in fold.gallery.names if shown[other] == person}
            assert right
            of_person = people.count(person)
            if of_person <= count:
                assert len(right) == of_person - 1  # as in leave-one-out
            assert (
                fold.query.vectors[fold.query.names.index(name)] == embeddings.vectors[embeddings.names.index(name)]
            ).all()
        asking += list(fold.query.names)
    wanted = [name for name, ask in zip(embeddings.names, asked, strict=True) if ask and people.count(shown[name]) > 1]
    assert sorted(asking) == sorted(wanted)


@settings(deadline=None)
@given(cases)
def test_in_an_open_set_everybody_is_unknown_once(case: tuple[list[int], int, int, int]) -> None:
    counts, distractors, count, seed = case
    embeddings, people, asked = photos(counts, distractors)
    folds = make_folds(embeddings, people, asked, count=count, seed=seed, unknown=True)
    in_vain: list[str] = []
    for fold in folds:
        unknown = {person for person, right in zip(fold.people, fold.relevant, strict=True) if not right}
        assert not unknown & set(fold.gallery_people)
        in_vain += [n for n, right in zip(fold.query.names, fold.relevant, strict=True) if not right]
    assert len(in_vain) == len(set(in_vain))


def test_every_fold_of_many_people_has_queries_and_a_gallery() -> None:
    embeddings, people, asked = photos([3] * 30, 4)
    assert [len(make_folds(embeddings, people, asked, count=5, unknown=unknown)) for unknown in (False, True)] == [5, 5]


def test_lots_do_not_depend_on_the_order_of_photos() -> None:
    embeddings, people, asked = photos([4, 5, 2, 3], 3)
    turned = np.random.default_rng(1).permutation(len(people))
    other = Embeddings(
        tuple(embeddings.names[i] for i in turned), embeddings.vectors[turned], "euclidean", Fingerprint()
    )
    first = make_folds(embeddings, people, asked)
    second = make_folds(other, [people[i] for i in turned], [asked[i] for i in turned])
    assert [set(fold.query.names) for fold in first] == [set(fold.query.names) for fold in second]
    moved = make_folds(embeddings, people, asked, seed=1)
    assert [set(fold.query.names) for fold in first] != [set(fold.query.names) for fold in moved]


def test_rows_lead_back_to_their_ranking() -> None:
    embeddings, people, asked = photos([4, 3, 3, 4], 5)
    folds = make_folds(embeddings, people, asked)
    found: Evaluated = evaluate_folds(
        folds, lambda fold: distance_estimator(fold.query, fold.gallery, len(fold.gallery))
    )
    for row, name in enumerate(found.judged.queries):
        ranking, inner = found.place(row)
        assert ranking.queries[inner] == name
        distances = found.judged.distances[row]
        assert distances[np.isfinite(distances)].tolist() == ranking.distances[inner].tolist()
    with pytest.raises(IndexError):
        found.place(len(found.judged))


def test_a_fixed_fold_has_the_sides_it_was_given() -> None:
    embeddings, people, asked = photos([3, 2], 2)
    fold = fixed_fold(embeddings, people, asked, [not each for each in asked])
    assert fold.query.names == embeddings.names[:5]
    assert fold.gallery.names == embeddings.names[5:]
    assert (fold.people, fold.gallery_people) == (tuple(people[:5]), tuple(people[5:]))
    np.testing.assert_array_equal(fold.gallery.vectors, embeddings.vectors[5:])
