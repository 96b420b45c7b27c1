"""Animals-10: Italian folders, English classes."""

from pathlib import Path

import pytest

from facematch.identities.animals10 import ENGLISH, in_english
from facematch.identities.values import LabelledPhotos
from facematch.photos.photo import PhotoFile

# The table that Animals-10 is shipped with (translate.py), from English to Italian.
SHIPPED = {
    "dog": "cane",
    "horse": "cavallo",
    "elephant": "elefante",
    "butterfly": "farfalla",
    "chicken": "gallina",
    "cat": "gatto",
    "cow": "mucca",
    "sheep": "pecora",
    "spider": "ragno",
    "squirrel": "scoiattolo",
}


def labelled(*classes: str) -> LabelledPhotos:
    return LabelledPhotos(tuple(PhotoFile(f"{n}.jpg", Path(f"{n}.jpg")) for n in range(len(classes))), classes)


def test_the_table_is_the_shipped_one() -> None:
    assert {english: italian for italian, english in ENGLISH.items()} == SHIPPED


def test_all_classes_or_some_are_translated() -> None:
    given = labelled(*ENGLISH, "ragno")
    assert in_english(given).identities == (*ENGLISH.values(), "spider")
    assert in_english(given).files == given.files
    assert in_english(labelled("cane", "gatto")).identities == ("dog", "cat")


@pytest.mark.parametrize("classes", [("cane", "wolf"), ("dog", "cat"), ("Cane",)])
def test_other_classes_stay_as_they_are(classes: tuple[str, ...]) -> None:
    given = labelled(*classes)
    assert in_english(given) is given
