"""A checkpoint by its address on Hugging Face: fetched and checked as any file, its settings more strictly."""

from pathlib import Path

from facematch.core.console import info_once, waiting
from facematch.core.errors import FacematchError
from facematch.core.foreign import quoted
from facematch.models.hub import SETTINGS, WEIGHTS, fetch_run, hub_run_of, local_instead
from facematch.networks.checkpoint import read_checkpoint_header
from facematch.pipeline.run_folder import flat
from facematch.settings.file import load_section
from facematch.settings.root import Settings

# What a run tells of itself. Anything else – addresses, folders, headers – is for the user of a machine to say.
PUBLISHED = ("name", "seed", "augment", "faces", "network", "loss", "training", "ranking", "refine")


def hub_run_folder(address: Path, what: str) -> Path:
    """Return the folder of a run of Hugging Face in huggingface_hub's cache; a note tells commit, digest and licence.

    `address` is hf://OWNER/REPOSITORY as a path. Raises FacematchError, which begins with `what`, where it cannot be
    fetched, is no checkpoint of facematch, or has settings that are not for a stranger to say.
    """
    run = hub_run_of(address)
    assert run is not None  # the caller looked
    with waiting(f"{run}: asking for it …"):
        found = fetch_run(run, what)
    try:
        header = read_checkpoint_header(found.folder / WEIGHTS)
    except FacematchError as error:
        raise FacematchError(f"{what}: {run} is no run of facematch: {error.message}", local_instead(what)) from error
    if (found.folder / SETTINGS).is_file():
        require_published(found.folder / SETTINGS, f"{what}: {run}")
    terms = f"its card says: {found.licence}" if found.licence else "its card states no licence"
    source = "from the cache, since Hugging Face is not within reach" if found.offline else "from Hugging Face"
    info_once(
        f"{run}: {source}, commit {found.commit[:12]}, SHA-256 {found.sha256}; {terms}; trained on "
        f"{len(header.people):,} people"
    )
    return found.folder


def require_published(file: Path, what: str) -> None:
    """Raise FacematchError, which begins with `what`, for settings of a stranger that go beyond the run itself."""
    own, usual = flat(load_section(Settings, file, (), "")), flat(Settings())
    for key, value in own.items():
        if key.partition(".")[0] not in PUBLISHED and value != usual.get(key):
            raise FacematchError(
                f"{what}: its {SETTINGS} sets {key} to {quoted(value)}, which is not for a run of others to say.",
                f"`facematch push` publishes a run without such settings. If you trust it: copy {file.parent}, take "
                "that setting out, and name the copy.",
            )
