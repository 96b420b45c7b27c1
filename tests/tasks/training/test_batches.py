"""P×K batches: every photo, different identities, exactly K places, as few batches as needed."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from facematch.core.errors import FacematchError
from facematch.settings.training import TrainingSettings
from facematch.tasks.training.batches import Sampling, epoch_batches, pk_batches

Labels = NDArray[np.int64]


def labels_of(counts: list[int]) -> Labels:
    """Return `counts[i]` labels i, in shuffled order."""
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    return np.random.default_rng(0).permutation(labels)


def people_in(batch: Labels, labels: Labels, photos_per_identity: int) -> list[int]:
    """Return the identity of each group of K places, checking that a group has one identity."""
    groups = labels[batch].reshape(-1, photos_per_identity)
    assert (groups == groups[:, :1]).all()
    return [int(who) for who in groups[:, 0]]


def fewest_batches(counts: list[int], per_batch: int, size: int) -> int:
    """Return the lower bound: places for all chunks, and one batch for each chunk of one identity."""
    chunks = [-(-count // size) for count in counts]
    return max(max(chunks), -(-sum(chunks) // per_batch))


some_counts = st.lists(st.integers(1, 23), min_size=2, max_size=40)


@settings(max_examples=150, deadline=None)
@given(counts=some_counts, identities=st.integers(2, 12), size=st.integers(1, 6), seed=st.integers(0, 2**31 - 1))
def test_laws(counts: list[int], identities: int, size: int, seed: int) -> None:
    labels = labels_of(counts)
    batches = pk_batches(labels, identities, size, seed=seed, epoch=1)
    per_batch = min(identities, len(counts))

    assert len(batches) == fewest_batches(counts, per_batch, size)
    assert {int(index) for batch in batches for index in batch} == set(range(len(labels)))
    for batch in batches:
        assert batch.shape == (per_batch * size,)
        assert batch.dtype == np.int64
        people = people_in(batch, labels, size)
        assert len(set(people)) == per_batch


@settings(max_examples=60, deadline=None)
@given(counts=some_counts, size=st.integers(1, 6), seed=st.integers(0, 1000))
def test_a_photo_is_repeated_in_a_chunk_only_where_there_are_too_few(counts: list[int], size: int, seed: int) -> None:
    labels = labels_of(counts)
    for batch in pk_batches(labels, 4, size, seed=seed, epoch=0):
        for chunk in batch.reshape(-1, size):
            own = counts[int(labels[chunk[0]])]
            times = Counter(chunk.tolist()).values()
            assert len(times) == min(own, size)
            assert max(times) - min(times) <= 1


def test_balanced_identities_appear_equally_often() -> None:
    """8 people × 8 photos in chunks of 4 and batches of 4: 16 chunks fill 4 batches, nothing twice."""
    batches = pk_batches(labels_of([8] * 8), 4, 4, seed=3, epoch=2)
    drawn = np.concatenate(batches)
    assert len(batches) == 4
    assert sorted(drawn.tolist()) == list(range(64))


def test_one_large_identity_among_small_ones() -> None:
    """The large identity is in every batch; the small ones fill up in turn, none much more than another."""
    counts = [40] + [2] * 9
    labels = labels_of(counts)
    batches = pk_batches(labels, 3, 2, seed=1, epoch=1)
    seen = Counter(who for batch in batches for who in people_in(batch, labels, 2))
    assert len(batches) == 20
    assert seen[0] == 20
    small = [seen[who] for who in range(1, 10)]
    assert sum(small) == 40
    assert max(small) - min(small) <= 2


def test_fewer_identities_than_asked_for() -> None:
    batches = pk_batches(labels_of([5, 5, 5]), 16, 4, seed=1, epoch=1)
    assert [len(batch) for batch in batches] == [12, 12]


def test_labels_need_not_be_consecutive_numbers() -> None:
    labels = np.array([7, -3, 7, 2**40, -3, 2**40], dtype=np.int64)
    (batch,) = pk_batches(labels, 3, 2, seed=1, epoch=1)
    assert sorted(batch.tolist()) == [0, 1, 2, 3, 4, 5]


def test_seed_and_epoch_decide_everything() -> None:
    labels = labels_of([3, 4, 5, 6, 7, 8])

    def drawn(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in pk_batches(labels, 3, 2, seed=seed, epoch=epoch)]

    np.random.seed(0)
    first = drawn(1, 1)
    np.random.random(10)
    assert drawn(1, 1) == first
    assert drawn(1, 2) != first
    assert drawn(2, 1) != first


def test_company_changes_from_batch_to_batch() -> None:
    """Two identities that share one batch of an epoch do not share all of them."""
    labels = labels_of([8] * 40)
    batches = pk_batches(labels, 4, 2, seed=5, epoch=1)
    companies = {frozenset(people_in(batch, labels, 2)) for batch in batches}
    assert len(companies) == len(batches)


def test_the_small_identities_of_a_large_set_are_not_left_out() -> None:
    counts = [1 + who % 9 for who in range(2000)]
    labels = labels_of(counts)
    batches = pk_batches(labels, 16, 4, seed=9, epoch=4)
    assert len(batches) == fewest_batches(counts, 16, 4)
    assert len(np.unique(np.concatenate(batches))) == len(labels)


@pytest.mark.parametrize("counts", [[], [5]])
def test_fewer_than_two_identities(counts: list[int]) -> None:
    with pytest.raises(FacematchError, match=rf"at least 2 identities; {sum(counts)} photos of {len(counts)}"):
        pk_batches(labels_of(counts) if counts else np.zeros(0, np.int64), 4, 4, seed=1, epoch=1)


@pytest.mark.parametrize(("identities", "photos"), [(1, 4), (0, 4), (4, 0)])
def test_settings_refuse_batches_without_a_triplet(identities: int, photos: int) -> None:
    with pytest.raises(ValidationError, match=r"identities_per_batch|photos_per_identity"):
        TrainingSettings(identities_per_batch=identities, photos_per_identity=photos)


@settings(max_examples=60, deadline=None)
@given(counts=some_counts, size=st.integers(2, 30), seed=st.integers(0, 1000), epoch=st.integers(1, 9))
def test_photos_are_shown_once_each(counts: list[int], size: int, seed: int, epoch: int) -> None:
    labels = labels_of(counts)
    batches = epoch_batches("photos", labels, 2, size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(labels)))
    sizes = [len(batch) for batch in batches]
    assert len(batches) == -(-len(labels) // (2 * size))
    assert max(sizes) - min(sizes) <= 1


@settings(max_examples=60, deadline=None)
@given(counts=some_counts, size=st.integers(2, 30), seed=st.integers(0, 1000), epochs=st.integers(1, 7))
def test_balanced_identities_share_every_epoch_and_photos_take_turns(
    counts: list[int], size: int, seed: int, epochs: int
) -> None:
    labels = labels_of(counts)
    places = -(-sum(counts) // len(counts))
    shown: Counter[int] = Counter()
    for epoch in range(1, epochs + 1):
        batches = epoch_batches("balanced", labels, 2, size, seed=seed, epoch=epoch)
        assert max(len(batch) for batch in batches) <= 2 * size
        assert max(len(batch) for batch in batches) - min(len(batch) for batch in batches) <= 1
        drawn = np.concatenate(batches)
        assert drawn.dtype == np.int64
        assert np.bincount(labels[drawn], minlength=len(counts)).tolist() == [places] * len(counts)
        shown.update(drawn.tolist())
    for who, count in enumerate(counts):
        times = [shown[int(photo)] for photo in np.flatnonzero(labels == who)]
        assert max(times) - min(times) <= 1
        assert (min(times) >= 1) == (count <= epochs * places)


@settings(max_examples=60, deadline=None)
@given(
    counts=some_counts,
    people=st.integers(2, 8),
    together=st.integers(2, 5),
    seed=st.integers(0, 1000),
    epoch=st.integers(1, 5),
)
def test_grouped_photos_appear_once_an_epoch_and_beside_their_like(
    counts: list[int], people: int, together: int, seed: int, epoch: int
) -> None:
    labels = labels_of(counts)
    batches = epoch_batches("grouped", labels, people, together, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(labels)))
    assert max(map(len, batches)) < people * together + together
    order = labels[np.concatenate(batches)]
    groups = 1 + int(np.count_nonzero(np.diff(order)))
    assert groups <= sum(-(-count // together) for count in counts)


@pytest.mark.parametrize("sampling", ["photos", "grouped", "balanced"])
def test_seed_and_epoch_decide_other_samplings_too(sampling: Sampling) -> None:
    labels = labels_of([3, 9, 5])

    def drawn(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in epoch_batches(sampling, labels, 2, 3, seed=seed, epoch=epoch)]

    assert drawn(1, 1) == drawn(1, 1)
    assert drawn(1, 1) != drawn(1, 2)
    assert drawn(1, 1) != drawn(2, 1)


def test_identities_are_sampled_as_p_times_k() -> None:
    labels = labels_of([3, 4, 5])
    ours = epoch_batches("identities", labels, 2, 3, seed=4, epoch=2)
    assert [b.tolist() for b in ours] == [b.tolist() for b in pk_batches(labels, 2, 3, seed=4, epoch=2)]


DOMAINS_OF = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=3), min_size=2, max_size=8)


def people_with_domains(counts: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return labels and domains of people who have so many photos of each domain, one at least."""
    numbers = [(who, kind, n + (kind == 0)) for who, own in enumerate(counts) for kind, n in enumerate(own)]
    rows = [(who, kind) for who, kind, n in numbers for _ in range(n)]
    labels, domains = np.array(rows, np.int64).T
    order = np.random.default_rng(0).permutation(len(labels))
    return labels[order], domains[order]


@given(DOMAINS_OF, st.integers(2, 6), st.integers(0, 5))
def test_chunks_hold_as_much_of_each_domain_of_an_identity(counts: list[list[int]], size: int, seed: int) -> None:
    labels, domains = people_with_domains(counts)
    batches = pk_batches(labels, 3, size, seed=seed, epoch=1, domains=domains)
    assert set(np.concatenate(batches).tolist()) == set(range(len(labels))), "every photo at least once"
    for batch in batches:
        for chunk in batch.reshape(-1, size):
            (who,) = set(labels[chunk].tolist())
            own = np.unique(domains[labels == who])
            shown = [int((domains[chunk] == each).sum()) for each in own]
            assert sum(shown) == size
            assert max(shown) - min(shown) <= 1
            for each in own:  # none again before all others of its domain were shown
                times = np.unique(chunk[domains[chunk] == each], return_counts=True)[1]
                assert len(times) == min(times.sum(), ((labels == who) & (domains == each)).sum())


@given(DOMAINS_OF, st.integers(2, 6), st.integers(0, 5))
def test_groups_spread_the_domains_of_an_identity(counts: list[list[int]], together: int, seed: int) -> None:
    labels, domains = people_with_domains(counts)
    batches = epoch_batches("grouped", labels, 3, together, seed=seed, epoch=1, domains=domains)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(labels))), "every photo once"


def test_a_group_of_a_person_with_as_many_drawings_as_photos_has_both() -> None:
    labels, domains = np.zeros(12, np.int64), np.arange(12) % 2
    batches = epoch_batches("grouped", labels, 1, 4, seed=3, epoch=1, domains=domains)
    assert all(domains[batch].sum() == 2 for batch in batches)


def test_one_domain_is_none() -> None:
    labels = labels_of([1, 5, 3, 9])
    for sampling in ("identities", "grouped"):
        plain, one = (
            epoch_batches(sampling, labels, 2, 3, seed=4, epoch=2, domains=each)  # type: ignore[arg-type]
            for each in (None, np.zeros(len(labels), np.int64))
        )
        assert [batch.tolist() for batch in plain] == [batch.tolist() for batch in one]
