"""Subgroups: a CSV read with care, queries matched to its rows, and figures against means by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.evaluation.bootstrap import mean_figure
from facematch.tasks.report.subgroups import (
    Attributes,
    column_values,
    largest_gap,
    read_attributes,
    subgroup_figures,
    subgroup_labels,
)


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "attributes.csv"
    path.write_bytes(text.encode(encoding))
    return path


def attributes(*names: str) -> Attributes:
    """Every row holds its own name as its value."""
    return Attributes("people.csv", ("age",), {name: {"age": name} for name in names})


def test_rows_are_read_by_the_first_column(tmp_path: Path) -> None:
    path = table(tmp_path, '\ufeffphoto, age,note\r\nann/1.jpg,31,"a, b"\r\n\r\n bob/1.jpg , 44 ,\r\n')
    found = read_attributes(path)
    assert found.columns == ("age", "note")
    assert found.rows == {"ann/1.jpg": {"age": "31", "note": "a, b"}, "bob/1.jpg": {"age": "44", "note": ""}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "attributes.csv is empty"),
        ("\n\n", "attributes.csv is empty"),
        ("photo,age\n", "has a header and no rows"),
        ("ann/1.jpg,31\nbob/1.jpg,44\n", "has no header: its first line begins with 'ann/1.jpg'"),
        ("photo;age\nann;31\n", "only the column 'photo;age'"),
        ("photo,age,age\nann,31,31\n", "names the column 'age' twice"),
        ("photo,,age\nann,31,31\n", "names the column '' twice or leaves it without a name"),
        ("photo,age\nann,31\nbob,4,4\n", "line 3 has 3 fields; the header has 2"),
        ("photo,age\nann\n", "line 2 has 1 fields; the header has 2"),
        ("photo,age\n,31\n", "line 2 has nothing in the column 'photo'"),
        ("photo,age\nann,31\n\nbob,1\nann,32\n", "describes 'ann' twice, in lines 2 and 5"),
        ('photo,age\nann,"31\n', "is damaged, or of another kind: "),
    ],
)
def test_a_file_that_is_no_table_says_why(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(FacematchError, match=problem):
        read_attributes(table(tmp_path, text))


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match=r"nowhere\.csv does not exist"):
        read_attributes(tmp_path / "nowhere.csv")
    with pytest.raises(FacematchError, match="is damaged, or of another kind: "):
        read_attributes(table(tmp_path, "photo,name\n1,José\n", "latin-1"))


def test_an_unknown_column_names_the_nearest(tmp_path: Path) -> None:
    found = read_attributes(table(tmp_path, "photo,age,gender\nann,31,f\n"))
    with pytest.raises(FacematchError, match=r"no column 'agee' \(did you mean 'age'\?\)") as caught:
        column_values(found, "agee", ["ann"], ["ann"])
    assert caught.value.hint == "Its columns are age, gender."


@pytest.mark.parametrize(
    ("rows", "queries", "values"),
    [
        (["ann/1.jpg", "1.jpg", "ann"], ["ann/1.jpg"], ["ann/1.jpg"]),  # the full name first
        (["1.jpg", "ann"], ["ann/1.jpg"], ["1.jpg"]),  # then the base name
        (["x/1.jpg", "ann"], ["1.jpg"], ["x/1.jpg"]),  # whichever side has the folder
        (["ann"], ["ann/1.jpg", "ann/2.jpg"], ["ann", "ann"]),  # then the person
        (["1.jpg", "ann", "bob"], ["ann/1.jpg", "bob/1.jpg"], ["ann", "bob"]),  # two queries of one base name
        (["x/1.jpg", "y/1.jpg", "ann"], ["1.jpg"], ["ann"]),  # two rows of one base name
        (["bob/1.jpg", "ann"], ["ann/1.jpg"], ["ann"]),  # another folder is another photo
        (["ann/1.jpg"], ["ann/1.jpg", "bob/1.jpg"], ["ann/1.jpg", None]),
    ],
)
def test_a_query_finds_its_row(rows: list[str], queries: list[str], values: list[str | None]) -> None:
    people = ["bob" if query.startswith("bob") else "ann" for query in queries]
    undescribed = [query for query, value in zip(queries, values, strict=True) if value is None]
    assert column_values(attributes(*rows), "age", queries, people) == (values, undescribed)


def test_people_may_be_numbers_and_an_empty_cell_is_no_value() -> None:
    described = Attributes("a.csv", ("age",), {"7": {"age": ""}, "8": {"age": "x"}})
    assert column_values(described, "age", ["q", "r"], [7, 8]) == ([None, "x"], [])


def test_a_table_of_other_photos_is_an_error() -> None:
    with pytest.raises(
        FacematchError, match=r"people\.csv describes none of the 2 queries .*'zoe'.*'ann/1\.jpg', of 'ann'"
    ):
        column_values(attributes("zoe"), "age", ["ann/1.jpg", "ann/2.jpg"], ["ann", "ann"])
    assert column_values(attributes("zoe"), "age", [], []) == ([], [])


def test_few_numbers_and_text_stay_as_they_are() -> None:
    few = [str(i % 8) for i in range(40)]
    assert subgroup_labels(few) == tuple(few)
    text = [f"name {i}" for i in range(40)]
    assert subgroup_labels(text) == tuple(text)
    almost = [*(str(i) for i in range(40)), "unknown"]
    assert subgroup_labels(almost) == tuple(almost)
    assert subgroup_labels([*map(str, range(20)), "nan"])[0] == "0"
    assert subgroup_labels([]) == ()
    assert subgroup_labels([None, None]) == (None, None)


def test_many_numbers_are_cut_at_quartiles() -> None:
    labels = subgroup_labels([*(str(age) for age in range(20, 40)), None])
    assert labels[0] == "quartile 1 (20–24)"
    assert labels[19] == "quartile 4 (35–39)"
    assert labels[20] is None
    assert [labels.count(label) for label in dict.fromkeys(labels[:20])] == [5, 5, 5, 5]


@given(st.lists(st.floats(-1e6, 1e6), min_size=9, max_size=60, unique=True), st.integers(1, 3))
def test_quartiles_hold_what_their_cuts_say(numbers: list[float], times: int) -> None:
    values = [repr(number) for number in numbers] * times
    cuts = np.quantile(numbers * times, [0.25, 0.5, 0.75])
    for value, label in zip(values, subgroup_labels(values), strict=True):
        assert label is not None
        assert label.startswith(f"quartile {1 + sum(float(value) > cut for cut in cuts)} (")


def test_a_subgroup_is_the_mean_of_its_queries() -> None:
    rng = np.random.default_rng(0)
    values = np.where(rng.random(200) < 0.1, np.nan, rng.random(200))
    groups = rng.integers(0, 50, 200).tolist()
    labels: list[str | None] = [[None, "10", "9"][i] for i in rng.integers(0, 3, 200)]
    figures = subgroup_figures("mAP", values, groups, labels, rounds=100)
    assert [label for label, _ in figures] == ["9", "10"]  # numbers stand in order of number
    for label, figure in figures:
        inside = [i for i, other in enumerate(labels) if other == label]
        assert figure == mean_figure("mAP", values[inside], [groups[i] for i in inside], rounds=100)
        assert figure.value == pytest.approx(np.nanmean(values[inside]))
        assert figure.interval is not None


def test_a_small_subgroup_says_insufficient_data() -> None:
    labels = ["few"] * 27 + ["enough"] * 10
    groups = [i // 3 for i in range(27)] + [f"p{i}" for i in range(10)]
    figures = dict(subgroup_figures("top-1", np.tile([1.0, 0.0], 19)[:37], groups, labels))
    assert figures["few"].interval is None
    assert figures["few"].note == "insufficient data for an interval: 9 people, at least 10 are needed"
    assert figures["enough"].interval is not None


def people_in(sizes: Sequence[int], photos: int) -> tuple[list[int], list[str]]:
    people = [person for person in range(sum(sizes)) for _ in range(photos)]
    of_person = [f"s{number}" for number, size in enumerate(sizes) for _ in range(size)]
    return people, [of_person[person] for person in people]


def test_the_gap_is_that_of_the_best_and_the_worst() -> None:
    groups, labels = people_in([12, 15, 12, 3], 2)
    rng = np.random.default_rng(0)
    level = {"s0": 0.5, "s1": 0.9, "s2": 0.2, "s3": 0.0}
    values = np.array([level[label] for label in labels]) + rng.normal(0, 0.05, len(labels))
    values[0] = np.nan
    found = largest_gap("mAP", values, groups, labels, rounds=500)
    at = np.array(labels)
    assert found.value == pytest.approx(values[at == "s1"].mean() - values[at == "s2"].mean())
    assert found.interval is not None
    assert 0 < found.interval[0] < found.value < found.interval[1]
    assert (found.count, found.people) == (77, 39)  # s3 has 3 people and takes no part
    assert found.note == "s1 less s2; the interval allows for the choice among 3 subgroups"


def test_a_gap_of_two_is_wider_when_it_was_chosen_among_many() -> None:
    rng = np.random.default_rng(0)
    groups, labels = people_in([12] * 8, 1)
    values = rng.normal(size=len(labels))
    values[:12] += 3
    values[12:24] -= 3
    all_eight = largest_gap("x", values, groups, labels).interval
    two = largest_gap("x", values[:24], groups[:24], labels[:24]).interval
    assert all_eight is not None
    assert two is not None
    assert all_eight[1] - all_eight[0] > 1.2 * (two[1] - two[0])


def test_a_gap_needs_two_subgroups_of_ten_people() -> None:
    groups, labels = people_in([12, 9], 3)
    found = largest_gap("top-1", np.ones(len(labels)), groups, labels)
    assert (found.value, found.interval) == (None, None)
    assert found.note == "insufficient data: a gap needs 2 subgroups of 10 people or more, found 1"
    assert largest_gap("top-1", [], [], []).value is None


def test_subgroups_without_a_difference_are_called_different_as_seldom_as_they_should() -> None:
    rng = np.random.default_rng(1)
    called = 0
    for trial in range(200):
        groups, labels = people_in([12] * 5, 4)
        ability = rng.beta(4, 2, 60)
        found = largest_gap("top-1", rng.random(240) < ability[groups], groups, labels, rounds=300, seed=trial)
        assert found.interval is not None
        called += found.interval[0] > 0
    assert called / 200 <= 0.08


def test_photos_of_one_person_may_be_in_several_subgroups() -> None:
    # Photos of one person go together, whatever their pose: the difference has no noise at all.
    people = [person for person in range(12) for _ in range(2)]
    ability = np.random.default_rng(0).random(12)
    pose = ["front", "side"] * 12
    values = ability[people] + np.where(np.array(pose) == "front", 0.25, 0)
    found = largest_gap("mAP", values, people, pose)
    assert found.value == pytest.approx(0.25)
    assert found.interval == pytest.approx((0.25, 0.25))
