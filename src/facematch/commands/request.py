"""`python request_send.py`: from two folders of photos to a scored submission that is never lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facematch.commands.people import validation_people
from facematch.commands.validate import validate_people
from facematch.competition.client import post, submission_url
from facematch.competition.submission import NAMES, Submission, check, save_answer, save_submission
from facematch.console import Stopwatch, loud, note, say, working
from facematch.embed import EmbeddedPhotos, PhotoEmbedder
from facematch.errors import FacematchError
from facematch.evaluation.topk import Figures
from facematch.faces.values import coverage_of
from facematch.files import write_bytes
from facematch.flow import build_embedder, photo_embedder, photo_limits, trained_header
from facematch.photos import PhotoFile, Unreadable, find_photos, read_bytes
from facematch.ranking import Ranking, distance_estimator
from facematch.settings import Settings
from facematch.settings_file import load_settings

_PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif"}


@dataclass(frozen=True)
class Folder:
    """A query or gallery folder: photos to embed, and every base name by its file's name."""

    files: tuple[PhotoFile, ...]
    unreadable: tuple[Unreadable, ...]


def request_command(config: Path, overrides: Sequence[str], *, dry_run: bool, out: Path | None) -> None:
    """Rank, check, keep, send. Everything that can be wrong is checked before any compute."""
    settings = load_settings(config, overrides)
    server, watch = settings.server, Stopwatch()
    if server.url is None and not dry_run:
        raise FacematchError(
            "server.url is not set: the address is told on the day.",
            "Add --set server.url=http://HOST:PORT/results/, or stop before sending with --dry-run.",
        )
    url = submission_url(server.url, server.dialect) if server.url is not None else ""
    with watch.stage("checking folders"):
        query, gallery = check_folders(settings.paths.query, settings.paths.gallery, settings)
    embedder = photo_embedder(settings, build_embedder(settings))
    with watch.stage("expected score"):
        expected = _expected(settings, embedder)
    with watch.stage("embedding queries"):
        queries = _embed(embedder, query, "queries")
    with watch.stage("embedding gallery"):
        answers = _embed(embedder, gallery, "gallery")
    with watch.stage("ranking"):
        ranking = distance_estimator(queries.embeddings, answers.embeddings, NAMES, settings.ranking.metric)
        submission = make_submission(server.group, query, ranking)
        check(submission, _asked(query), [_base(name) for name in answers.embeddings.names])
    kept = save_submission(settings.paths.submissions, submission)
    say(f"submission: {kept} ({len(submission.images)} queries, {NAMES} names each)")
    if out is not None:
        write_bytes(out, submission.payload())
        say(f"payload: {out}")
    say(f"expected: {expected}")
    if dry_run:
        note(f"seconds: {watch}")
        say("not sent (--dry-run)")
        return
    with watch.stage("sending"):
        try:
            answer = post(submission, url, server.dialect, timeout=server.timeout)
        except FacematchError as error:
            raise FacematchError(error.message, f"{error.hint} The submission is kept: {kept}".strip()) from error
        save_answer(kept, answer)
    say(f"answer of {url}: {answer.text.strip()}")
    shown = (
        "" if answer.top1 is None else f"top-1 {answer.top1:.3f}, top-5 {answer.top5:.3f}, top-10 {answer.top10:.3f}, "
    )
    say(f"received: {shown}score {answer.score:.0f} of 1000")
    note(f"seconds: {watch}")


def check_folders(query: Path, gallery: Path, settings: Settings) -> tuple[Folder, Folder]:
    """Return both folders' photos, or raise FacematchError for what would make a submission worthless.

    That is: a missing or empty folder, the same folder twice, one inside the other, fewer than ten
    gallery photos, one base name twice in a folder, the same bytes on both sides.
    """
    sides = []
    for folder, setting in ((query, "paths.query"), (gallery, "paths.gallery")):
        if not folder.is_dir():
            raise FacematchError(
                f"{setting}: {folder} is not a folder ({folder.absolute()}).", f"Name it with --set {setting}=FOLDER"
            )
    left, right = query.resolve(), gallery.resolve()
    if left == right or left in right.parents or right in left.parents:
        raise FacematchError(
            f"paths.query ({query}) and paths.gallery ({gallery}) are the same folder, or one holds the other.",
            "Name two separate folders.",
        )
    for folder, setting in ((query, "paths.query"), (gallery, "paths.gallery")):
        found = find_photos(folder)
        if not found.files:
            met = f"; {len(found.unreadable)} files cannot be used" if found.unreadable else ""
            raise FacematchError(
                f"{setting}: {folder} holds no photos{met}.", "Put the photos there, without subfolders."
            )
        _unique_names(found.files, folder)
        sides.append(Folder(found.files, found.unreadable))
    if len(sides[1].files) < NAMES:
        raise FacematchError(
            f"paths.gallery: {gallery} holds {len(sides[1].files)} photos; a submission names {NAMES} different ones.",
            "Check that the whole gallery was unpacked.",
        )
    _no_shared_photo(sides[0], sides[1], settings)
    return sides[0], sides[1]


def make_submission(group: str, query: Folder, ranking: Ranking) -> Submission:
    """Return the ten best gallery names for every query photo.

    A query without an embedding (unreadable, or without a face under faces.miss: skip) still has to
    be answered: it gets the first ten gallery photos by name, which is no better than a guess.
    """
    guess = tuple(_base(name) for name in sorted(ranking.gallery)[:NAMES])
    ranked = {
        _base(name): tuple(_base(answer) for answer in ranking.names(number))
        for number, name in enumerate(ranking.queries)
    }
    asked = _asked(query)
    guessed = [name for name in asked if name not in ranked]
    if guessed:
        shown = ", ".join(guessed[:3]) + (" …" if len(guessed) > 3 else "")
        loud(f"{len(guessed)} of {len(asked)} queries have no embedding; their ten names are a guess: {shown}")
    return Submission(group, {name: ranked.get(name, guess) for name in asked})


def _asked(query: Folder) -> list[str]:
    # Every query photo, read or not; a stray file such as notes.txt or .DS_Store is not a query.
    names = [file.name for file in query.files] + [bad.name for bad in query.unreadable]
    return sorted({_base(name) for name in names if _is_photo_name(name)})


def _is_photo_name(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in _PHOTO_SUFFIXES and not path.name.startswith(".")


def _base(name: str) -> str:
    return PurePosixPath(name).name


def _unique_names(files: Sequence[PhotoFile], folder: Path) -> None:
    seen: dict[str, str] = {}
    for file in files:
        if (other := seen.setdefault(_base(file.name), file.name)) != file.name:
            raise FacematchError(
                f"{folder} holds {other} and {file.name}: a submission names photos without their folder, "
                "so the two cannot be told apart.",
                "Keep one of them, or point to the folder that holds the competition's photos only.",
            )


def _no_shared_photo(query: Folder, gallery: Folder, settings: Settings) -> None:
    both = sorted({_base(file.name) for file in query.files} & {_base(file.name) for file in gallery.files})
    if both:
        raise FacematchError(
            f"{len(both)} names are in the query and in the gallery folder, first {both[0]} "
            f"({settings.paths.query} and {settings.paths.gallery}).",
            "The folders are mixed up, or photos were copied between them: each photo belongs on one side.",
        )
    limits = photo_limits(settings.photos)
    digests: dict[str, str] = {}
    shared = []
    for file in query.files:
        read = read_bytes(file, limits)
        if not isinstance(read, Unreadable):
            digests.setdefault(read[1], file.name)
    for file in gallery.files:
        read = read_bytes(file, limits)
        if not isinstance(read, Unreadable) and read[1] in digests:
            shared.append(f"{digests[read[1]]} = {file.name}")
    if shared:
        raise FacematchError(
            f"{len(shared)} gallery photos have the same bytes as a query, first {shared[0]} "
            f"({settings.paths.query} and {settings.paths.gallery}).",
            "The folders are mixed up, or photos were copied between them: each photo belongs on one side.",
        )


def _expected(settings: Settings, embedder: PhotoEmbedder) -> str:
    # What validation people say; a competition without labelled photos can still be entered.
    try:
        trained_on = trained_header(settings).people if settings.embedder.kind == "network" else ()
        figures: Figures = validate_people(embedder, validation_people(settings, trained_on), "validation people")
    except FacematchError as error:
        return f"unknown, since there is nobody to validate on: {error.message}"
    low, high = figures.interval
    return (
        f"score about {figures.score:.0f} of 1000 (top-1 {figures.top1:.3f} [{low:.3f}–{high:.3f}], "
        f"top-5 {figures.top5:.3f}, top-10 {figures.top10:.3f}) if the competition is like "
        f"{figures.queries} queries on {figures.gallery} photos of unseen people"
    )


def _embed(embedder: PhotoEmbedder, folder: Folder, what: str) -> EmbeddedPhotos:
    with working(what, len(folder.files)) as progress:
        embedded = embedder.run(folder.files, progress)
    note(f"{what}: {coverage_of(embedded.records)}")
    reasons = [f"{r.name} ({r.reason})" for r in embedded.records if r.status == "unreadable"]
    reasons += [f"{bad.name} ({bad.reason})" for bad in folder.unreadable]
    if reasons:
        loud(f"{what}: {len(reasons)} files not read: {', '.join(reasons[:5])}{' …' if len(reasons) > 5 else ''}")
    return embedded
