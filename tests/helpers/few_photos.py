"""A few of the sample's photographs, where `facematch sample` puts them: enough for examples of pages."""

from pathlib import Path

from facematch.tasks.sample.plan import FACES, GALLERY, QUERY, make_plan
from facematch.tasks.sample.write import render_photo


def write_few_photos(root: Path, people: int, of_each: int) -> None:
    """Write below root/data fifteen photos of the competition, three of which ask, and some to train on."""
    photos = make_plan(2026).photos
    sides = {side: [photo for photo in photos if photo.path.startswith(side)] for side in (QUERY, GALLERY, FACES)}
    learned = (sides[FACES][at] for at in range(8 * people) if at % 8 < of_each)
    for photo in [*sides[QUERY][:3], *sides[GALLERY][-12:], *learned]:
        path = root / "data" / photo.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render_photo(photo, 2026))
