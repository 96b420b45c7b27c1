"""Folders of classes: which photos answer, which ask, and that none of those was trained on."""

from dataclasses import dataclass
from pathlib import Path

from facematch.core.cache import cache_folder
from facematch.core.console import info, progress, warn
from facematch.core.errors import FacematchError
from facematch.core.text import first_of, printable
from facematch.identities.animals10 import in_english
from facematch.identities.sources import load_identities
from facematch.identities.split import split_photos
from facematch.identities.values import LabelledPhotos, summarise_problems
from facematch.near_duplicates.contents import content_cache
from facematch.photos.photo import PhotoFile
from facematch.pipeline.build import photo_limits, trained_header
from facematch.pipeline.trained import check_untrained, trained_photos
from facematch.settings.root import Settings

EACH_OTHER = "each photo asks all others"
_ONE_IN = 11  # photos of one folder ask: 1,000 beside a database of 10,000


@dataclass(frozen=True)
class ClassPhotos:
    """The photos of a database and the queries, each with its class; `protocol` says which photos are queries."""

    database: LabelledPhotos
    queries: LabelledPhotos
    protocol: str


def class_photos(
    database: Path, queries: Path | None, query_count: int | None, database_count: int | None, seed: int
) -> ClassPhotos:
    """Load folders `<class>/*.jpg`; without `queries` draw them from the database, by class, by `seed`.

    The same folder twice lets each photo ask all others. Counts are of photos to draw; rounding by class may miss
    them by a few. Raises FacematchError for fewer than two classes, for counts that the folder does not hold, and for
    a class of a query without a photo in the database.
    """
    everything = _loaded(database)
    if len(everything.people) < 2:
        raise FacematchError(
            f"{database} holds one class, {everything.people[0]}.",
            "Name the folder that holds a folder for each class.",
        )
    if queries is None:
        found = _drawn(everything, database, query_count, database_count, seed)
    elif query_count is not None or database_count is not None:
        raise FacematchError("counts are drawn from one folder; here are two.", "Leave the counts or QUERIES out.")
    elif queries.resolve() == database.resolve():
        found = ClassPhotos(everything, everything, EACH_OTHER)
    else:
        found = ClassPhotos(everything, _loaded(queries), f"{queries} asks {database}")
    if missing := sorted(set(found.queries.identities) - set(found.database.identities)):
        raise FacematchError(
            f"the database holds no photo of {first_of(missing)}, which queries show.",
            "Both folders need the same names of classes.",
        )
    return ClassPhotos(_renamed(found.database, "database"), _renamed(found.queries, "query"), found.protocol)


def require_untrained(settings: Settings, queries: LabelledPhotos) -> None:
    """Raise FacematchError, naming them, when the network in use was trained on one of the queries.

    Photos are compared by content, not by name. A run that does not name its photos is warned of.
    """
    run = trained_header(settings).path.parent
    trained = trained_photos(run)
    if trained is None:
        warn(f"{run} does not tell the photos of its training, so nothing says that no query was among them")
        return
    with content_cache(cache_folder(settings.paths.cache)) as cache:
        found = check_untrained(trained, queries.files, cache, photo_limits(settings.photos), progress)
    if found.seen:
        raise FacematchError(
            f"{run} was trained on {len(found.seen)} of the {len(queries.files)} photos that ask: "
            f"{printable(first_of(found.seen))}.",
            "Take them out of the training or of the queries: what was trained on tests nothing.",
        )
    bytes_only = f"; {found.gone} of them are gone and were compared by their bytes only" if found.gone else ""
    info(f"no query is among the {found.photos} photos of the training{bytes_only}")


def _loaded(folder: Path) -> LabelledPhotos:
    labelled, problems = load_identities(folder)
    for line in summarise_problems(problems):
        warn(f"{folder}: {line}")
    english = in_english(labelled)
    if english is not labelled:
        info(f"{folder}: the classes of Animals-10, by their English names")
    return english


def _drawn(
    everything: LabelledPhotos, folder: Path, query_count: int | None, database_count: int | None, seed: int
) -> ClassPhotos:
    photos = len(everything.files)
    asking = query_count if query_count is not None else max(1, photos // _ONE_IN)
    if asking + (database_count or 1) > photos:
        raise FacematchError(
            f"{folder} holds {photos} photos, not {asking} queries and a database of {database_count or 1}.",
            "Ask for fewer: --query-count, --database-count.",
        )
    database, queries = split_photos(everything, asking / photos, seed)
    if database_count is not None and database_count < len(database.files):
        database = split_photos(database, database_count / len(database.files), seed + 1)[1]
    return ClassPhotos(database, queries, f"drawn from {folder} by class, seed {seed}")


def _renamed(labelled: LabelledPhotos, side: str) -> LabelledPhotos:
    files = tuple(PhotoFile(f"{side}/{file.name}", file.path) for file in labelled.files)
    return LabelledPhotos(files, labelled.identities)
