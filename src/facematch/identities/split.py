"""Training and validation divided by person, never by photo."""

import hashlib

from facematch.errors import FacematchError
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


def _lot(person: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{person}".encode("utf-8", "surrogatepass")).digest()
