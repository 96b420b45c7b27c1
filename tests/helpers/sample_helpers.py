"""A sample of three people, and what lies in a folder."""

from pathlib import Path

from facematch.tasks.sample.plan import FACES, QUERY, Plan, make_plan


def small_plan(seed: int) -> Plan:
    # One person of training, one asked for and one distractor: 8 + 2 + 4 + 2 photographs.
    plan = make_plan(seed)
    kept = {next(photo.person for photo in plan.photos if photo.path.startswith(FACES))}
    asked = {photo.person for photo in plan.photos if photo.path.startswith(QUERY)}
    kept |= {min(asked)}
    kept |= {min({photo.person for photo in plan.photos if photo.path.startswith("test_data/")} - asked)}
    photos = tuple(photo for photo in plan.photos if photo.person in kept)
    names = {Path(photo.path).name for photo in photos}
    return Plan(photos, {query: right for query, right in plan.truth.items() if query in names})


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def leftovers(folder: Path) -> list[Path]:
    return list(folder.glob(".*"))
