"""Animals-10: ten classes of animals in folders with Italian names (Corrado Alessio, Kaggle, 2019)."""

from types import MappingProxyType

from facematch.identities.values import LabelledPhotos

ENGLISH = MappingProxyType(
    {
        "cane": "dog",
        "cavallo": "horse",
        "elefante": "elephant",
        "farfalla": "butterfly",
        "gallina": "chicken",
        "gatto": "cat",
        "mucca": "cow",
        "pecora": "sheep",
        "ragno": "spider",
        "scoiattolo": "squirrel",
    }
)


def in_english(labelled: LabelledPhotos) -> LabelledPhotos:
    """Return the photos with the English names of their classes, where all of them are Animals-10's; else as given."""
    if not set(labelled.identities) <= set(ENGLISH):
        return labelled
    return LabelledPhotos(labelled.files, tuple(ENGLISH[name] for name in labelled.identities))
