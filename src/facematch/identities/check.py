"""The check before a run: every file read once, contradictions and people with too few photos dropped."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from facematch.core.errors import FacematchError
from facematch.core.text import count_of, first_of
from facematch.identities.values import LabelledPhotos, Pair, Problem, summarise_problems, unread_file
from facematch.photos.photo import PhotoLimits, Unreadable, digest_of


@dataclass(frozen=True)
class Checked:
    """Labelled photos after the check, what was dropped and why, and the SHA-256 of each photo kept."""

    labelled: LabelledPhotos
    problems: tuple[Problem, ...]
    sha256: Mapping[str, str] = field(repr=False)


def check_identities(
    labelled: LabelledPhotos,
    limits: PhotoLimits,
    min_photos: int,
    min_people: int = 2,
    on_progress: Callable[[int], None] = lambda done: None,
    read: Iterable[str | Unreadable] | None = None,
) -> Checked:
    """Read every file once and keep what can be used; each thing dropped is a `Problem`.

    `read` are the digests of the files' bytes, in their order, where they are read for something else, too.

    Dropped are files that cannot be read, all copies of bytes that are under two identities (at
    least one label is wrong), further copies under one identity (the first by name is kept), and then
    people with fewer than `min_photos` photos. `on_progress` gets the number of files done. Raises FacematchError when
    fewer than `min_people` are left.
    """
    copies, problems = _by_content(labelled, limits, on_progress, read)
    digests: dict[str, str] = {}
    for digest, pairs in copies.items():
        first, *others = sorted(pairs, key=lambda pair: pair[0].name)
        one_person = len({who for _, who in pairs}) == 1
        if one_person:
            digests[first[0].name] = digest
        problems += [_copy(first, other, one_person) for other in others]
    counts = Counter(who for file, who in labelled.pairs if file.name in digests)
    few = {who for who in labelled.people if counts[who] < max(min_photos, 1)}
    problems += [_too_few_photos(who, counts[who], min_photos) for who in sorted(few)]
    kept = LabelledPhotos.of((file, who) for file, who in labelled.pairs if file.name in digests and who not in few)
    if len(kept.people) < min_people:
        raise _too_few_people(labelled, kept, problems, min_people)
    return Checked(kept, tuple(problems), {file.name: digests[file.name] for file in kept.files})


def require_disjoint(train: Checked, validation: Checked) -> None:
    """Raise FacematchError when a person, or a photo by its bytes, is in training and in validation."""
    people = sorted(set(train.labelled.people) & set(validation.labelled.people))
    if people:
        raise FacematchError(
            f"{count_of(len(people), 'person is', 'people are')} in training and in validation: "
            f"{first_of(people)}. Validation on people seen in training measures memory.",
            "Take them out of one of the two folders; if they are different people with one name, rename one.",
        )
    names = {digest: name for name, digest in train.sha256.items()}
    shared = sorted(name for name, digest in validation.sha256.items() if digest in names)
    if shared:
        photos = [f"{names[validation.sha256[name]]} = {name}" for name in shared]
        raise FacematchError(
            f"{count_of(len(shared), 'photo is', 'photos are')} in training and, under another person's name, "
            f"in validation: {first_of(photos)}.",
            "The same bytes cannot show two people: take out the copies whose person is wrong.",
        )


def _by_content(
    labelled: LabelledPhotos,
    limits: PhotoLimits,
    on_progress: Callable[[int], None],
    read: Iterable[str | Unreadable] | None,
) -> tuple[dict[str, list[Pair]], list[Problem]]:
    copies: dict[str, list[Pair]] = defaultdict(list)
    problems: list[Problem] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(partial(digest_of, limits=limits), labelled.files) if read is None else read
        for done, (pair, digest) in enumerate(zip(labelled.pairs, digests, strict=True), start=1):
            on_progress(done)
            if isinstance(digest, Unreadable):
                problems.append(unread_file(digest))
            else:
                copies[digest].append(pair)
    return copies, problems


def _copy(first: Pair, other: Pair, one_person: bool) -> Problem:
    text = f"{first[0].name} = {other[0].name}"
    if one_person:
        return Problem("same bytes twice", text, "nothing: one of them is used")
    remedy = "none of them is used: keep the copy whose person is right and delete the others"
    return Problem("same bytes under two identities", text, remedy)


def _too_few_photos(who: str, count: int, min_photos: int) -> Problem:
    if count == 0:
        return Problem("no photo left", who, "add photos or remove this person")
    remedy = f"left out: add photos or set identities.min_photos: {count}"
    if count == 1:
        return Problem("single photo", who, remedy)
    return Problem("too few photos", f"{who} ({count})", remedy)


def _too_few_people(
    given: LabelledPhotos, kept: LabelledPhotos, problems: list[Problem], min_people: int
) -> FacematchError:
    why = "; ".join(line.split(" – ")[0] for line in summarise_problems(problems))
    return FacematchError(
        f"{len(kept.people)} of {len(given.people)} people and {len(kept.files)} of {len(given.files)} photos "
        f"can be used, {count_of(min_people, 'person is', 'people are')} needed" + (f": {why}." if why else "."),
        "Training needs 2 people with 2 photos each, and 4 where validation is split from them; add photos.",
    )
