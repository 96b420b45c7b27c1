"""The sample on disk: folders of people, queries, gallery, ground truth and a manifest."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facematch.core.files import sha256_of_file, write_json
from facematch.photos.encoded import jpeg_bytes
from facematch.tasks.sample.placing import (
    FOLDERS,
    KIND,
    MANIFEST,
    TRUTH,
    is_complete,
    read_manifest,
    refuse_foreign,
    remove_leftovers,
    staging,
)
from facematch.tasks.sample.plan import Plan, PlannedPhoto, make_plan
from facematch.tasks.sample.portraits import make_portrait
from facematch.tasks.sample.sources import load_backgrounds, load_faces

VERSION = 1  # raised when the same seed gives other pictures

STATEMENT = {
    "what": (
        "A rehearsal, not a benchmark. Each identity is one real face crop of 25×25 grey pixels, made into "
        "several photographs: size, pose, light, colour, clothes, background, occlusion, blur, noise and JPEG "
        "quality are artificial. The crops carry no names, so one person may be there under two identities. "
        "Figures measured on it say nothing about how well anyone's face is recognised."
    ),
    "faces": (
        "The 100 faces of skimage.data.lfw_subset, from Labeled Faces in the Wild (Huang, Ramesh, Berg and "
        "Learned-Miller, University of Massachusetts TR 07-49, 2007; aligned: Huang, Mattar, Lee and "
        "Learned-Miller, NIPS 2012). Provided for research; news photographs, whose owners keep their rights. "
        "Its authors: it must not be used to conclude that an algorithm is suitable for any commercial use."
    ),
    "backgrounds": (
        "Photographs that scikit-image carries: coffee, chelsea, rocket, motorcycle_left, brick, grass; "
        "sources and terms in the documentation of skimage.data."
    ),
}


@dataclass(frozen=True)
class SampleSummary:
    """What lies in `out`.

    `people` identities with `photos` photographs in all are in `out/faces` (training and validation
    together), `queries` photographs of `query_people` others in `out/test_data/query`, `gallery`
    photographs of `gallery_people` people in `out/test_data/gallery`. `truth` is the JSON file
    `{"query name": ["gallery name", …]}`; `already_there` says that nothing had to be written.
    """

    out: Path
    people: int
    photos: int
    queries: int
    query_people: int
    gallery: int
    gallery_people: int
    truth: Path
    already_there: bool


def write_sample(
    out: Path, *, seed: int = 2026, on_progress: Callable[[int, int], None] | None = None
) -> SampleSummary:
    """Write the sample into the folder `out`; the same seed gives the same bytes.

    An earlier sample in `out` is kept when it is whole and has the same seed, else replaced.
    `on_progress` is called after each photograph with how many are done and how many there are.
    Raises FacematchError, with nothing touched, when `out` holds other files where the sample goes,
    for a negative seed, and when scikit-image lacks the faces; also when the disk is full.
    """
    plan = make_plan(seed)
    manifest = read_manifest(out / MANIFEST)
    if manifest and (manifest.get("version"), manifest.get("seed")) == (VERSION, seed) and is_complete(out, manifest):
        remove_leftovers(out)
        return _summary(out, plan, already_there=True)
    refuse_foreign(out)
    load_faces()  # what is missing shows before anything is written
    load_backgrounds()
    with staging(out) as folder:
        files = _write_photos(folder, plan, seed, on_progress or (lambda done, total: None))
        write_json(folder / TRUTH, plan.truth)
        files[TRUTH] = sha256_of_file(folder / TRUTH)
        write_json(folder / MANIFEST, _manifest(plan, seed, files))
    return _summary(out, plan, already_there=False)


def render_photo(photo: PlannedPhoto, seed: int) -> bytes:
    """Return one photograph of the sample as JPEG bytes; only the photo's person, number and the seed decide them."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, photo.person, photo.number)))
    portrait = make_portrait(load_faces()[photo.person], load_backgrounds(), rng)
    return jpeg_bytes(portrait.image, quality=int(rng.integers(55, 96)))


def _write_photos(folder: Path, plan: Plan, seed: int, on_progress: Callable[[int, int], None]) -> dict[str, str]:
    # Threads: OpenCV and NumPy compute without the interpreter's lock, and no photo depends on another.
    digests: dict[str, str] = {}
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for photo, data in zip(plan.photos, pool.map(partial(render_photo, seed=seed), plan.photos), strict=True):
            path = folder / photo.path
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            digests[photo.path] = hashlib.sha256(data).hexdigest()
            on_progress(len(digests), len(plan.photos))
    return digests


def _manifest(plan: Plan, seed: int, files: dict[str, str]) -> dict[str, Any]:
    return {
        "kind": KIND,
        "version": VERSION,
        "seed": seed,
        **STATEMENT,
        "made_with": {"numpy": np.__version__, "opencv": cv2.__version__},
        "counts": plan.counts,
        "files": files,
    }


def _summary(out: Path, plan: Plan, *, already_there: bool) -> SampleSummary:
    return SampleSummary(out=out, truth=out / TRUTH, already_there=already_there, **plan.counts)
