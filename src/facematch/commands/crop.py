"""`facematch crop`: crops, one CSV row for every file met, and contact sheets of crops and misses."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from facematch.cache import cache_folder
from facematch.console import note, say, working
from facematch.encoded import png_bytes
from facematch.errors import FacematchError
from facematch.faces.stream import crop_cache, crop_photos
from facematch.faces.values import Crop, FaceRecord, coverage_of, record_of
from facematch.files import write_bytes
from facematch.flow import build_cropper, photo_limits
from facematch.photos import Found, Photo, find_photos, read_photo
from facematch.reports.contact_sheet import Tile, write_contact_sheet
from facematch.settings import Settings
from facematch.settings_file import load_settings

_SHEET = 200  # tiles on a contact sheet


def crop_command(photos: Path, out: Path, config: Path | None, overrides: Sequence[str]) -> None:
    """Write OUT/crops/<photo name>.png, OUT/crops.csv, OUT/crops.png and OUT/misses.png."""
    settings = load_settings(config, overrides)
    if photos.is_dir() and photos.resolve() in (out.resolve(), *out.resolve().parents):
        raise FacematchError(f"{out} lies inside {photos}, so its crops would be cropped again.", "Choose another OUT.")
    found = find_photos(photos)
    if not found.files:
        raise FacematchError(f"{photos} holds no photos; {len(found.unreadable)} files cannot be used.")
    records, tiles = _crop_all(found, out, settings)
    records += [record_of(unreadable) for unreadable in found.unreadable]
    _write_table(out / "crops.csv", records)
    write_contact_sheet(out / "crops.png", tiles, title=f"crops of {photos}", limit=_SHEET)
    misses = [record for record in records if record.status != "found"]
    write_contact_sheet(
        out / "misses.png", _miss_tiles(misses, found, settings), title=f"no face found in {photos}", limit=_SHEET
    )
    say(f"{coverage_of(records)}")
    for record in misses[:20]:
        note(f"{record.name}: {record.status}: {record.reason}")
    if len(misses) > 20:
        note(f"… and {len(misses) - 20} more in {out / 'crops.csv'}")
    say(f"crops: {out / 'crops'}  table: {out / 'crops.csv'}  to look at: {out / 'crops.png'}, {out / 'misses.png'}")


def _crop_all(found: Found, out: Path, settings: Settings) -> tuple[list[FaceRecord], list[Tile]]:
    cropper = build_cropper(settings.faces)
    records, tiles = [], []
    every = max(1, len(found.files) // _SHEET)  # an even choice for the sheet, so that pixels need not be kept
    with crop_cache(cache_folder(settings.paths.cache), cropper) as cache, working("crops", len(found.files)) as step:
        outcomes = crop_photos(
            found.files,
            cropper,
            cache,
            miss=settings.faces.miss,
            limits=photo_limits(settings.photos),
            on_progress=step,
        )
        for number, outcome in enumerate(outcomes):
            records.append(record_of(outcome))
            if isinstance(outcome, Crop):
                write_bytes(crop_path(out, outcome.name), png_bytes(outcome.image))
                if number % every == 0 and not outcome.reason:
                    tiles.append(Tile(outcome.image, outcome.name))
    return records, tiles


def crop_path(out: Path, name: str) -> Path:
    """Return where a photo's crop is written: its whole name with .png added, so no two photos share one."""
    return out / "crops" / f"{name}.png"


def _miss_tiles(misses: Sequence[FaceRecord], found: Found, settings: Settings) -> list[Tile]:
    files = {file.name: file for file in found.files}
    tiles = []
    for record in misses[:_SHEET]:
        photo = read_photo(files[record.name], photo_limits(settings.photos)) if record.name in files else None
        tiles.append(Tile(photo.image if isinstance(photo, Photo) else None, record.name, record.reason))
    return tiles


def _write_table(path: Path, records: Sequence[FaceRecord]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["photo", "status", "detector", "x", "y", "width", "height", "score", "reason", "crop"])
    for record in records:
        box = record.box if record.box is not None else ("", "", "", "")
        crop = "" if record.status in ("miss", "unreadable") else f"crops/{record.name}.png"
        score = f"{record.score:g}" if record.status == "found" else ""
        table.writerow([record.name, record.status, record.detector, *box, score, record.reason, crop])
    write_bytes(path, text.getvalue().encode())
