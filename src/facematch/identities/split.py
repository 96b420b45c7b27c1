"""Labelled photos divided in two: by person, or, for classes that are to be known again, by photo."""

import hashlib

from facematch.core.errors import FacematchError
from facematch.identities.values import LabelledPhotos


def split_identities(labelled: LabelledPhotos, share: float, seed: int) -> tuple[LabelledPhotos, LabelledPhotos]:
    """Divide the people: return (training, validation) with `share` of them in validation.

    A person is on one side only. The seed and the people's names decide, not the order of the files,
    and a person added later moves few of the others. Validation takes people with two photos or more,
    as a single photo has nothing to find, and `share` (0–1) is of those. Each side has at least 2
    people, so fewer than 4 are a FacematchError.
    """
    counts = labelled.counts
    if len(counts) < 4:
        raise FacematchError(
            f"A split into training and validation needs 4 people, 2 for each; there are {len(counts)}.",
            "Add people, or name a folder of other people with --set identities.validation=FOLDER.",
        )
    several = sum(count >= 2 for count in counts.values())
    pool = several if several >= 4 else len(counts)
    number = min(max(2, round(share * pool)), pool - 2)
    drawn = sorted(counts, key=lambda person: (counts[person] < 2, _lot(person, seed)))
    validation = set(drawn[:number])
    return labelled.only(set(counts) - validation), labelled.only(validation)


def split_photos(labelled: LabelledPhotos, share: float, seed: int) -> tuple[LabelledPhotos, LabelledPhotos]:
    """Divide the photos of every identity: return (kept, held out) with `share` of each one's photos held out.

    For classes that training and test share, as in learning to hash; for people it would measure memory.
    The seed and the photos' names decide, not their order. At least one photo of each identity is held out,
    and at least two are kept: an identity with fewer than three photos is kept whole.

    Raises FacematchError when no identity has three photos.
    """
    names: dict[str, list[str]] = {}
    for file, who in labelled.pairs:
        names.setdefault(who, []).append(file.name)
    out: set[str] = set()
    for own in names.values():
        number = min(max(1, round(share * len(own))), len(own) - 2)
        out.update(sorted(own, key=lambda name: _lot(name, seed))[: max(0, number)])
    if not out:
        raise FacematchError(
            f"{len(names)} classes have fewer than 3 photos each, so none can be held out for validation.",
            "Add photos: two of each class are trained on, one or more validate.",
        )
    pairs = labelled.pairs
    return (
        LabelledPhotos.of(pair for pair in pairs if pair[0].name not in out),
        LabelledPhotos.of(pair for pair in pairs if pair[0].name in out),
    )


def _lot(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogatepass")).digest()
