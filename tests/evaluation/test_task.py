"""Who asks whom: no photo on both sides of a fold, everybody asks, nothing depends on the order of photos."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.evaluation.task import (
    RetrievalTask,
    across_domains,
    by_truth,
    halves,
    in_folds,
    leave_one_out,
    two_sides,
)

PEOPLE = {"a1": "ann", "a2": "ann", "a3": "ann", "b1": "bob", "b2": "bob", "c1": "cy", "d1": "dee"}
ASKED = [name for name in PEOPLE if name != "d1"]


def photos(counts: list[int], distractors: int) -> tuple[dict[str, str], list[str]]:
    people = [f"id{i}" for i, count in enumerate(counts) for _ in range(count)]
    asked = len(people)
    people += [f"other{i}" for i in range(distractors)]
    shown = {f"{person}/{number:03d}": person for number, person in enumerate(people)}
    return shown, list(shown)[:asked]


cases = st.tuples(st.lists(st.integers(1, 9), max_size=8), st.integers(0, 6), st.integers(2, 6), st.integers(0, 99))


@settings(deadline=None)
@given(cases)
def test_every_photo_asks_once_and_meets_others_of_its_person(case: tuple[list[int], int, int, int]) -> None:
    counts, distractors, count, seed = case
    shown, asked = photos(counts, distractors)
    task = in_folds(shown, asked, count=count, seed=seed)
    people = list(shown.values())
    for fold in task.divisions:
        assert not set(fold.queries) & set(fold.gallery)
        assert len(fold.queries) + len(fold.gallery) == len(shown)
        assert fold.identities == tuple(shown[name] for name in fold.queries)
        for person, right in zip(fold.identities, fold.relevant, strict=True):
            assert right == {other for other in fold.gallery if shown[other] == person}
            assert right
            of_person = people.count(person)
            if of_person <= count:
                assert len(right) == of_person - 1  # as in leave-one-out
    assert sorted(task.queries) == sorted(name for name in asked if people.count(shown[name]) > 1)
    assert sorted(task.queries) == sorted(leave_one_out(shown, asked).queries)
    assert not task.both_sides


@settings(deadline=None)
@given(cases)
def test_in_an_open_set_everybody_is_unknown_once(case: tuple[list[int], int, int, int]) -> None:
    counts, distractors, count, seed = case
    shown, asked = photos(counts, distractors)
    in_vain: list[str] = []
    for fold in in_folds(shown, asked, count=count, seed=seed, unknown=True).divisions:
        unknown = {who for who, right in zip(fold.identities, fold.relevant, strict=True) if not right}
        assert not unknown & {shown[name] for name in fold.gallery}
        in_vain += [name for name, right in zip(fold.queries, fold.relevant, strict=True) if not right]
    assert len(in_vain) == len(set(in_vain))


def test_every_fold_of_many_people_has_queries_and_a_gallery() -> None:
    shown, asked = photos([3] * 30, 4)
    assert [len(in_folds(shown, asked, unknown=unknown).divisions) for unknown in (False, True)] == [5, 5]
    assert in_folds(shown, asked).protocol == "each photo asks once, in 5 folds"


def queries_of(task: RetrievalTask) -> list[set[str]]:
    return [set(division.queries) for division in task.divisions]


def test_lots_do_not_depend_on_the_order_of_photos() -> None:
    shown, asked = photos([4, 5, 2, 3], 3)
    turned = {name: shown[name] for name in np.random.default_rng(1).permutation(list(shown)).tolist()}
    first = queries_of(in_folds(shown, asked))
    assert queries_of(in_folds(turned, asked[::-1])) == first
    assert queries_of(in_folds(shown, asked, seed=1)) != first


def test_leave_one_out_asks_everybody_with_another_photo() -> None:
    task = leave_one_out(PEOPLE, ASKED)
    (division,) = task.divisions
    assert task.queries == ("a1", "a2", "a3", "b1", "b2")  # cy has one photo, dee is a distractor
    assert division.gallery == tuple(PEOPLE)
    assert division.relevant[0] == {"a1", "a2", "a3"}
    assert division.ignored is not None
    assert division.ignored[0] == {"a1"}
    assert task.identities == ("ann", "ann", "ann", "bob", "bob")
    assert task.both_sides
    everyone = leave_one_out(PEOPLE, ASKED, closed=False)
    assert everyone.queries == tuple(ASKED)
    assert everyone.divisions[0].answerable == [True] * 5 + [False]


def test_two_sides_are_those_that_were_given() -> None:
    shown = {**PEOPLE, "q1": "ann", "q2": "eve"}
    (division,) = two_sides(["q2", "q1"], list(PEOPLE), shown).divisions
    assert (division.queries, division.gallery) == (("q2", "q1"), tuple(PEOPLE))
    assert division.relevant == (frozenset(), {"a1", "a2", "a3"})
    assert division.answerable == [False, True]
    copies = two_sides(["q1"], ["a1", "a2"], shown, ignored=(frozenset({"a1", "a2"}),))
    assert copies.divisions[0].answerable == [False]


def test_of_a_ground_truth_every_query_asks_and_only_photos_that_are_there_are_relevant() -> None:
    truth = {"q1": frozenset({"g1", "g2"}), "q2": frozenset({"g2"}), "q3": frozenset({"gone"})}
    task = by_truth(truth, list(truth), ["g1", "g2", "g3"])
    (division,) = task.divisions
    assert division.relevant == ({"g1", "g2"}, {"g2"}, frozenset())
    assert task.identities == ("g1", "g1", "gone")
    assert task.shown == {"q1": "g1", "q2": "g1", "q3": "gone"}
    assert not task.closed


@settings(deadline=None)
@given(cases, st.integers(0, 2**32 - 1))
def test_what_is_missing_leaves_all_sides_and_folds_do_not_move(
    case: tuple[list[int], int, int, int], lost: int
) -> None:
    counts, distractors, count, seed = case
    shown, asked = photos(counts, distractors)
    there = {name for name in shown if np.random.default_rng([lost, *name.encode()]).random() < 0.7}
    for task in (leave_one_out(shown, asked), in_folds(shown, asked, count=count, seed=seed)):
        here = task.among(there)
        assert task.among(shown).queries == task.queries
        before = {name: division for division in task.divisions for name in division.queries}
        for division in here.divisions:
            assert set(division.gallery) <= there
            assert all(division.answerable)
            for name, right in zip(division.queries, division.relevant, strict=True):
                whole = before[name]
                assert right == whole.relevant[whole.queries.index(name)] & there
        wanted = {n for n, d in before.items() if d.relevant[d.queries.index(n)] & there - {n} and n in there}
        assert set(here.queries) == wanted


@pytest.mark.parametrize("cells", [1, 7, 20, 10_000])
def test_blocks_are_all_queries_in_their_order(cells: int) -> None:
    task = leave_one_out(PEOPLE, ASKED)
    parts = list(task.blocks(cells))
    assert [name for part in parts for name in part.queries] == list(task.queries)
    assert all(part.divisions[0].gallery == tuple(PEOPLE) for part in parts)
    assert [names for part in parts for names in part.divisions[0].relevant] == list(task.divisions[0].relevant)
    assert max(len(part.queries) for part in parts) == max(1, min(5, cells // 7))


def test_halves_are_of_people_and_by_lot() -> None:
    people = [f"id{i // 3}" for i in range(60)]
    first = halves(people)
    assert first.sum() == 30
    assert all(first[i] == first[3 * (i // 3)] for i in range(60))
    assert halves(people[::-1]).tolist() == first[::-1].tolist()
    assert halves(people, seed=1).tolist() != first.tolist()


@settings(deadline=None)
@given(cases, st.data())
def test_one_domain_asks_another(case: tuple[list[int], int, int, int], data: st.DataObject) -> None:
    shown, asked = photos(*case[:2])
    domain_of = {name: data.draw(st.sampled_from(["photo", "drawn", "other"])) for name in shown}
    task = across_domains(shown, asked, domain_of, ("photo", "drawn"))
    (division,) = task.divisions
    assert division.gallery == tuple(name for name in shown if domain_of[name] == "drawn")
    right = {name: {each for each in division.gallery if shown[each] == shown[name]} for name in asked}
    assert division.queries == tuple(name for name in asked if domain_of[name] == "photo" and right[name])
    assert division.relevant == tuple(frozenset(right[name]) for name in division.queries)
    assert not task.both_sides
    every = across_domains(shown, asked, domain_of, ("photo", "drawn"), closed=False).divisions[0]
    assert every.queries == tuple(name for name in asked if domain_of[name] == "photo")


def test_a_domain_does_not_ask_itself() -> None:
    with pytest.raises(ValueError, match="both domains are photo"):
        across_domains(PEOPLE, ASKED, dict.fromkeys(PEOPLE, "photo"), ("photo", "photo"))
