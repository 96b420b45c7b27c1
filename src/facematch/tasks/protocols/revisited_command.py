"""`facematch revisited`: the ROxford5k and RParis6k protocol on photos of one's own copy."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image as PillowImage

from facematch.core.console import info, show_json
from facematch.core.errors import FacematchError
from facematch.photos.photo import Photo, PhotoFile, PhotoLimits, find_photos, read_photo
from facematch.pipeline.build import photo_embedder
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.evaluated import embed_files, show_figures
from facematch.pipeline.system import build_system
from facematch.tasks.protocols.revisited import RevisitedTruth, load_ground_truth, revisited_figures


def revisited_command(truth: Path, photos: Path, config: Path, overrides: Sequence[str], *, as_json: bool) -> None:
    """Embed queries, cut to their boxes, and gallery; rank; print mAP and mP@k for easy, medium and hard."""
    settings, known = settings_in_use(config, overrides), load_ground_truth(truth)
    system = build_system(settings)
    stage = photo_embedder(settings, system.embedder)
    asking, answering = _sides(known, photos)
    with tempfile.TemporaryDirectory() as folder:
        boxed = [_cut(known, file, Path(folder)) for file in asking]
        query = embed_files(stage, boxed, "queries").embeddings
    gallery = embed_files(stage, answering, "gallery").embeddings
    figures = revisited_figures(system.rank(query, gallery, len(gallery)), known)
    if as_json:
        show_json([figure.as_dict() for figure in figures])
    else:
        show_figures(f"{truth.stem}, {len(query)} queries, {len(gallery)} gallery photos", figures)
        info("people are landmarks here: intervals are drawn over them")


def _sides(known: RevisitedTruth, photos: Path) -> tuple[list[PhotoFile], list[PhotoFile]]:
    # Files by their name without folder and suffix, as the truth has them.
    files = {Path(file.name).stem: file for file in find_photos(photos).files}
    names = [query.name for query in known.queries]
    missing = [name for name in (*names, *known.gallery) if name not in files]
    if missing:
        raise FacematchError(
            f"{len(missing)} of {len(names) + len(known.gallery)} photos of the ground truth are not in {photos}, "
            f"first {missing[0]}.",
            "Unpack the data set's photos into that folder; names are compared without folder and suffix.",
        )
    return [files[name] for name in names], [files[name] for name in known.gallery]


def _cut(known: RevisitedTruth, file: PhotoFile, folder: Path) -> PhotoFile:
    # The part of a query photo that the protocol asks with, as a lossless file.
    name = Path(file.name).stem
    (query,) = (each for each in known.queries if each.name == name)
    photo = read_photo(file, PhotoLimits())
    if not isinstance(photo, Photo):
        raise FacematchError(f"the query {file.path} cannot be read: {photo.reason}.", "Unpack the data set again.")
    height, width = photo.image.shape[:2]
    left, top, right, bottom = (round(edge) for edge in query.box or (0, 0, width, height))
    part = photo.image[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    if not part.size:
        raise FacematchError(
            f"the box {query.box} of query {name} lies outside its photo of {width}×{height} pixels.",
            "The photo is not the data set's: it may have been resized.",
        )
    path = folder / f"{name}.png"
    PillowImage.fromarray(part).save(path)
    return PhotoFile(f"{name}.png", path)
