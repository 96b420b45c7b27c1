"""Which photos make the batches of an epoch: K photos of each of P identities, or photos drawn one by one."""

from typing import Literal

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray

from facematch.core.errors import FacematchError

Indices = NDArray[np.int64]
Sampling = Literal["identities", "grouped", "photos", "balanced"]


def epoch_batches(
    sampling: Sampling,
    labels: NDArray[np.int64],
    identities_per_batch: int,
    photos_per_identity: int,
    *,
    seed: int,
    epoch: int,
    domains: NDArray[np.int64] | None = None,
) -> list[Indices]:
    """Return the batches of one epoch as indices into `labels` (N,). With `domains` (N,) the first two mix them.

    - `identities`: P×K, see `pk_batches`: every photo at least once; an identity with few photos has K places and a
      larger one places in proportion to its photos.
    - `grouped`: every photo exactly once, those of an identity in groups of up to K, so that a batch holds pairs of
      one identity though most identities may have one photo; see `grouped_batches`.
    - `photos`: every photo exactly once, so each identity's share is that of its photos.
    - `balanced`: every identity equally often, see `balanced_batches`.

    The last two have batches of at most P·K photos that differ in size by one at most; grouped ones hold up to K − 1
    more.
    """
    if sampling == "identities":
        return pk_batches(labels, identities_per_batch, photos_per_identity, seed=seed, epoch=epoch, domains=domains)
    size = identities_per_batch * photos_per_identity
    if sampling == "grouped":
        return grouped_batches(labels, size, photos_per_identity, seed=seed, epoch=epoch, domains=domains)
    if sampling == "balanced":
        return balanced_batches(labels, size, seed=seed, epoch=epoch)
    order = default_rng(SeedSequence(seed, spawn_key=(epoch,))).permutation(len(labels)).astype(np.int64)
    return _cut(order, size)


def grouped_batches(
    labels: NDArray[np.int64],
    size: int,
    together: int,
    *,
    seed: int,
    epoch: int,
    domains: NDArray[np.int64] | None = None,
) -> list[Indices]:
    """Return batches of about `size` photos in which each photo appears once an epoch.

    Each identity's shuffled photos are cut into groups of `together`, the last one short, and the groups of all
    identities are shuffled and dealt: batch i of B holds those that begin within the i-th B-th of all photos.
    With `domains` an identity's photos of each are spread evenly over its groups. (seed, epoch) decide everything.
    """
    rng = default_rng(SeedSequence(seed, spawn_key=(epoch,)))
    groups = []
    for own in _photos_of_each(labels):
        shuffled = _spread([rng.permutation(part) for part in _by_domain(own, domains)])
        groups += [shuffled[start : start + together] for start in range(0, len(own), together)]
    batches: list[list[Indices]] = [[] for _ in range(-(-len(labels) // size))]
    begins = 0
    for place in rng.permutation(len(groups)).tolist():
        batches[begins * len(batches) // len(labels)].append(groups[place])
        begins += len(groups[place])
    return [np.concatenate(parts) for parts in batches if parts]


def balanced_batches(labels: NDArray[np.int64], size: int, *, seed: int, epoch: int) -> list[Indices]:
    """Return batches (rows of N labels) of at most `size` photos in which an epoch shows every identity equally often.

    Each identity has M places, the mean number of photos of an identity, rounded up, so an epoch is about as long
    as the photos are many. Its photos take those places in turn, epoch after epoch, each round in a new order:
    one with fewer photos shows some of them again, one with more shows the others in the next epochs, and after
    any number of epochs two photos of an identity differ by one showing at most. (seed, epoch) decide everything.
    """
    photos = _photos_of_each(labels)
    places = -(-len(labels) // len(photos)) if photos else 0
    first = (epoch - 1) * places
    drawn = [_in_turn(own, range(first, first + places), (seed, who)) for who, own in enumerate(photos)]
    order = default_rng(SeedSequence(seed, spawn_key=(epoch,))).permutation(np.concatenate(drawn))
    return _cut(order, size)


def _in_turn(photos: Indices, turns: range, seed: tuple[int, int]) -> Indices:
    # What an endless row of shuffled rounds through the photos shows at these turns.
    number = len(photos)
    rounds = range(turns.start // number, (turns.stop - 1) // number + 1)
    row = np.concatenate([default_rng(SeedSequence(seed, spawn_key=(each,))).permutation(photos) for each in rounds])
    skipped = turns.start - rounds.start * number
    return row[skipped : skipped + len(turns)]


def _cut(order: Indices, size: int) -> list[Indices]:
    return np.array_split(order, -(-len(order) // size))


def pk_batches(
    labels: NDArray[np.int64],
    identities_per_batch: int,
    photos_per_identity: int,
    *,
    seed: int,
    epoch: int,
    domains: NDArray[np.int64] | None = None,
) -> list[Indices]:
    """Return the batches of one epoch as indices into `labels` (N,), P·K each, identity after identity.

    Each identity's shuffled photos are cut into chunks of K, and each chunk goes into a batch that
    does not hold its identity yet. (seed, epoch) decide everything.

    - Every photo, hence every identity, appears at least once an epoch.
    - The identities of a batch are different, and each has exactly K places.
    - There are no more batches than needed: the larger of ⌈chunks / P⌉ and the chunks of the
      largest identity.
    - A last chunk that is short is filled with the identity's other photos; a photo appears twice in
      a chunk only where the identity has fewer than K photos, and then as evenly as possible.
    - With `domains`, each of an identity's has as many places as the others, ± 1, in every chunk: where it has few
      photos they appear again, and there are as many chunks as its largest domain needs.
    - A batch that is short is filled with further chunks of other identities, each in its turn.
    - With fewer identities than P, P is the number of identities.
    - Fewer than two identities have no negative: FacematchError.
    """
    rng = default_rng(SeedSequence(seed, spawn_key=(epoch,)))
    photos = _photos_of_each(labels)
    if len(photos) < 2:
        raise FacematchError(
            f"Batches need photos of at least 2 identities; {len(labels)} photos of {len(photos)} were given.",
            "Add a folder of photos for each further person.",
        )
    parts = [_by_domain(own, domains) for own in photos]
    chunks = [_chunks(own, photos_per_identity, rng) for own in parts]
    per_batch = min(identities_per_batch, len(photos))
    batches = _pack([len(own) for own in chunks], per_batch, rng)
    deck: list[int] = []
    for batch in batches:
        batch += _deal(deck, len(photos), per_batch - len(batch), set(batch), rng)

    def next_chunk(who: int) -> Indices:
        return chunks[who].pop() if chunks[who] else _chunks(parts[who], photos_per_identity, rng)[0]

    return [np.concatenate([next_chunk(who) for who in batch]) for batch in batches]


def _photos_of_each(labels: NDArray[np.int64]) -> list[Indices]:
    if len(labels) == 0:
        return []
    order = np.argsort(labels, kind="stable").astype(np.int64)
    starts = np.flatnonzero(np.diff(labels[order])) + 1
    return np.split(order, starts)


def _by_domain(photos: Indices, domains: NDArray[np.int64] | None) -> list[Indices]:
    if domains is None:
        return [photos]
    own = domains[photos]
    return [photos[own == domain] for domain in np.unique(own)]


def _spread(parts: list[Indices]) -> Indices:
    # The parts as one row in which each is spread evenly.
    places = np.concatenate([(np.arange(len(part)) + 0.5) / len(part) for part in parts])
    return np.concatenate(parts)[np.argsort(places, kind="stable")]


def _chunks(parts: list[Indices], size: int, rng: Generator) -> list[Indices]:
    """Cut shuffled photos, in parts by domain, into chunks of exactly `size`, the last one filled with other photos.

    Domains take the places in turn.
    """
    number = max(((len(part) - 1) * len(parts) + turn) // size + 1 for turn, part in enumerate(parts))
    filled = np.empty(number * size, np.int64)
    for turn, part in enumerate(parts):
        places = filled[turn :: len(parts)]
        places[:] = np.resize(rng.permutation(part), len(places))
    return list(filled.reshape(-1, size))


def _pack(chunk_counts: list[int], per_batch: int, rng: Generator) -> list[list[int]]:
    """Place every identity into as many different batches as it has chunks; return who is in each.

    The batches are dealt like shuffled cards, a new round when all have been dealt, so that two
    batches never differ by more than one identity and none grows beyond `per_batch`.
    """
    number = max(max(chunk_counts), -(-sum(chunk_counts) // per_batch))
    batches: list[list[int]] = [[] for _ in range(number)]
    deck: list[int] = []
    for who in rng.permutation(len(chunk_counts)).tolist():
        for batch in _deal(deck, number, chunk_counts[who], set(), rng):
            batches[batch].append(who)
    return batches


def _deal(deck: list[int], cards: int, count: int, without: set[int], rng: Generator) -> list[int]:
    """Take `count` different cards, none of `without`, from a deck of 0 … cards-1 that never ends."""
    hand: list[int] = []
    held, passed = set(without), []
    while len(hand) < count:
        if not deck:
            deck.extend(rng.permutation(cards).tolist())
        card = deck.pop()
        if card in held:
            passed.append(card)
        else:
            held.add(card)
            hand.append(card)
    deck.extend(reversed(passed))
    return hand
