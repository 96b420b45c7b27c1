"""Whole files for the readers of records, lists, caches and journals."""

import json
import pickle
import sqlite3
import zipfile
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from facematch.core.cache import Cache
from facematch.core.foreign import read_json
from facematch.embedders.embed import PhotoEmbedder
from facematch.embedders.pixels import PixelEmbedder
from facematch.evaluation.outcomes import outcomes_from_json
from facematch.faces.cropper import Cropper
from facematch.faces.detectors import NoDetector
from facematch.identities.archives import unzipped
from facematch.models.fetch import extract_member
from facematch.photos.photo import PhotoLimits, find_photos
from facematch.pipeline.build import build_cropper
from facematch.pipeline.system import load_tuned
from facematch.settings.compare import CompareSettings
from facematch.settings.competition import CompetitionForm
from facematch.settings.file import load_section, load_settings
from facematch.tasks.competition.answer import parse_answer
from facematch.tasks.competition.journal import NAME, Journal
from facematch.tasks.competition.submission import Submission
from facematch.tasks.report.subgroups import column_values, read_attributes
from facematch.tasks.sample.write import is_complete, read_manifest
from facematch.thresholds.kept import threshold_from_dict

BASIS = {"metric": "euclidean", "count": 24, "people": 12}
RULE = {"distance": 2.1, "weight": 1.0, "neighbours": 2, "of": "gallery", "squared": False, "f1": 0.5, "basis": BASIS}
MODEL = {"base_rate": 0.1, "prior": 0.2, "basis": BASIS}
THRESHOLDS = (
    {"kind": "static", "distance": 0.3, "f1": 0.6, "basis": BASIS},
    {"kind": "dynamic rule", **RULE},
    {
        "kind": "calibrated",
        "model": {"distances": [0.1, 0.7], "probabilities": [1.0, 0.3], **MODEL},
        "probability": 0.9,
    },
    {"kind": "calibrated", "model": {"slope": 0.3, "offset": -2.0, **MODEL}, "probability": 0.5},
)
LANDMARKS = {
    "imlist": ["a", "b", "c"], "qimlist": ["q", "r"],
    "gnd": [
        {"easy": [0], "hard": [1], "junk": [], "bbx": [1.0, 2.0, 3.0, 4.5]},
        {"easy": [], "hard": [2], "junk": [0, 1], "bbx": [1, 2, 3, 4]},
    ],
}  # fmt: skip
ROWS = {f"k{number}": (f'{{"n": {number}}}', bytes([number]) * 900) for number in range(30)}


def tuned_place(path: Path) -> Any:
    return load_settings(None, [f"paths.checkpoints={path.parents[2]}", "name=run", "embedder.kind=pixels"])


def tuned(folder: Path) -> list[bytes]:
    told = build_cropper(tuned_place(folder / "run/tuned/tuned.json").faces).fingerprint | PixelEmbedder().fingerprint
    static = {"kind": "static", "distance": 0.5, "f1": 0.8, "basis": {"metric": "euclidean"}}
    values = {
        "format": "facematch tuned 1", "metric": "euclidean",
        "refine": [{"step": "flip"}, {"step": "query-expansion", "n": 2, "alpha": 1.0}],
        "thresholds": {"static": static}, "fingerprint": dict(told.settings),
    }  # fmt: skip
    return [json.dumps(values).encode()]


def read_tuned(path: Path) -> None:
    load_tuned(tuned_place(path), PixelEmbedder())


def threshold(path: Path) -> None:
    value = read_json(path, "tuned thresholds")
    if isinstance(value, dict):
        threshold_from_dict(value)


def read_outcomes(path: Path) -> None:
    outcomes_from_json(read_json(path, "outcomes"))


def payload(path: Path) -> None:
    Submission.from_payload(path.read_bytes())


def answer(path: Path) -> None:
    parse_answer(path.read_text(encoding="utf-8", errors="replace"), CompetitionForm(), "results")


def manifest(path: Path) -> None:
    found = read_manifest(path)
    if found is not None:
        is_complete(path.parent, found)


def pickles(folder: Path) -> list[bytes]:
    arrays = [{key: np.array(value) for key, value in answer.items()} for answer in LANDMARKS["gnd"]]
    published = {**LANDMARKS, "gnd": [{**each, "bbx": list(each["bbx"])} for each in arrays]}
    plain = [pickle.dumps(LANDMARKS, protocol) for protocol in range(5)]
    integers = [
        {**each, "easy": each["easy"].astype(np.int64), "junk": each["junk"].astype(np.int64)} for each in arrays
    ]
    return [*plain, *(pickle.dumps({**published, "gnd": integers}, protocol) for protocol in (2, 4))]


def attributes(path: Path) -> None:
    read = read_attributes(path)
    column_values(read, read.columns[0], ["a/1.jpg", "2.jpg"], ["a", "b"])


def people(folder: Path) -> list[bytes]:
    for name in ("a/1.jpg", "a/2.jpg", "b/1 x.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    lines = ["a/1.jpg 1", "a/2.jpg 1", "b/1 x.jpg 2", "gone.jpg 3", ""]
    return ["\n".join(lines).encode(), "\n".join(["3", "photo person", *lines]).replace(" ", "\t").encode("utf-16")]


def save_cache(path: Path) -> None:
    with Cache(path) as kept:
        for key, row in ROWS.items():
            kept.put(key, *row)


def ask_cache(path: Path) -> None:
    Path(f"{path}-journal").unlink(missing_ok=True)
    with Cache(path) as kept:
        for key, row in ROWS.items():
            found = kept.read(key, lambda note, data: (note, data))
            assert found in (None, row), "a row that nobody put there"
            if found is None:
                kept.put(key, *row)


@cache
def cached_stage(folder: Path) -> tuple[Any, Any, Any]:
    (folder / "photos").mkdir()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (24, 24, 3), np.uint8)).save(folder / "photos/a.png")
    cropper = Cropper(NoDetector(), 16)
    stage = PhotoEmbedder(cropper, PixelEmbedder(4), "euclidean", "whole", PhotoLimits(), folder / "kept", workers=1)
    files = find_photos(folder / "photos").files
    return stage, files, stage.run(files)


def rows(folder: Path) -> list[bytes]:
    cached_stage(folder)
    made = []
    for path in (folder / "kept").glob("*.sqlite"):
        with sqlite3.connect(path) as table:
            note, data = table.execute("SELECT note, data FROM kept").fetchone()
        made.append(json.dumps({"cache": path.name, "note": note, "data": data.hex()}).encode())
        table.close()
    return made


def embed_again(path: Path) -> None:
    # The row of an earlier version, which had no checksum.
    stage, files, _ = cached_stage(path.parent)
    try:
        row = json.loads(path.read_bytes())
        name, note, data = str(row["cache"]), str(row["note"]), bytes.fromhex(row["data"])
        note.encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    for each in (path.parent / "kept").glob("*.sqlite"):
        with sqlite3.connect(each) as table:
            if each.name == name:
                table.execute("UPDATE kept SET note = ?, data = ?, crc = NULL", (note, data))
            elif each.name.startswith("embeddings"):
                table.execute("DELETE FROM kept")
        table.close()
    stage.run(files)


def journals(folder: Path) -> list[bytes]:
    with Journal(folder / "made") as journal:
        images = {"q.jpg": [f"{number}.jpg" for number in range(10)]}
        payload = json.dumps({"groupname": "a", "images": images}).encode()
        kept = journal.keep(payload, "results", to_send=True, made_by="x", system={"metric": "cosine"})
        journal.expect(kept, {"score": 100.0, "outcomes": {}})
    table = sqlite3.connect(folder / "made" / NAME)
    table.execute("PRAGMA journal_mode=DELETE")
    table.close()
    return [(folder / "made" / NAME).read_bytes()]


def journal(path: Path) -> None:
    for left in ("-wal", "-shm", "-journal"):
        Path(f"{path}{left}").unlink(missing_ok=True)
    with Journal(path.parent, to_read=True) as journal:
        for kept in journal.submissions():
            journal.attempts(kept)
            journal.payload(kept)


def zips(folder: Path) -> list[bytes]:
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in ("photos/a.jpg", "photos/b/c.jpg", "__MACOSX/x"):
            archive.writestr(name, b"x" * 300)
    return [made.getvalue()]


def unzip(path: Path) -> None:
    with TemporaryDirectory(dir=path.parent) as cache:
        unzipped(path, Path(cache), PhotoLimits())


def model_zips(folder: Path) -> list[bytes]:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pack/net.onnx", bytes(range(256)) * 4)
    return [made.getvalue()]


def extract_model(path: Path) -> None:
    extract_member("net.onnx", path, path.with_name("net.onnx"))


def override(path: Path) -> None:
    load_settings(None, [path.read_text(encoding="utf-8", errors="replace")], ensembles=True)


def comparison(path: Path) -> None:
    load_section(CompareSettings, path, [], "")
