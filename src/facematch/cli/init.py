"""`facematch init`: a folder to begin in, with the settings files to edit and places for the photos."""

from pathlib import Path

from facematch.core.console import result, show_json
from facematch.core.errors import FacematchError, typed
from facematch.core.files import write_bytes
from facematch.core.shipped import CONFIG, shipped_settings

START = "START.txt"
_FOLDERS = ("data/faces", "data/test_data/query", "data/test_data/gallery")


def init_command(folder: Path, *, as_json: bool) -> None:
    """Write what is not there yet, and say what was left as it is. Raises FacematchError where `folder` is a file."""
    shipped = [*shipped_settings(), *shipped_settings(".schema.json")]
    settings = {str(CONFIG / each.name): each.read_bytes() for each in shipped}
    if not settings:
        raise FacematchError("the settings files that come with facematch are missing.", "Install facematch again.")
    if folder.exists() and not folder.is_dir():
        raise FacematchError(f"{folder} is a file, not a folder.", "Name a folder: facematch init DIR")
    wanted = {**settings, START: _start(folder).encode()}
    there = [name for name in wanted if (folder / name).exists()]
    written = [name for name in wanted if name not in there]
    for name in _FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in written:
        write_bytes(folder / name, wanted[name])
    changed = [name for name in there if (folder / name).read_bytes() != wanted[name]]
    if as_json:
        outcome = {"folder": str(folder.absolute()), "written": written, "there": there, "changed": changed}
        show_json(outcome)
        return
    result(f"{folder.absolute()}: {len(written)} of {len(wanted)} files written")
    if there:
        result(f"left as they were: {', '.join(there)}")
    if changed:
        result(f"of these not as they come with facematch: {', '.join(changed)}")
    result("\n" + wanted[START].decode().rstrip())


def _start(folder: Path) -> str:
    # What to do next, as it is typed in that folder.
    train, request = (typed(each, folder) for each in ("train", "request"))
    steps = {
        train: "learn from data/faces; without it the network that comes with facematch is used",
        "facematch validate": "the score to expect",
        f"{request} --dry-run": "rank, check and keep a submission, without sending it",
    }
    width = max(map(len, steps))
    numbered = "\n".join(f"  {n}. {step:{width}}  {why}" for n, (step, why) in enumerate(steps.items(), start=1))
    return f"""\
Where the photos go:
  data/faces/PERSON/*.jpg  people to learn from, a folder for each; or leave it empty
  data/test_data/query     photos that ask who they show
  data/test_data/gallery   photos to look in
No photos yet? facematch sample makes some to rehearse with.

What to do next, in this folder:
{numbered}
To send it: {request} --set server.url=http://HOST:PORT/results/ --set server.group=NAME

Settings: config/triplet.yaml, which shows every key, unless --config names another file.
"""
