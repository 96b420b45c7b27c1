"""Detectors side by side: faces found, right boxes, errors of points, false faces, and the time a photo takes.

    python benchmarks/finder.py DATA [--detectors haar,finder,centerface,yunet] [--photos 300] \\
        --set faces.yunet_file=… --set faces.centerface_file=… [--set faces.finder_file=…]

DATA is a folder with `lfw/val`, `london`, `train_extra`, `faces_edge`, `deepface_pairs`, `cross_domain`, `corel` and
`clothing`; what is not there is left out. Detectors are as `faces:` makes them at `faces.detect_size`;
in groups every face counts, elsewhere the largest is looked for.

What is there is what YuNet and CenterFace agree on, as the finder's labels are made; a rendering has the labels of its
photo. Of drawings without a photo only the share with a face is told. A box is right from an intersection over union of
0.5; errors of points are in distances between the eyes; false faces are boxes on nothing that either of the two took
for a face, a picture. Those two are judged by their own agreement, which is in their favour. One thread; medians.
"""

import argparse
import csv
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facematch.core.cache import cache_folder
from facematch.core.text import evenly
from facematch.evaluation.detection import Found, judge
from facematch.faces.detectors import Detector
from facematch.photos.encoded import rgb_pixels
from facematch.photos.photo import PhotoFile, PhotoLimits, find_photos
from facematch.photos.pixels import Rgb
from facematch.photos.renderings import render
from facematch.pipeline.build import build_cropper
from facematch.pipeline.timing import machine
from facematch.settings.file import load_settings
from facematch.settings.finder import FinderSettings
from facematch.settings.root import Settings
from facematch.tasks.finder.command import teachers
from facematch.tasks.finder.labels import Labelled, label_photos
from facematch.tasks.finder.scenes import DRAWN
from facematch.tasks.finder.validation import faces_there

HELD_OUT = Path(__file__).resolve().parents[1] / "config" / "held-out.txt"
SIDES = (250, 640, 2000)  # pixels of the longer side of the photos that are timed
SCORES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True)
class Pictures:
    """One row of the table: pictures of one kind; `judged`: boxes are known; `groups`: every face is looked for."""

    name: str
    photos: Sequence[Labelled]
    judged: bool
    rendered: bool = False
    groups: bool = False

    def image(self, number: int) -> Rgb:
        """Return a picture: as it is, or one rendering of it after another."""
        image = rgb_pixels(self.photos[number].data)
        assert image is not None
        return render(image, DRAWN[number % len(DRAWN)], 0.5, number) if self.rendered else image


def sets_of(data: Path, settings: Settings, count: int) -> list[Pictures]:
    """Return the kinds of pictures that DATA has."""
    files = settings.faces.yunet_file, settings.faces.centerface_file
    if None in files:
        raise SystemExit("Give both teachers: --set faces.yunet_file=FILE --set faces.centerface_file=FILE")
    finder = FinderSettings.model_validate(
        {"teachers": dict(zip(("yunet", "centerface"), files, strict=True)), "photos": data}
    )
    cache = cache_folder(settings.paths.cache)

    def labelled(found: Sequence[PhotoFile]) -> list[Labelled]:
        return label_photos(
            evenly(list(found), count), teachers(finder), finder.agreement, cache, PhotoLimits(), 2, lambda _: None
        )

    def folder(name: str) -> list[PhotoFile]:
        return list(find_photos(data / name).files) if (data / name).is_dir() else []

    drawn, photographs = _held_out(data)
    val = labelled(folder("lfw/val"))
    rows = [
        Pictures("LFW val", val, True),
        Pictures("London", labelled(folder("london")), True),
        Pictures("held-out photographs", labelled(photographs), True),
        Pictures("groups and part faces", labelled(folder("faces_edge")), True, groups=True),
        Pictures("whole photos (deepface)", labelled(folder("deepface_pairs")), True),
        Pictures("LFW val, rendered", val, True, rendered=True),
        Pictures("held-out drawings", labelled(drawn), False),
        *(
            Pictures(f"{kind}, {side}", labelled(folder(f"cross_domain/{kind}/{side}")), False)
            for kind in ("caricature", "sketch", "rendered")
            for side in ("query", "gallery")
        ),
        Pictures("without faces", [*labelled(folder("corel")), *labelled(folder("clothing"))], True),
    ]
    return [row for row in rows if row.photos]


def _held_out(data: Path) -> tuple[list[PhotoFile], list[PhotoFile]]:
    # Drawings and photographs of `train_extra` that nothing is trained on.
    index = data / "train_extra" / "index.csv"
    if not index.is_file():
        return [], []
    names = set(HELD_OUT.read_text(encoding="utf-8").split())
    with index.open(encoding="utf-8", newline="") as opened:
        kinds = {row["path"]: row["kind"] for row in csv.DictReader(opened) if row["path"] in names}
    sides = [[name for name, kind in kinds.items() if (kind == "photo") == photo] for photo in (False, True)]
    drawn, photographs = ([PhotoFile(name, data / "train_extra" / name) for name in sorted(side)] for side in sides)
    return drawn, photographs


def detector_of(settings: Settings, name: str, *, groups: bool = False) -> Detector:
    """Return a detector by name: `haar+finder` is the cascade with the finder's second look.

    Of `groups` every face is looked for, not the largest alone.
    """
    first, _, second = name.partition("+")
    given = settings.faces.model_dump() | {"detector": first} | ({"second_look": second} if second else {})
    given |= {"choose": "central"} if groups else {}
    return build_cropper(type(settings.faces).model_validate(given)).detector


def quality(rows: Sequence[Pictures], settings: Settings, name: str) -> dict[str, str]:
    """Return what is written about a detector beside each kind of pictures."""
    told = {}
    for row in rows:
        detector = detector_of(settings, name, groups=row.groups)
        found: list[Found] = []
        for number, photo in enumerate(row.photos):
            faces = detector.detect(row.image(number))
            found.append(Found(faces, *faces_there(photo)))
        share = np.mean([len(each.faces) > 0 for each in found])
        figures = judge(found).at(0)
        text = f"{share:6.1%}"
        if row.judged and figures.faces > len(row.photos) / 2:
            error = (
                "" if figures.point_error is None or np.isnan(figures.point_error) else f"  {figures.point_error:.3f}"
            )
            text += f"  right {figures.recall:.1%}{error}  false {figures.false_faces:.3f}"
        elif row.judged:
            text = f"        false {figures.false_faces:.3f}"
        told[row.name] = text
    return told


def milliseconds(image: Rgb, detector: Detector, rounds: int = 15) -> float:
    """Return the median time of a photo."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        detector.detect(image)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken[2:])


def trade_off(rows: Sequence[Pictures], detector: Detector) -> list[str]:
    """Return lines: for some scores the recall of photographs and drawings, and the false faces in 100 pictures."""
    kinds: dict[str, list[Found]] = {"photographs": [], "drawings": []}
    for row in rows:
        if row.judged:
            for number, photo in enumerate(row.photos):
                faces = detector.detect(row.image(number))
                kinds["drawings" if row.rendered else "photographs"].append(Found(faces, *faces_there(photo)))
    judged = {name: judge(found) for name, found in kinds.items()}
    every = judge([each for found in kinds.values() for each in found])
    return [
        f"  {score:.1f}  "
        + "  ".join(f"{name} {each.at(score).recall:.4f}" for name, each in judged.items())
        + f"  false faces in 100 pictures {100 * every.at(score).false_faces:.2f}"
        for score in SCORES
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--detectors", default="haar,finder,centerface,yunet")
    parser.add_argument("--photos", type=int, default=300, help="of each kind, at most")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    settings = load_settings("config/triplet.yaml", options.set)
    rows = sets_of(options.data, settings, options.photos)
    print(machine(), flush=True)
    names = options.detectors.split(",")
    for name in names:
        print(f"{name}:", flush=True)
        for kind, text in quality(rows, settings, name).items():
            print(f"  {kind:<26}{text}", flush=True)
    photo = cv2.resize(rows[0].image(0), (250, 250))
    for side in SIDES:
        image = np.asarray(cv2.resize(photo, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)
        times = "  ".join(f"{name} {milliseconds(image, detector_of(settings, name)):.1f} ms" for name in names)
        print(f"{side} px: {times}")
    for name in names:
        if name == "finder":
            least = settings.model_copy(update={"faces": settings.faces.model_copy(update={"finder_score": SCORES[0]})})
            print("finder, by the least score:", *trade_off(rows, detector_of(least, name)), sep="\n")


if __name__ == "__main__":
    main()
