"""A submission: ten names for each query, checked against the folders it answers for."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from facematch.core.errors import FacematchError
from facematch.core.foreign import require_shape
from facematch.settings.competition import Dialect

NO_GROUP = "(no group)"  # stands for the group in a dry run without one; nothing is sent under it
_OFFICIAL = Dialect()
_SHOWN = 3  # of each kind of defect


@dataclass(frozen=True)
class Submission:
    """A group's name and, for each query photo, the gallery photos most likely of the same person.

    `images` maps a query's file name to gallery file names, best first: ten, unless the dialect says
    otherwise. Any such mapping can be held, right or wrong; `defects` says what is wrong with it.
    """

    group: str
    images: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        # A copy of its own, so that what was checked is what is sent.
        object.__setattr__(self, "images", {query: tuple(names) for query, names in self.images.items()})

    def payload(self, dialect: Dialect = _OFFICIAL) -> bytes:
        """Return the JSON text that is sent: `{"groupname": …, "images": {query: [names]}}`, in ASCII."""
        return json.dumps({dialect.group_key: self.group, dialect.images_key: self.images}).encode("ascii")

    @classmethod
    def from_payload(cls, data: bytes, dialect: Dialect = _OFFICIAL) -> "Submission":
        """Return the submission whose payload is `data`; other keys than the dialect's two are ignored.

        Raises FacematchError for text that is not JSON, a missing or doubled key, or another form.
        """
        try:
            require_shape(data, "submission")
            value = json.loads(data, object_pairs_hook=_each_key_once)
        except (ValueError, RecursionError) as error:
            raise _wrong_form(f"cannot be read as JSON: {_cut(str(error), 200)}") from error
        if not isinstance(value, dict):
            raise _wrong_form(f"is a JSON {type(value).__name__}, not an object")
        group, images = _member(value, dialect.group_key, str), _member(value, dialect.images_key, dict)
        for query, names in images.items():
            if not isinstance(names, list):
                raise _wrong_form(f"has {_cut(repr(names))} for the query {_cut(query)}, not a list of names")
            wrong = [name for name in names if not isinstance(name, str)]
            if wrong:
                raise _wrong_form(f"has the name {_cut(repr(wrong[0]))} for the query {_cut(query)}, not a text")
        return cls(group, images)


def has_group(name: str | None) -> bool:
    """Return whether a group's name is one."""
    return name is not None and name.strip() not in ("", NO_GROUP)


def require_group(name: str | None) -> None:
    """Raise FacematchError where a group has no name: nobody would be scored for the submission."""
    if not has_group(name):
        raise FacematchError(
            "server.group is not set: a submission is scored for a group.",
            "Add --set server.group=NAME; --dry-run needs none.",
        )


def defects(
    submission: Submission, query_names: Sequence[str], gallery_names: Sequence[str], count: int = _OFFICIAL.names
) -> list[str]:
    """Return every defect of a submission, one line for each kind, with its first few cases.

    `query_names` and `gallery_names` are the base names of the two folders, `count` is how many names
    each query needs. A name that stands in
    both folders counts as a query: in an answer the two could not be told apart. A name without
    extension is right where the folder has exactly that file. The list is empty when all is well.
    """
    asked, known = dict.fromkeys(query_names), set(gallery_names)
    images = submission.images
    found = []
    if not has_group(submission.group):
        found.append(
            "it was made in a dry run, without a group" if submission.group.strip() else "the group's name is empty"
        )
    if len(known) < count:
        found.append(f"the gallery has {len(known)} photos; each query needs {count} different ones")
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
        f"queries without exactly {count} names": [
            f"{query} has {len(names)}" for query, names in images.items() if len(names) != count
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
            f"all {len(images)} queries have the same {count} names in the same order: the embeddings "
            "do not tell people apart (a collapsed or untrained network)"
        )
    return found


def check(
    submission: Submission, query_names: Sequence[str], gallery_names: Sequence[str], count: int = _OFFICIAL.names
) -> None:
    """Raise FacematchError that lists the defects of a submission, if it has any."""
    found = defects(submission, query_names, gallery_names, count)
    if found:
        raise FacematchError(
            "the submission is not fit to be sent:\n" + "\n".join(f"- {line}" for line in found),
            "Check that the query and gallery folders are the right way round and complete, then make it again.",
        )


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
    return "/" in name or "\\" in name or (name not in folder and not PurePosixPath(name).suffix)


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
