"""`facematch sample`: the sample on disk, never over files of others, never half, repairable after a crash.

Everything is written into a staging folder below the target first. Folders are then renamed into place one by one and
the manifest last, so at any moment every file of the sample is listed either in the manifest in place or in that of a
staging folder left behind: the next run knows its own.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import BaseModel, TypeAdapter

from facematch.core.console import progress, result, show_json
from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of, sha256_of_file, write_json
from facematch.core.foreign import as_kind, read_json
from facematch.photos.encoded import jpeg_bytes
from facematch.tasks.sample.plan import FACES, GALLERY, QUERY, Plan, PlannedPhoto, make_plan
from facematch.tasks.sample.portraits import load_backgrounds, load_faces, make_portrait

KIND = "facematch sample"
MANIFEST = "sample.json"
TRUTH = "rehearsal/ground_truth.json"
FOLDERS = (FACES, QUERY, GALLERY)
STAGING = ".facematch-sample-"  # the rest of the name is random
LITTER = (".DS_Store", "Thumbs.db")  # what desktops leave in folders that were looked at


class _Manifest(BaseModel):
    kind: Literal["facematch sample"]
    files: dict[str, str]


_MANIFEST = TypeAdapter(_Manifest)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Return the manifest of a sample, or None where there is none that this program wrote."""
    try:
        manifest = read_json(path, "the sample's manifest")
        as_kind(_MANIFEST, manifest)
    except (FacematchError, ValueError):
        return None
    return dict(manifest)


def is_complete(out: Path, manifest: dict[str, Any]) -> bool:
    """Return whether every file of a manifest is in `out` with its SHA-256."""
    try:
        return all(sha256_of_file(out / path) == digest for path, digest in manifest["files"].items())
    except (OSError, ValueError):  # ValueError: a path that no file system takes
        return False


def refuse_foreign(out: Path) -> None:
    """Raise FacematchError when something not written by this program is where the sample goes."""
    manifests = [out / MANIFEST, *out.glob(f"{STAGING}*/new/{MANIFEST}")]
    owned = {path for found in map(read_manifest, manifests) if found for path in found["files"]}
    if read_manifest(out / MANIFEST):
        owned.add(MANIFEST)
    foreign = sorted(path for path in _present(out) if path not in owned)
    if foreign:
        others = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise FacematchError(
            f"{out} holds {foreign[0]}{others}, which the sample did not write; nothing was touched.",
            "Choose another folder with --out DIR, or move these files away.",
        )


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """Yield an empty folder to write the sample into; put it in place when the block ends well.

    When the block raises, the folder is removed and `out` is as it was. Raises FacematchError when
    the disk is full or `out` cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        staged = Path(mkdtemp(prefix=STAGING, dir=out))
        try:
            (staged / "new").mkdir()
            yield staged / "new"
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        _put_in_place(staged, out)
        remove_leftovers(out)
    except OSError as error:
        raise FacematchError(
            f"The sample could not be written to {out}: {error.strerror or error}.",
            "Free 20 MB on the disk, or choose a folder you may write to with --out DIR.",
        ) from error


def remove_leftovers(out: Path) -> None:
    """Remove the staging folders of this and of earlier, interrupted runs."""
    for staged in out.glob(f"{STAGING}*"):
        shutil.rmtree(staged, ignore_errors=True)


def _present(out: Path) -> Iterator[str]:
    # Paths below `out`, with slashes, of all that is where the sample goes. Links are never followed.
    for name in (TRUTH, MANIFEST):
        if os.path.lexists(out / name):
            yield name
    for name in FOLDERS:
        folder = out / name
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            yield name
            continue
        for parent, folders, files in os.walk(folder):
            links = [link for link in folders if Path(parent, link).is_symlink()]
            for found in (*files, *links):
                if found not in LITTER:
                    yield Path(parent, found).relative_to(out).as_posix()


def _put_in_place(staged: Path, out: Path) -> None:
    for name in FOLDERS:
        target, retired = out / name, staged / "old" / name
        if target.exists():
            retired.parent.mkdir(parents=True, exist_ok=True)
            target.replace(retired)
        target.parent.mkdir(parents=True, exist_ok=True)
        (staged / "new" / name).replace(target)
    for name in (TRUTH, MANIFEST):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (staged / "new" / name).replace(out / name)


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


def sample_command(out: Path, seed: int, *, as_json: bool = False) -> None:
    """Write the sample data, unless it is there already, and print what it is."""
    with progress("sample photographs", 1000) as step:
        written = write_sample(out, seed=seed, on_progress=lambda done, total: step(done * 1000 // max(1, total)))
    counts = make_plan(seed).counts
    if as_json:
        show_json({"out": str(out), **counts, "truth": str(out / TRUTH), "already_there": not written})
        return
    what = "written" if written else "already there"
    result(
        f"{what}: {counts['photos']} photos of {counts['people']} people in {out / 'faces'}, for training and "
        "validation"
    )
    result(
        f"  {counts['queries']} queries and {counts['gallery']} gallery photos of {counts['gallery_people']} other "
        f"people in {out / 'test_data'}"
    )
    result("  One real photograph of each person, varied: a rehearsal, not a benchmark.")
