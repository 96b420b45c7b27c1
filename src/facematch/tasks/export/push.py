"""`facematch push`: a run goes to Hugging Face, with settings and a card, and without anybody's name."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from facematch.core.console import info, result, show_json, waiting
from facematch.core.errors import FacematchError, silenced
from facematch.core.extras import require
from facematch.core.files import RESULTS, sha256_of_file, write_bytes
from facematch.core.foreign import read_json
from facematch.core.processes import hub_address, hub_within_reach
from facematch.models.hub import CARD, SETTINGS, WEIGHTS, HubRun, hub_run_of, reason_of
from facematch.networks.checkpoint import CheckpointHeader, read_checkpoint_header
from facematch.pipeline.default_checkpoint import find_run, own_settings
from facematch.pipeline.run_folder import RunFolder, read_log
from facematch.pipeline.trained import trained_photos
from facematch.settings.file import load_settings, read_yaml
from facematch.tasks.export.card import Told, card_of
from facematch.tasks.export.published import published_settings, require_nameless, write_weights

_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]{1,40}")
_FILES = (WEIGHTS, SETTINGS, CARD)


@dataclass(frozen=True)
class _Sent:
    url: str
    commit: str


def push_command(
    run: Path, address: str, *, licence: str, private: bool, force: bool, dry_run: bool, as_json: bool = False
) -> None:
    """Publish a run's best weights with its settings and a card at hf://OWNER/REPOSITORY.

    It names nobody and no file of this machine, or is not sent. `force` adds a commit to a repository that is there;
    `dry_run` writes the files below results/push, to be looked at, and asks nobody. Raises FacematchError for a run or
    an address that is none, without library, token, permission or network, and for a repository that is there.
    """
    target = _target(address)
    if not _LICENCE.fullmatch(licence):
        raise FacematchError(
            f"--licence {licence!r} is no licence that Hugging Face knows.",
            "Such as mit, apache-2.0, cc-by-nc-4.0, other.",
        )
    if not dry_run:
        require("huggingface_hub")
    with TemporaryDirectory() as scratch:
        folder = RESULTS / "push" / target.repository.replace("/", "--") if dry_run else Path(scratch)
        if dry_run:
            shutil.rmtree(folder, ignore_errors=True)
        left = _write(find_run(run, Path("checkpoints"), "push"), folder, target, licence)
        files = [_file(folder / name) for name in _FILES]
        sent = None if dry_run else _send(target, folder, private=private, force=force)
    if as_json:
        where: dict[str, Any] = {"folder": str(folder)} if sent is None else {"url": sent.url, "commit": sent.commit}
        show_json(
            {"repository": target.repository, "sent": sent is not None, **where, "files": files, "left_out": left}
        )
        return
    _tell(target, files, left, folder if dry_run else None, sent, private=private)


def _file(path: Path) -> dict[str, Any]:
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256_of_file(path)}


def _tell(
    target: HubRun,
    files: Sequence[Mapping[str, Any]],
    left: Sequence[str],
    folder: Path | None,
    sent: _Sent | None,
    *,
    private: bool,
) -> None:
    for each in files:
        result(f"{each['name']}: {each['bytes'] / 1e6:,.3f} MB, SHA-256 {each['sha256']}")
    if left:
        info(f"not published, since it is of this machine: {', '.join(left)}")
    if sent is None:
        result(f"nothing was sent; what would go to {target}{' (private)' if private else ''} is in {folder}")
        return
    result(f"{sent.url}, commit {sent.commit[:12]}")
    info(f"use it with: --set paths.checkpoint={target}")


def _target(address: str) -> HubRun:
    found = hub_run_of(address)
    if found is None or found.revision is not None:
        raise FacematchError(f"{address} is no address to publish at.", "Write hf://OWNER/REPOSITORY.")
    return found


def _write(run: Path, folder: Path, target: HubRun, licence: str) -> list[str]:
    # The three files; returns what of the settings was left out.
    header, own = read_checkpoint_header(run), own_settings(run)
    if own is None:
        raise FacematchError(
            f"{run} holds no run: it has no settings.yaml, without which nobody can use its weights.",
            "Name a folder that training made, for example checkpoints/triplet.",
        )
    told, left = published_settings(load_settings(own))
    people = _people(header, own.parent)
    require_nameless({**told, **header.fingerprint.settings, "trained": header.trained}, people)
    folder.mkdir(parents=True, exist_ok=True)
    with waiting("writing the weights without names …"):
        write_weights(header, folder / WEIGHTS)
    write_bytes(folder / SETTINGS, yaml.safe_dump(told, sort_keys=False, allow_unicode=True).encode())
    epochs = [each for each in read_log(RunFolder(own.parent)) if each.get("kind") == "epoch"]
    photos, digest = trained_photos(own.parent), sha256_of_file(folder / WEIGHTS)
    count = None if photos is None else len(photos)
    card = card_of(header, Told(str(target), licence, digest, told, left, count, epochs, "training" in read_yaml(own)))
    write_bytes(folder / CARD, card.encode())
    return left


def _people(header: CheckpointHeader, folder: Path) -> list[str]:
    # Everybody whose name the run has: those it learned, and whom it was validated on.
    path = folder / "identities.json"
    also = read_json(path, "the run's people", "Remove it, or train anew.") if path.is_file() else {}
    lists = [each for each in also.values() if isinstance(each, list)] if isinstance(also, dict) else []
    return [*header.people, *(str(name) for each in lists for name in each)]


def _send(target: HubRun, folder: Path, *, private: bool, force: bool) -> _Sent:
    from huggingface_hub import CommitOperationAdd, HfApi, get_token
    from huggingface_hub.utils import disable_progress_bars

    host = hub_address()
    if not hub_within_reach(host):
        raise _not_sent(target, f"{host} is not within reach", _HERE)
    if get_token() is None:
        raise _not_sent(target, "there is no token", "Put one that may write in $HF_TOKEN, or run: hf auth login")
    api, made = HfApi(endpoint=host), False
    files = [CommitOperationAdd(name, folder / name) for name in _FILES]
    disable_progress_bars()
    try:
        with waiting(f"{target}: sending …"), silenced():
            api.create_repo(target.repository, private=private, exist_ok=force)
            made = True
            done = api.create_commit(target.repository, files, commit_message="facematch push")
    except Exception as error:  # huggingface_hub and what it sends with raise many kinds
        if getattr(getattr(error, "response", None), "status_code", None) == 409 and not made:
            hint = "Choose another name, or add a commit to it: --force"
            raise _not_sent(target, "the repository is there already", hint) from error
        also = " The repository is there, without this run: push again with --force." if made else ""
        raise _not_sent(target, reason_of(error), _HERE + also) from error
    return _Sent(f"{host}/{target.repository}", str(done.oid))


_HERE = "The run is as it was; `--dry-run` writes the files for another way."


def _not_sent(target: HubRun, words: str, hint: str) -> FacematchError:
    return FacematchError(f"{target} was not published: {words}.", hint)
