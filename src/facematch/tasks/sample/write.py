"""The sample on disk: folders of people, queries, gallery, ground truth and a manifest."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from facematch.core.files import sha256_of, sha256_of_file, write_json
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


def write_sample(out: Path, *, seed: int = 2026, on_progress: Callable[[int, int], None] | None = None) -> bool:
    """Write the sample into the folder `out`, as `make_plan` plans it; return whether anything had to be written.

    The same seed gives the same bytes. An earlier sample in `out` is kept when it is whole and has the same seed, else
    replaced. `on_progress` is called after each photograph with how many are done and how many there are.
    Raises FacematchError, with nothing touched, when `out` holds other files where the sample goes,
    for a negative seed, and when scikit-image lacks the faces; also when the disk is full.
    """
    plan = make_plan(seed)
    manifest = read_manifest(out / MANIFEST)
    if manifest and (manifest.get("version"), manifest.get("seed")) == (VERSION, seed) and is_complete(out, manifest):
        remove_leftovers(out)
        return False
    refuse_foreign(out)
    load_faces()  # what is missing shows before anything is written
    load_backgrounds()
    with staging(out) as folder:
        files = _write_photos(folder, plan, seed, on_progress or (lambda done, total: None))
        write_json(folder / TRUTH, plan.truth)
        files[TRUTH] = sha256_of_file(folder / TRUTH)
        made_with = {"made_with": {"numpy": np.__version__, "opencv": cv2.__version__}, "counts": plan.counts}
        manifest = {"kind": KIND, "version": VERSION, "seed": seed, **STATEMENT, **made_with, "files": files}
        write_json(folder / MANIFEST, manifest)
    return True


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
            digests[photo.path] = sha256_of(data)
            on_progress(len(digests), len(plan.photos))
    return digests
