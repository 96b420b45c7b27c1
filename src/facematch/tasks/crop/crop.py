"""`facematch crop`, `embed` and `rank`: crops with a table and contact sheets, embeddings as files, their ranking."""

import csv
import errno
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

from facematch.charts.contact_sheet import TILE, Tile, counted, write_contact_sheet
from facematch.charts.jpeg import SmallPhoto, read_small, shrunk
from facematch.core.console import info, progress, result, show_json
from facematch.core.errors import FacematchError, nearest_name
from facematch.core.files import sha256_of, write_bytes
from facematch.core.text import evenly
from facematch.faces.values import Crop, FaceRecord, coverage_of, record_of
from facematch.photos.encoded import png_bytes
from facematch.photos.photo import FolderPhotos, find_photos
from facematch.pipeline.build import crops_of, photo_embedder, photo_limits
from facematch.pipeline.default_checkpoint import settings_in_use
from facematch.pipeline.system import build_system, compare_and_note
from facematch.ranking.embedding_files import read_embeddings, require_ending, write_embeddings
from facematch.ranking.metrics import METRICS
from facematch.ranking.ranking import chosen_metric
from facematch.refine.chain import Ranker
from facematch.settings.file import load_settings
from facematch.settings.ranking import INDEXES, IndexKind
from facematch.settings.root import Settings
from facematch.tasks.crop.compare import compare_detectors

_SHEET = 200  # tiles on a contact sheet


@dataclass
class _Cropped:
    # A row for each file; where crops are that could not be named as their photos; an even choice of the faces found,
    # which is halved when it is large, so that no more pixels are kept.
    records: list[FaceRecord] = field(default_factory=list)
    elsewhere: dict[str, str] = field(default_factory=dict)
    tiles: list[Tile] = field(default_factory=list)
    found: int = 0
    every: int = 1

    def show(self, crop: Crop) -> None:
        if self.found % self.every == 0:
            self.tiles.append(Tile(shrunk(crop.image, TILE), crop.name))
        self.found += 1
        if len(self.tiles) > 2 * _SHEET:
            self.tiles, self.every = self.tiles[::2], 2 * self.every


def crop_command(
    photos: Path,
    folder: Path,
    config: Path | None,
    overrides: Sequence[str],
    *,
    compare: str | None = None,
    as_json: bool,
) -> None:
    """Write OUT/crops/<photo name>.png, OUT/crops.csv, OUT/crops.png and OUT/misses.png; or OUT/compare.png alone."""
    if compare is not None:
        compare_detectors(photos, folder, config, overrides, compare, as_json=as_json)
        return
    settings = load_settings(config, overrides)
    if photos.is_dir() and photos.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise FacematchError(
            f"{folder} lies inside {photos}, so its crops would be cropped again.", "Choose another OUT."
        )
    found = find_photos(photos)
    if not found.files:
        raise FacematchError(f"{photos} holds no photos; {len(found.unreadable)} files cannot be used.")
    cropped = _crop_all(found, folder, settings)
    records = [*cropped.records, *map(record_of, found.unreadable)]
    _write_table(folder / "crops.csv", records, cropped.elsewhere)
    misses = [record for record in records if record.status != "found"]
    tiles = evenly(cropped.tiles, _SHEET)
    title = counted(f"crops of {photos}", len(tiles), cropped.found)
    write_contact_sheet(folder / "crops.png", tiles, title=title)
    tiles = _miss_tiles(misses, found, settings)
    title = counted(f"no face found in {photos}", len(tiles), len(misses))
    write_contact_sheet(folder / "misses.png", tiles, title=title)
    coverage = coverage_of(records)
    if as_json:
        missing = [{"photo": each.name, "status": each.status, "reason": each.reason} for each in misses]
        show_json({"out": str(folder), **asdict(coverage), "without_a_face": missing})
        return
    result(f"{coverage}")
    for record in misses[:20]:
        info(f"{record.name}: {record.status}: {record.reason}")
    if len(misses) > 20:
        info(f"… and {len(misses) - 20} more in {folder / 'crops.csv'}")
    result(
        f"crops: {folder / 'crops'}  table: {folder / 'crops.csv'}  "
        f"to look at: {folder / 'crops.png'}, {folder / 'misses.png'}"
    )


def _crop_all(found: FolderPhotos, folder: Path, settings: Settings) -> _Cropped:
    done = _Cropped()
    with progress("crops", len(found.files)) as step:
        for outcome in crops_of(settings, found.files, settings.faces.miss, step):
            done.records.append(record_of(outcome))
            if isinstance(outcome, Crop):
                if (path := write_crop(folder, outcome)) != _path(outcome.name):
                    done.elsewhere[outcome.name] = path
                if not outcome.reason:
                    done.show(outcome)
    return done


def write_crop(folder: Path, crop: Crop) -> str:
    """Write a crop as a PNG below `folder` and return its path from there.

    It is the photo's whole name with .png added, so no two photos share one. Where the file system has no names so
    long, it is the digest of the photo's name, in a folder of its own.
    """
    path, data = _path(crop.name), png_bytes(crop.image)
    try:
        write_bytes(folder / path, data)
    except FacematchError as error:
        if getattr(error.__cause__, "errno", None) != errno.ENAMETOOLONG:
            raise
        path = f"crops-of-long-names/{sha256_of(crop.name.encode())[:32]}.png"
        write_bytes(folder / path, data)
    return path


def _path(name: str) -> str:
    return f"crops/{name}.png"


def _miss_tiles(misses: Sequence[FaceRecord], found: FolderPhotos, settings: Settings) -> list[Tile]:
    files, limits = {file.name: file for file in found.files}, photo_limits(settings.photos)
    tiles = []
    for record in evenly(misses, _SHEET):
        small = read_small(files[record.name], TILE, limits) if record.name in files else None
        tiles.append(Tile(small.image if isinstance(small, SmallPhoto) else None, record.name, record.reason))
    return tiles


def _write_table(path: Path, records: Sequence[FaceRecord], elsewhere: Mapping[str, str]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["photo", "status", "detector", "x", "y", "width", "height", "score", "reason", "crop"])
    for record in records:
        box = record.box if record.box is not None else ("", "", "", "")
        score = f"{record.score:g}" if record.status == "found" else ""
        cropped = record.status not in ("miss", "unreadable")
        crop = elsewhere.get(record.name, _path(record.name)) if cropped else ""
        table.writerow([record.name, record.status, record.detector, *box, score, record.reason, crop])
    write_bytes(path, text.getvalue().encode())


def embed_command(photos: Path, out: Path, config: Path, overrides: Sequence[str], *, as_json: bool = False) -> None:
    """Embed a folder and write its embeddings to a file as which its name ends."""
    require_ending(out)
    settings = settings_in_use(config, overrides)
    stage = photo_embedder(settings, build_system(settings).embedder)
    found = find_photos(photos)
    if not found.files:
        raise FacematchError(f"{photos} holds no photos; {len(found.unreadable)} files cannot be used.")
    with progress("embedding", len(found.files)) as step:
        embedded = stage.run(found.files, step)
    embeddings = embedded.embeddings
    write_embeddings(out, embeddings)
    records = [*embedded.records, *(record_of(bad) for bad in found.unreadable)]
    left_out = [record for record in records if record.status in ("miss", "unreadable")]
    coverage = coverage_of(records)
    if as_json:
        size = {"embeddings": len(embeddings), "dimensions": embeddings.dimensions, "metric": embeddings.metric}
        left = [{"photo": each.name, "status": each.status, "reason": each.reason} for each in left_out]
        show_json({"out": str(out), **size, **asdict(coverage), "left_out": left})
        return
    for record in left_out:
        info(f"{record.name}: {record.reason}")
    result(f"{coverage}")
    result(f"{len(embeddings)} embeddings: {out}")


def rank_command(query: Path, gallery: Path, k: int, metric: str | None, index: str, *, as_json: bool = False) -> None:
    """Print the ranking of saved embeddings as CSV, or as JSON."""
    for option, value, known in (("metric", metric, METRICS), ("index", index, INDEXES)):
        if value is not None and value not in known:
            raise FacematchError(f"--{option} {value} is not known{nearest_name(value, known)}.", ", ".join(known))
    asking, answering = read_embeddings(query), read_embeddings(gallery)
    compared = chosen_metric(asking, metric)
    ranking = compare_and_note(Ranker((), compared, index=cast("IndexKind", index)), asking, answering, k)
    if as_json:
        found = ranking.distances.tolist()
        answers = {
            name: [
                {"photo": photo, "distance": far} for photo, far in zip(ranking.names(row), found[row], strict=False)
            ]
            for row, name in enumerate(ranking.queries)
        }
        show_json({"metric": compared, "answers": answers})
        return
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["query", "rank", "gallery", "distance"])
    for number, name in enumerate(ranking.queries):
        for place, answer in enumerate(ranking.names(number), start=1):
            table.writerow([name, place, answer, f"{ranking.distances[number, place - 1]:.6f}"])
