"""Who is in which part of the sample, and under which name each photograph is kept."""

from dataclasses import dataclass

import numpy as np

from facematch.core.errors import FacematchError
from facematch.tasks.sample.portraits import PEOPLE

TRAINING_PEOPLE, TRAINING_PHOTOS = 60, 8  # training takes its validation people from these
COMPETITION_PEOPLE, QUERY_PHOTOS, GALLERY_PHOTOS = 25, 2, 4
DISTRACTORS, DISTRACTOR_PHOTOS = 15, 2  # gallery people nobody asks for

FACES, QUERY, GALLERY = "faces", "test_data/query", "test_data/gallery"


@dataclass(frozen=True)
class PlannedPhoto:
    """A photograph to be made: its path below the sample's folder, person (0–99) and number among that person's."""

    path: str
    person: int
    number: int


@dataclass(frozen=True)
class Plan:
    """All photographs in order of their paths, and the gallery names that are right for each query name."""

    photos: tuple[PlannedPhoto, ...]
    truth: dict[str, list[str]]

    @property
    def counts(self) -> dict[str, int]:
        """Return how many people and photographs each part has."""
        people = {
            part: [photo.person for photo in self.photos if photo.path.startswith(f"{part}/")]
            for part in (FACES, QUERY, GALLERY)
        }
        return {
            "people": len(set(people[FACES])),
            "photos": len(people[FACES]),
            "queries": len(people[QUERY]),
            "query_people": len(set(people[QUERY])),
            "gallery": len(people[GALLERY]),
            "gallery_people": len(set(people[GALLERY])),
        }


def make_plan(seed: int) -> Plan:
    """Divide the 100 people, never one person's photographs, and draw a random name for each photograph.

    The same seed gives the same plan. Raises FacematchError for a negative seed.
    """
    if seed < 0:
        raise FacematchError(f"seed: found {seed}, expected 0 or more.", "Give another with --seed N.")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    people = [int(person) for person in rng.permutation(PEOPLE)]
    training, rest = people[:TRAINING_PEOPLE], people[TRAINING_PEOPLE:]
    photos: list[PlannedPhoto] = []
    truth: dict[str, list[str]] = {}

    def plan(folder: str, person: int, numbers: range) -> list[str]:
        names = [f"{rng.bytes(16).hex()}.jpg" for _ in numbers]
        photos.extend(
            PlannedPhoto(f"{folder}/{name}", person, number) for name, number in zip(names, numbers, strict=True)
        )
        return names

    for index, person in enumerate(training, start=1):
        plan(f"{FACES}/person_{index:03d}", person, range(TRAINING_PHOTOS))
    for person in rest[:COMPETITION_PEOPLE]:
        queries = plan(QUERY, person, range(QUERY_PHOTOS))
        right = plan(GALLERY, person, range(QUERY_PHOTOS, QUERY_PHOTOS + GALLERY_PHOTOS))
        truth.update((query, sorted(right)) for query in queries)
    for person in rest[COMPETITION_PEOPLE : COMPETITION_PEOPLE + DISTRACTORS]:
        plan(GALLERY, person, range(DISTRACTOR_PHOTOS))
    return Plan(tuple(sorted(photos, key=lambda photo: photo.path)), dict(sorted(truth.items())))
