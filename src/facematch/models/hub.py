"""Runs of facematch on Hugging Face, hf://OWNER/REPOSITORY or …@REVISION, fetched into its library's cache."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from facematch.core.errors import FacematchError, silenced
from facematch.core.extras import require
from facematch.core.processes import hub_address, hub_within_reach
from facematch.core.text import LONGEST, brief
from facematch.models.local import verified_file

WEIGHTS, SETTINGS, CARD = "best.safetensors", "settings.yaml", "README.md"
_ADDRESS = re.compile(r"(?P<owner>[\w][\w.-]*)/(?P<name>[\w][\w.-]*)(?:@(?P<revision>[\w][\w./-]*))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LICENCE = re.compile(r"^license:[ \t]*([\w.-]+)[ \t]*$", re.MULTILINE)
_TOKEN = "a token, in $HF_TOKEN or by `hf auth login`,"
_MOST = 100_000  # characters of a card in which its licence is looked for


@dataclass(frozen=True)
class HubRun:
    """Where a run is: a repository, and a branch, tag or commit of it; None: its main branch."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"hf://{self.repository}" + (f"@{self.revision}" if self.revision else "")


@dataclass(frozen=True)
class Fetched:
    """What came: the folder of one commit with the run's files, the digest of its weights, its card's licence."""

    folder: Path
    commit: str
    sha256: str
    licence: str
    offline: bool


def hub_run_of(given: PurePath | str) -> HubRun | None:
    """Return the run on Hugging Face that a path means, which may have lost a slash; None for any other path.

    Raises FacematchError for an address without owner and repository.
    """
    text = given.as_posix() if isinstance(given, PurePath) else given
    if not text.startswith("hf:/"):
        return None
    found = _ADDRESS.fullmatch(text.removeprefix("hf:").strip("/"))
    if found is None:
        raise FacematchError(
            f"{brief(text)} is no address of a run.", "Write hf://OWNER/REPOSITORY, or hf://OWNER/REPOSITORY@REVISION."
        )
    return HubRun(f"{found['owner']}/{found['name']}", found["revision"])


def fetch_run(run: HubRun, what: str) -> Fetched:
    """Return a run of Hugging Face, fetched where its newest commit is not in the cache of huggingface_hub.

    Where Hugging Face is not within reach what is in the cache is taken. Weights whose digest is not the one that a
    commit had first are refused. Raises FacematchError, which begins with `what`, where the library, the network,
    the repository, a permission or the weights are missing.
    """
    require("huggingface_hub")
    pinned = run.revision is not None and _COMMIT.fullmatch(run.revision) is not None
    weights = _file(run, WEIGHTS, run.revision, what, local=True) if pinned else None
    offline = False
    if weights is None and (offline := not hub_within_reach(hub_address())):
        weights = _file(run, WEIGHTS, run.revision, what, local=True)
        if weights is None:
            words = f"{hub_address()} is not within reach, and it is not in the cache of huggingface_hub"
            raise _refused(run, what, words)
    if weights is None:
        weights = _file(run, WEIGHTS, run.revision, what, local=False)
        assert weights is not None  # or it was refused
    folder = weights.parent
    for name in (SETTINGS, CARD):
        if not (folder / name).is_file() and not offline:
            _file(run, name, folder.name, what, local=False)
    remedy = f"Remove {weights.resolve()}, and fetch it again."
    digest = verified_file(f"{run.repository}@{folder.name}", weights, None, remedy)
    return Fetched(folder, folder.name, digest, _licence(folder / CARD), offline)


def local_instead(what: str) -> str:
    """Return what does without Hugging Face, as a sentence."""
    setting = what if "." in what else "paths.checkpoint"
    return (
        f"Without it: bring {WEIGHTS} and {SETTINGS} here by another way, and name their folder: --set {setting}=FOLDER"
    )


def _file(run: HubRun, name: str, revision: str | None, what: str, *, local: bool) -> Path | None:
    # The file of one commit in the cache; None where it is not there, or the repository has none but of weights.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    where: dict[str, Any] = {"revision": revision, "endpoint": hub_address(), "local_files_only": local}
    try:
        with silenced():
            return Path(hf_hub_download(run.repository, name, **where))
    except Exception as error:  # huggingface_hub and what it fetches with raise many kinds
        absent = LocalEntryNotFoundError if local else EntryNotFoundError
        lost = isinstance(error, LocalEntryNotFoundError) and not local  # the network ended; it is of both kinds
        if isinstance(error, absent) and not lost and (local or name != WEIGHTS):
            return None
        raise _refused(run, what, reason_of(error, run.revision)) from error


def reason_of(error: Exception, revision: str | None = None) -> str:
    """Return why Hugging Face refused, in words; never with a token."""
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, errors.HfHubHTTPError):
        error = error.__cause__  # it tells the answer as if there were no network
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.LocalEntryNotFoundError):
        return "the connection was lost, or there is none"
    if isinstance(error, errors.GatedRepoError):
        return f"it is gated: its owner lets in who asks on its page; then {_TOKEN} opens it"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"there is no such repository, or it is private: then {_TOKEN} opens it"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"it has no revision {revision or 'main'}"
    if isinstance(error, errors.EntryNotFoundError):
        return f"it has no {WEIGHTS}, so it is no run of facematch"
    if status == 401:
        return f"the token is not valid: {_TOKEN} has to be of an account that may"
    if status == 403:
        return f"the account of the token may not: {_TOKEN} has to be allowed to"
    return brief(str(error) or type(error).__name__, 2 * LONGEST).rstrip(".")


def _refused(run: HubRun, what: str, words: str) -> FacematchError:
    return FacematchError(f"{what}: {run} could not be fetched: {words}.", local_instead(what))


def _licence(card: Path) -> str:
    # As its front matter has it; whatever else stands there is for people.
    try:
        with card.open(encoding="utf-8", errors="replace") as opened:
            text = opened.read(_MOST)
    except OSError:
        return ""
    if not text.startswith("---"):
        return ""
    found = _LICENCE.search(text[3:].partition("\n---")[0])
    return found[1] if found else ""
