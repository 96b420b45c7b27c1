"""A stand-in where no rendered pictures are at hand: a task whose gallery is drawn, painted or printed."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from facematch.core.console import progress
from facematch.core.files import sha256_of, write_bytes
from facematch.embedders.embed import PhotoEmbedder
from facematch.evaluation.task import Division, RetrievalTask
from facematch.faces.boxes import reduced
from facematch.faces.stream import in_order
from facematch.photos.encoded import png_bytes
from facematch.photos.photo import PhotoFile, PhotoLimits, Unreadable, read_photo
from facematch.photos.renderings import RENDERING_NAMES, render
from facematch.pipeline.evaluated import TaskPhotos, embed_named, embed_task
from facematch.ranking.embeddings import Embeddings, joined

STRENGTH = 0.5
PHOTOGRAPHS = "photographs, as they are"
STAND_IN = (
    "a stand-in for contests whose gallery is made by other programs: where you have such pictures, name them by "
    "identities.domain, and identities.across asks them"
)
_RENDERED = "rendered gallery"
_SIDE = 640  # pixels of the longer side, at most: what is larger is reduced before it is rendered


def each_rendering(
    photos: TaskPhotos, stages: Mapping[str, PhotoEmbedder], limits: PhotoLimits
) -> Iterator[tuple[str, TaskPhotos, dict[str, Embeddings]]]:
    """Yield the task as it is, and then with its gallery rendered in each way: its name, its photos, their embeddings.

    Embeddings are by the names of the `stages`, which embed the queries once. Rendered pictures are gone when the next
    are asked for, and nothing of them is left in the user's cache.
    """
    found = {who: embed_task(stage, photos, who).embeddings for who, stage in stages.items()}
    yield PHOTOGRAPHS, photos, found
    asking = frozenset(photos.task.queries)
    queries = {
        who: each.at([row for row, name in enumerate(each.names) if name in asking]) for who, each in found.items()
    }
    for name in RENDERING_NAMES:
        with tempfile.TemporaryDirectory(prefix="facematch-") as folder:
            drawn = rendered_gallery(photos, [name], Path(folder) / "photos", limits)
            gallery = drawn.parts[_RENDERED]
            for who, stage in stages.items():
                here = replace(stage, cache=Path(folder) / "cache")
                found[who] = joined([queries[who], embed_named(here, gallery, f"{who}, {name}").embeddings])
            yield name, drawn, dict(found)


def rendered_words(queries: int, gallery: int) -> str:
    """Return what a table of renderings shows."""
    return (
        f"{queries:,} photographs ask a gallery of {gallery:,}, rendered (strength {STRENGTH}): top-1 "
        "[95 % interval over people]"
    )


def rendered_gallery(photos: TaskPhotos, names: Sequence[str], folder: Path, limits: PhotoLimits) -> TaskPhotos:
    """Return the task with every gallery photo rendered as one of `names`, in turn; the queries stay photographs.

    The pictures are written into `folder`, seeded by their photos' names. A photo that stood on both sides asks as it
    is, and does not ask for its own rendering. A file that is no photo stays what it is.
    """
    gallery = sorted(photos.task.gallery)
    numbers = {name: number for number, name in enumerate(gallery)}

    def rendered(file: PhotoFile) -> Path:
        photo = read_photo(file, limits)
        if isinstance(photo, Unreadable):
            return file.path
        number = numbers[file.name]
        seed = int(sha256_of(file.name.encode("utf-8", "surrogatepass"))[:8], 16)
        picture = render(reduced(photo.image, _SIDE)[0], names[number % len(names)], STRENGTH, seed)
        path = folder / f"{number:07d}.png"
        write_bytes(path, png_bytes(picture, quick=True))
        return path

    folder.mkdir(parents=True, exist_ok=True)
    files, drawn = photos.files, {}
    task, called = apart(photos.task)
    with progress(f"rendering the gallery: {', '.join(names)}", len(gallery)) as step:
        paths = in_order(rendered, [PhotoFile(name, files[name].path) for name in gallery], os.cpu_count() or 1)
        for done, (name, path) in enumerate(zip(gallery, paths, strict=True), start=1):
            drawn[called[name]] = PhotoFile(called[name], path)
            step(done)
    queries = {name: files[name] for name in dict.fromkeys(task.queries) if name in files}
    return replace(photos, task=task, parts={"queries": queries, _RENDERED: drawn})


def apart(task: RetrievalTask) -> tuple[RetrievalTask, dict[str, str]]:
    """Return the task whose gallery is rendered, and how each gallery photo is called in it.

    A photo that also asks gets a name of its own there.
    """
    asking = frozenset(task.queries)
    called = {name: f"rendered {name}" if name in asking else name for name in sorted(task.gallery)}
    rendered = replace(
        task,
        divisions=tuple(_renamed(each, called) for each in task.divisions),
        shown={**task.shown, **{called[name]: who for name, who in task.shown.items() if name in called}},
        protocol=f"{task.protocol}; the gallery is rendered",
        both_sides=False,
    )
    return rendered, called


def _renamed(division: Division, called: Mapping[str, str]) -> Division:
    def those(names: frozenset[str]) -> frozenset[str]:
        return frozenset(called[name] for name in names if name in called)

    relevant = {names: those(names) for names in set(division.relevant)}  # one set for all queries of a person
    return replace(
        division,
        gallery=tuple(called[name] for name in division.gallery),
        relevant=tuple(relevant[names] for names in division.relevant),
        ignored=None if division.ignored is None else tuple(map(those, division.ignored)),
    )
