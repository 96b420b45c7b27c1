"""A model comes here: terms first, then the download, its digest, and only then its name."""

import shutil
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from facematch.core.errors import FacematchError, silenced
from facematch.core.files import replacing, sha256_of_file
from facematch.core.foreign import reading
from facematch.core.processes import hub_address, hub_within_reach, within_reach
from facematch.core.text import LONGEST, brief
from facematch.models.local import (
    Record,
    how_it_comes,
    is_here,
    models_folder,
    place_of,
    record,
    records_here,
    verified,
)
from facematch.models.registry import Model
from facematch.settings.embedding import Terms

Told = Callable[[int, int], None]  # bytes that came, and their total: 0 where that is not known
SECONDS = 30.0  # that a server may be silent
_BLOCK = 1 << 18
_MOST = 4_000_000_000  # bytes of a member of a zip
_HUB = "hf://"


def pull(model: Model, allowed: Collection[Terms], on_progress: Told = lambda done, total: None) -> Path:
    """Return a model's file, fetched where it is not here yet.

    What was cut goes on where it ended, if the file's digest is known. Raises FacematchError for terms that are not
    `allowed`, for a model whose address is not known or that a package brings, where a library or the network is
    missing, and for another file than the registry's. A file of the model's name is there only when it is whole.
    """
    if is_here(model):
        verified(model)
        return place_of(model)
    _require_allowed(model, allowed)
    target, staging = place_of(model), models_folder() / ".fetching" / model.name
    try:
        staging.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FacematchError(
            f"{staging} could not be written: {error.strerror}.", "Choose another folder by $FACEMATCH_CACHE."
        ) from error
    assert model.url is not None
    kept = records_here().get(model.name)
    expected = model.sha256 or (None if kept is None else kept.sha256)
    if model.url.startswith(_HUB):
        came = _by_hub(model, staging, on_progress)
    else:
        came = _by_pooch(model, expected if model.member is None else model.archive_sha256, staging, on_progress)
    try:
        found = _put(model, came, target, expected)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    state = target.stat()
    record(model.name, Record(found, state.st_size, state.st_mtime_ns))
    return target


def _require_allowed(model: Model, allowed: Collection[Terms]) -> None:
    if model.terms not in allowed:
        raise FacematchError(
            f"{model.name} is not fetched: its terms are {model.words}; models.terms allows {', '.join(allowed)}.",
            f"If they suit you: --set models.terms=[{','.join([*allowed, model.terms])}]. They are those of "
            f"{model.origin}",
        )
    if model.url is None:
        raise FacematchError(
            f"{model.name} is not fetched: it comes from {'a package' if model.package else 'no known address'}.",
            f"{how_it_comes(model)} It is from {model.origin}",
        )


def _put(model: Model, came: Path, target: Path, expected: str | None) -> str:
    # Gives what came its name, where it is what it should be, and returns its digest.
    with replacing(target) as temporary:
        if model.member is None:
            came.replace(temporary)
        else:
            extract_member(model.member, came, temporary)
        found = sha256_of_file(temporary)
        if expected not in (None, found):
            raise FacematchError(
                f"{model.name}: what came from {model.url} is another file, which is not kept: its SHA-256 is {found}, "
                f"expected {expected}.",
                _by_hand(model),
            )
    return found


def _by_pooch(model: Model, digest: str | None, staging: Path, on_progress: Told) -> Path:
    try:
        import pooch
    except ImportError as error:
        raise _lacks("pooch") from error
    assert model.url is not None
    if not within_reach(model.url):  # pooch's words for that fill a screen
        raise _not_fetched(model, f"{urlsplit(model.url).netloc} is not within reach", staging)
    resuming = _Resuming(staging / "part", on_progress, keeps=digest is not None)
    try:
        with silenced():  # it says on standard error what it does
            return Path(pooch.retrieve(model.url, digest, "whole", staging, downloader=resuming))
    except (OSError, ValueError) as error:  # all of requests' are of the first kind; another digest is the second
        if digest is None:  # what goes on from there could be half of another file
            shutil.rmtree(staging, ignore_errors=True)
        raise _not_fetched(model, error, staging) from error


class _Resuming:
    # pooch's download, which goes on behind the bytes that `part` holds, and is the progress bar that pooch moves.

    def __init__(self, part: Path, told: Told, *, keeps: bool) -> None:
        self._part, self._told, self._keeps = part, told, keeps
        self._before = self._done = self.total = 0

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        from pooch import HTTPDownloader
        from requests import HTTPError

        again = False
        if not self._keeps:
            self._part.unlink(missing_ok=True)
        with self._part.open("ab") as opened:
            self._before = self._done = opened.tell()
            headers = {"Accept-Encoding": "identity"}
            if self._before:
                headers["Range"] = f"bytes={self._before}-"

            def begun(response: Any, *_: Any, **__: Any) -> None:
                if response.status_code in (200, 416):  # all of it again; or what is here is no beginning of it
                    opened.truncate(0)
                    self._before = self._done = 0
                if not (self._keeps or response.is_redirect or _says_its_end(response)):
                    raise ValueError("the server does not say how long it is, and its digest is not known")

            fetch = HTTPDownloader(self, _BLOCK, timeout=SECONDS, headers=headers, hooks={"response": begun})
            try:
                fetch(url, opened, pooch)
            except HTTPError as error:
                if error.response.status_code != 416 or "Range" not in headers:
                    raise
                again = True
        if again:
            self(url, output_file, pooch)
        else:
            self._part.replace(output_file)

    def update(self, count: int) -> None:
        self._done = min(self._done + count, self._before + self.total)
        self._told(self._done, self._before + self.total)

    def reset(self) -> None:
        self._done = self._before

    def close(self) -> None:
        self._told(self._done, self._before + self.total)


def _says_its_end(response: Any) -> bool:
    return any(name in response.headers for name in ("Content-Length", "Transfer-Encoding"))


def _by_hub(model: Model, staging: Path, on_progress: Told) -> Path:
    try:
        from huggingface_hub import hf_hub_download
        from tqdm import tqdm
    except ImportError as error:
        raise _lacks("huggingface_hub") from error
    assert model.url is not None
    owner, repository, file = model.url.removeprefix(_HUB).split("/", 2)
    # Asked first, because huggingface_hub tries for most of a minute where there is no network.
    host = hub_address()
    if not hub_within_reach(host):
        raise _not_fetched(model, f"{host} is not within reach", staging)

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **{**named, "disable": True})

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            on_progress(int(self.n), int(self.total or 0))

    where = {"revision": model.revision, "local_dir": staging, "endpoint": host}
    try:
        with silenced():
            return Path(hf_hub_download(f"{owner}/{repository}", file, tqdm_class=Bar, **where))
    except Exception as error:  # huggingface_hub and what it fetches with raise many kinds
        raise _not_fetched(model, error, staging) from error


def extract_member(name: str, archive: Path, target: Path) -> None:
    """Write the one file called `name`, in whatever folder of a zip it is, to `target`.

    Raises FacematchError for a zip that is damaged, and for one that holds none, or several.
    """
    with reading(archive, "the zip of a model", "Pull again."), zipfile.ZipFile(archive) as opened:
        found = [each for each in opened.infolist() if PurePosixPath(each.filename).name == name]
        if len(found) != 1:
            raise ValueError(f"it holds {len(found)} files called {name}")
        if found[0].file_size > _MOST:
            raise ValueError(f"its {name} has {found[0].file_size:,} bytes")
        with opened.open(found[0]) as inside, target.open("wb") as outside:
            shutil.copyfileobj(inside, outside, _BLOCK)


def _lacks(library: str) -> FacematchError:
    return FacematchError(
        f"fetching models needs {library}, which is not installed.", "Run: pip install 'facematch[hub]'"
    )


def _not_fetched(model: Model, error: object, staging: Path) -> FacematchError:
    part = staging / "part"
    kept = part.stat().st_size if part.is_file() else 0
    goes_on = f" {kept / 1e6:,.1f} MB came: pull again, and it goes on there." if kept else ""
    words = brief(error, 2 * LONGEST).rstrip(".")
    return FacematchError(f"{model.name} could not be fetched from {model.url}: {words}.{goes_on}", _by_hand(model))


def _by_hand(model: Model) -> str:
    digest = f" (SHA-256 {model.sha256})" if model.sha256 else ""
    inside = f"{model.member} of that zip" if model.member else "its file"
    instead = f", or name one elsewhere: --set {model.setting}=FILE" if model.setting else "."
    return f"Without a network: bring {inside}{digest} by another way to {place_of(model)}{instead}"
