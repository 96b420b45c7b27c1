"""A submission: checked against the folders it answers for, and kept before it is sent."""

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any

from facematch.competition.answer import Answer
from facematch.errors import FacematchError
from facematch.files import write_bytes

NAMES = 10  # gallery photos named for each query
_SHOWN = 3  # of each kind of defect


@dataclass(frozen=True)
class Submission:
    """A group's name and, for each query photo, the gallery photos most likely of the same person.

    `images` maps a query's file name to ten gallery file names, best first. Any such mapping can be
    held, right or wrong; `defects` says what is wrong with it.
    """

    group: str
    images: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        # A copy of its own, so that what was checked is what is sent.
        object.__setattr__(self, "images", {query: tuple(names) for query, names in self.images.items()})

    def payload(self) -> bytes:
        """Return the JSON text that is sent: `{"groupname": …, "images": {query: [names]}}`, in ASCII."""
        return json.dumps({"groupname": self.group, "images": self.images}).encode("ascii")

    @property
    def sha256(self) -> str:
        """SHA-256 of the payload, 64 hex digits."""
        return hashlib.sha256(self.payload()).hexdigest()

    @classmethod
    def from_payload(cls, data: bytes) -> "Submission":
        """Return the submission whose payload is `data`; other keys than the two known are ignored.

        Raises FacematchError for text that is not JSON, a missing or doubled key, or another form.
        """
        try:
            value = json.loads(data, object_pairs_hook=_each_key_once)
        except (ValueError, RecursionError) as error:
            raise _wrong_form(f"is not JSON: {_cut(str(error), 200)}") from error
        if not isinstance(value, dict):
            raise _wrong_form(f"is a JSON {type(value).__name__}, not an object")
        group, images = _member(value, "groupname", str), _member(value, "images", dict)
        for query, names in images.items():
            if not isinstance(names, list):
                raise _wrong_form(f"has {_cut(repr(names))} for the query {_cut(query)}, not a list of names")
            wrong = [name for name in names if not isinstance(name, str)]
            if wrong:
                raise _wrong_form(f"has the name {_cut(repr(wrong[0]))} for the query {_cut(query)}, not a text")
        return cls(group, images)


def defects(submission: Submission, query_names: Sequence[str], gallery_names: Sequence[str]) -> list[str]:
    """Return every defect of a submission, one line for each kind, with its first few cases.

    `query_names` and `gallery_names` are the base names of the two folders. A name that stands in
    both folders counts as a query: in an answer the two could not be told apart. A name without
    extension is right where the folder has exactly that file. The list is empty when all is well.
    """
    asked, known = dict.fromkeys(query_names), set(gallery_names)
    images = submission.images
    found = []
    if not submission.group.strip():
        found.append("the group's name is empty")
    if len(known) < NAMES:
        found.append(f"the gallery has {len(known)} photos; each query needs {NAMES} different ones")
    if not asked:
        found.append("the query folder names no photos")
    if not images:
        return [*found, "the submission has no queries"]
    cases = {
        "queries of the folder that are missing": [name for name in asked if name not in images],
        "queries that are not in the query folder": [
            name for name in images if name not in asked and not _malformed(name, asked)
        ],
        "query names with a folder part or without extension": [n for n in images if _malformed(n, asked)],
        f"queries without exactly {NAMES} names": [
            f"{query} has {len(names)}" for query, names in images.items() if len(names) != NAMES
        ],
        "queries that name a photo twice": [
            f"{query} names {Counter(names).most_common(1)[0][0]}"
            for query, names in images.items()
            if len(set(names)) < len(names)
        ],
        **_wrong_names(images, asked, known),
    }
    found += [f"{what}: {len(names)} ({_some(names)})" for what, names in cases.items() if names]
    if len(images) >= 3 and len(set(images.values())) == 1:
        found.append(
            f"all {len(images)} queries have the same {NAMES} names in the same order: the embeddings "
            "do not tell people apart (a collapsed or untrained network)"
        )
    return found


def check(submission: Submission, query_names: Sequence[str], gallery_names: Sequence[str]) -> None:
    """Raise FacematchError that lists the defects of a submission, if it has any."""
    found = defects(submission, query_names, gallery_names)
    if found:
        raise FacematchError(
            "the submission is not fit to be sent:\n" + "\n".join(f"- {line}" for line in found),
            "Check that the query and gallery folders are the right way round and complete, then make it again.",
        )


def save_submission(folder: Path, submission: Submission, *, now: datetime | None = None) -> Path:
    """Write the payload to `<folder>/<UTC time>-<first 8 digits of its SHA-256>.json` and return the path.

    Whole or not at all, and never over another file: a second one of the same second gets `-2`.
    """
    moment = (now or datetime.now(timezone.utc)).astimezone(timezone.utc)
    return _write_new(folder, f"{moment:%Y%m%dT%H%M%SZ}-{submission.sha256[:8]}", submission.payload())


def save_answer(submission_path: Path, answer: Answer) -> Path:
    """Write a server's answer beside the submission it belongs to, as `….answer.json`; never over another."""
    text = json.dumps(asdict(answer), indent=1) + "\n"
    return _write_new(submission_path.parent, f"{submission_path.stem}.answer", text.encode("ascii"))


def _wrong_names(
    images: Mapping[str, tuple[str, ...]], asked: Mapping[str, None], known: set[str]
) -> dict[str, list[str]]:
    malformed, queries, unknown = [], [], []
    for query, names in images.items():
        for name in dict.fromkeys(names):
            if _malformed(name, known):
                malformed.append(f"{name} for {query}")
            elif name in asked:
                queries.append(f"{name} for {query}")
            elif name not in known:
                unknown.append(f"{name} for {query}")
    return {
        "names with a folder part or without extension": malformed,
        "names that are query photos": queries,
        "names that are not in the gallery": unknown,
    }


def _malformed(name: str, folder: Iterable[str]) -> bool:
    return "/" in name or "\\" in name or (not PurePosixPath(name).suffix and name not in folder)


def _some(names: Sequence[str]) -> str:
    more = f" … and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(_cut(name, 160) for name in names[:_SHOWN]) + more


def _cut(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _wrong_form(f"has the key {_cut(twice)!r} twice")
    return value


def _member(value: Mapping[str, Any], key: str, kind: type) -> Any:
    if key not in value:
        raise _wrong_form(f"has no key {key!r}; its keys: {_some([repr(k) for k in value]) or 'none'}")
    if not isinstance(value[key], kind):
        raise _wrong_form(f"has {_cut(repr(value[key]))} as {key!r}, not {'a text' if kind is str else 'an object'}")
    return value[key]


def _wrong_form(what: str) -> FacematchError:
    return FacematchError(
        f"the submission {what}.",
        'Expected: {"groupname": "NAME", "images": {"QUERY.jpg": ["GALLERY.jpg", …]}}',
    )


def _write_new(folder: Path, stem: str, data: bytes) -> Path:
    # Written whole under another name, then linked: a link, unlike a rename, never replaces a file.
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as private:
            whole = Path(private) / "whole.json"
            write_bytes(whole, data)
            path, number = folder / f"{stem}.json", 1
            while not _put(whole, path):
                number += 1
                path = folder / f"{stem}-{number}.json"
            return path
    except OSError as error:
        raise FacematchError(
            f"{folder} cannot be written: {error.strerror or error}.",
            "Free space on the disk or choose a folder you may write to (paths.submissions).",
        ) from error


def _put(whole: Path, path: Path) -> bool:
    if path.exists():
        return False
    try:
        os.link(whole, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links, such as a USB stick
        whole.replace(path)
    return True
