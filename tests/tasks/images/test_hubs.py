"""Groups round their greatest member against a naive reference, and laws of them."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from facematch.tasks.images.copies import groups_of_links

COUNT = 9
PAIRS = st.sets(st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)).filter(lambda pair: pair[0] < pair[1]))


def reachable(start: int, links: set[tuple[int, int]]) -> set[int]:
    seen = {start}
    while more := {b for a, b in links if a in seen} | {a for a, b in links if b in seen}:
        if more <= seen:
            break
        seen |= more
    return seen


def naive(links: set[tuple[int, int]], hidden: set[tuple[int, int]]) -> list[tuple[int, set[int]]]:
    """The greatest first: what it is linked with, by links or by hidden links within what hangs together."""
    left, groups = set(range(COUNT)), []
    for greatest in reversed(range(COUNT)):
        if greatest in left:
            near = [each for each in reachable(greatest, links) if each in left and each < greatest]
            members = {each for each in near if (each, greatest) in links | hidden}
            left -= {greatest, *members}
            if members:
                groups.append((greatest, members))
    return groups


@given(links=PAIRS, hidden=PAIRS)
def test_groups_are_those_of_a_naive_search(links: set[tuple[int, int]], hidden: set[tuple[int, int]]) -> None:
    told = {pair: f"{pair[0]}-{pair[1]}" for pair in links}

    def check(others: Sequence[int], greatest: int) -> Mapping[int, str]:
        assert not {(each, greatest) for each in others} & links  # nothing is compared twice
        return {each: f"{each}-{greatest}" for each in others if (each, greatest) in hidden}

    groups = groups_of_links(COUNT, told, check)
    assert [(greatest, set(members)) for greatest, members in groups] == naive(links, hidden)
    for greatest, members in groups:
        assert members == {each: f"{each}-{greatest}" for each in sorted(members)}
        assert max(members) < greatest
    everyone = [each for greatest, members in groups for each in (greatest, *members)]
    assert len(everyone) == len(set(everyone))


def test_a_chain_is_no_group() -> None:
    chain = {(number, number + 1): "alike" for number in range(5)}
    assert groups_of_links(6, chain, lambda others, greatest: {}) == [
        (5, {4: "alike"}),
        (3, {2: "alike"}),
        (1, {0: "alike"}),
    ]
    whole = groups_of_links(6, chain, lambda others, greatest: dict.fromkeys(others, "direct"))
    assert whole == [(5, {0: "direct", 1: "direct", 2: "direct", 3: "direct", 4: "alike"})]


def test_without_links_there_is_no_group() -> None:
    assert groups_of_links(0, {}, lambda others, greatest: {}) == []
    assert groups_of_links(3, {}, lambda others, greatest: {}) == []
