"""What comes with facematch beside its code, settings files and a network, and where that lies."""

import logging
import sys
import sysconfig
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from facematch.core.errors import FacematchError, MissingError
from facematch.core.files import sha256_of_file

CONFIG = Path("config")
TRIPLET = CONFIG / "triplet.yaml"
_REPOSITORY = Path(__file__).resolve().parents[3]  # where it is run from a clone


def shipped_places(name: str) -> list[Path]:
    """Return where a file or folder of the repository may lie, in this order.

    That is in a clone, in an environment, in an installation for one user (`pip install --user`) and in a folder
    (`pip install --target`).
    """
    user = sysconfig.get_path("data", sysconfig.get_preferred_scheme("user"))
    installed = (Path(sysconfig.get_path("data")), Path(user), Path(__file__).resolve().parents[2])
    return [each / name for each in (_REPOSITORY, *(base / "share" / "facematch" for base in installed))]


def shipped_settings(ending: str = ".yaml") -> list[Path]:
    """Return the settings files that come with facematch, by name; empty for a damaged installation.

    With `ending` .schema.json it is their forms, which lie beside them.
    """
    return next((found for each in shipped_places(str(CONFIG)) if (found := sorted(each.glob(f"*{ending}")))), [])


def find_settings(path: Path) -> Path:
    """Return where a settings file lies.

    A relative `config/…` that is not in the current folder is looked for beside the program that runs (train.py,
    request_send.py), then where facematch was installed; `log_taken` names the one taken. Raises FacematchError for a
    file that is nowhere, with the places looked at and the nearest name.
    """
    try:
        if path.exists():
            return path
    except OSError:
        return path  # what is wrong with it is named when it is read
    others: list[Path] = []
    if path.parts[:1] == CONFIG.parts:
        beside = Path(sys.argv[0]).resolve().parent / path
        others = [each for each in dict.fromkeys((beside, *shipped_places(str(path)))) if each != path.absolute()]
    if (found := next((each for each in others if each.is_file()), None)) is not None:
        return found
    near = get_close_matches(path.stem, [each.stem for each in shipped_settings()], n=1)
    meant = f"; did you mean {CONFIG / near[0]}.yaml?" if near else "."
    nor = "".join(f", nor in {each.parent}" for each in others if each.parent.is_dir())
    raise MissingError(
        f"{path} does not exist ({path.absolute()}){nor}{meant}",
        "Name a settings file, for example --config config/triplet.yaml; `facematch init` writes all of them out.",
    )


def log_taken(path: Path, found: Path) -> None:
    """Log that a settings file was found in another folder than the current one; a command shows it once."""
    if found != path:
        logging.getLogger(__name__).info("%s: not here, taken from %s", path, found.parent)


def shipped_file(places: Sequence[Path], sha256: str, what: str, instead: str) -> Path:
    """Return in which of `places` a file lies that nobody may have changed; `what` is what it is called.

    Raises FacematchError where it is missing, or its SHA-256 (64 hex digits) is another; `instead`: what else to do.
    """
    file = next((each for each in places if each.is_file()), None)
    if file is None:
        nowhere = " nor ".join(str(each) for each in places)
        raise FacematchError(
            f"{what} is missing: there is neither {nowhere}.", f"Install facematch again, or {instead}"
        )
    found = sha256_of_file(file)
    if found != sha256:
        raise FacematchError(
            f"{file} is not the file that was shipped: its SHA-256 begins {found[:12]}, expected {sha256[:12]}.",
            f"It is damaged or was changed. Install facematch again, or {instead}",
        )
    return file
