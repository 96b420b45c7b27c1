"""Detectors by what comes of them: the share of photos with a face, and top-1, on several competitions.

    python benchmarks/second_look.py data/competition data/cross_domain/caricature data/lfw/val \\
        --set faces.yunet_file=YUNET.onnx --set faces.centerface_file=CENTERFACE.onnx --model MODEL.onnx

A folder with `query`, `gallery` and `ground_truth.json` is a competition; another one holds people, each photo of whom
asks the others. Ways to crop are the cascade alone, the cascade with a second look, and the landmark detectors alone:
the finder, and those whose files are given. The model is used as config/onnx.yaml says (aligned faces without `views`);
then the network that comes with facematch, whose crops are the cascade's, with what is aligned brought to the template
`own`. Crops are made afresh. At last the time that a way takes for a photo, on one core: the median of three rounds.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
from detection import decoded

from facematch.core.text import evenly
from facematch.embedders.network import NetworkEmbedder
from facematch.evaluation.rank_task import rank_task
from facematch.evaluation.topk import first_places, truth_places
from facematch.networks.checkpoint import read_checkpoint_header
from facematch.photos.photo import find_photos
from facematch.pipeline.beside import Contestant
from facematch.pipeline.build import build_cropper, build_embedder
from facematch.pipeline.default_checkpoint import default_file
from facematch.pipeline.evaluated import TaskPhotos, embed_task, folder_photos, task_photos
from facematch.pipeline.people import validation_photos
from facematch.settings.embedding import FaceSettings
from facematch.settings.file import load_settings

LANDMARKS = ("finder", "yunet", "centerface")
WEIGHTS, TIMED, ROUNDS = (700.0, 200.0, 100.0), 100, 3


def ways(faces: FaceSettings) -> dict[str, list[str]]:
    """Return the overrides of each way to crop for which there are files."""
    there = [kind for kind in LANDMARKS if kind == "finder" or getattr(faces, f"{kind}_file") is not None]
    looks = {f"haar + {kind}": [f"faces.second_look={kind}"] for kind in there}
    return {"haar": ["faces.second_look=none"], **looks, **{kind: [f"faces.detector={kind}"] for kind in there}}


def contestant(model: Path | None, sets: Sequence[str]) -> Contestant:
    """Return the system of one way to crop: the model's, or, without one, the network's that comes with facematch."""
    if model is not None:
        settings = load_settings("config/onnx.yaml", [f"embedder.file={model}", *sets])
        return Contestant("model", settings, build_embedder(settings), settings.refine)
    file = default_file()
    settings = load_settings(file.with_name("settings.yaml"), [*sets, "faces.template=own"])
    return Contestant("shipped", settings, NetworkEmbedder(read_checkpoint_header(file)))


def photos_of(system: Contestant, folder: Path) -> TaskPhotos:
    """Return the task of a competition, or of people who ask each other."""
    truth = folder / "ground_truth.json"
    if truth.is_file():
        return folder_photos(system.settings, (folder / "query", folder / "gallery", truth))
    return task_photos(validation_photos(system.settings, ()), in_folds=False)


def judged(system: Contestant, photos: TaskPhotos) -> str:
    """Return top-1 and the share of photos in which a face was found."""
    embedded = embed_task(system.stage, photos)
    found = rank_task(photos.task, embedded.embeddings, system.rank, 10)
    places = first_places(found.judged) if photos.gallery is None else truth_places(photos.task, found.judged)
    share = statistics.mean(record.status == "found" for record in embedded.records)
    return f"{places.figures(WEIGHTS).top1:.3f} ({share:.1%})"


def milliseconds(sets: Sequence[str], folder: Path) -> float:
    """Return what finding the faces of a photo takes."""
    detector = build_cropper(load_settings("config/onnx.yaml", sets).faces).detector
    photos, took = decoded(evenly(find_photos(folder).files, TIMED)), []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for photo in photos:
            detector.detect(photo.image)
        took.append(time.perf_counter() - begun)
    return 1000 * statistics.median(took) / len(photos)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--model", type=Path, help="an ONNX face model for config/onnx.yaml; none: the network alone")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="the files of the detectors")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    chosen = ways(load_settings(None, options.set).faces)
    for model in dict.fromkeys([options.model, None]):
        print(f"{'model' if model else 'shipped network'}: {', '.join(folder.name for folder in options.folders)}")
        for name, way in chosen.items():
            row = []
            for folder in options.folders:
                with tempfile.TemporaryDirectory() as cache:
                    own = [f"paths.cache={cache}", f"identities.validation={folder}"]
                    system = contestant(model, [*options.set, *way, *own])
                    row.append(judged(system, photos_of(system, folder)))
            print(f"  {name:18}", *row, sep="  ", flush=True)
    for name, way in chosen.items():
        print(f"  {name:18}  {milliseconds([*options.set, *way], options.folders[0]):.1f} ms a photo", flush=True)


if __name__ == "__main__":
    main()
