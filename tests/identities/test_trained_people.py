"""Who of some people was trained on, told by names, by digests of names, or by both."""

from hypothesis import given
from hypothesis import strategies as st

from facematch.identities.values import person_digest, trained_among

NAMES = st.sets(st.text(max_size=5), max_size=8)


@given(NAMES, NAMES, NAMES)
def test_digests_tell_what_names_tell(people: set[str], named: set[str], digested: set[str]) -> None:
    trained_on = [*named, *map(person_digest, digested)]
    assert trained_among(people, trained_on) == people & (named | digested)


def test_a_digest_is_that_of_the_names_bytes_and_stays_one() -> None:
    known = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    assert person_digest("foo") == known == person_digest(known)
    assert person_digest("\udcff") != person_digest("\ud800") != person_digest("?")  # folders' names that are no UTF-8
