"""Two folders to a checked submission, cold and again, beside a plain competition client.

    python benchmarks/competition_client.py [PEOPLE] [--photos 1500] [--checkpoint RUN] [--sizes 224,112] [--rounds 5]

PEOPLE is a folder of people (`<person>/*.jpg`) of whom `--photos` go to the query folder and as many others to the
gallery; without it the rehearsal sample is used. Each side is a process of its own, started anew for each round:

- ours: `python request_send.py --dry-run`, with an empty cache (cold), then the same again with nothing changed;
- the client, rebuilt from a published one's description: one photo at a time, Haar cascade on the full photo
  (`detectMultiScale`, 1.1), largest face or the whole photo, 224×224, the network in fp32 on that one photo, a Python
  loop over all pairs, sort.

Both have the same ResNet50 with the same weights: `--checkpoint`, or random ones, which tell people apart badly, but
alike. Checked before anything is timed: both answer every query with ten different names of the gallery, top-1 of both
against the truth, and that the second run does not import torch. Printed: seconds and how many times faster.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from facematch.evaluation.score import read_ground_truth, score_submission
from facematch.networks.checkpoint import read_checkpoint_header
from facematch.pipeline.timing import machine

ROOT = Path(__file__).resolve().parents[1]
Answers = Mapping[str, Sequence[str]]
Truth = Mapping[str, frozenset[str]]


def deal(people: Path, photos: int, folder: Path) -> Truth:
    """Link photos of people, in turn, into query/ and gallery/; return the right gallery photos of each query."""
    names: dict[str, dict[str, list[str]]] = {"query": {}, "gallery": {}}
    left = dict.fromkeys(names, photos)
    for side in names:
        (folder / side).mkdir()
    for person in sorted(path for path in people.iterdir() if path.is_dir()):
        files = sorted(person.iterdir())
        for number, file in enumerate(files if len(files) > 1 else ()):
            side = "query" if number % 2 else "gallery"
            if left[side]:
                name = f"{side}_{person.name}_{file.name}"
                (folder / side / name).symlink_to(file.resolve())
                names[side].setdefault(person.name, []).append(name)
                left[side] -= 1
    return {
        query: frozenset(names["gallery"].get(person, ()))
        for person, queries in names["query"].items()
        for query in queries
    }


def dealt_sample(folder: Path) -> Truth:
    """Write the rehearsal sample; return the right gallery photos of each query."""
    from facematch.tasks.sample.write import write_sample

    write_sample(folder / "sample", seed=2026)
    for side in ("query", "gallery"):
        (folder / "sample" / "test_data" / side).rename(folder / side)
    return read_ground_truth(folder / "sample" / "rehearsal" / "ground_truth.json")


def client(folder: Path, checkpoint: Path, out: Path) -> None:
    """Answer as the plain client does."""
    import cv2
    import numpy as np
    import torch

    from facematch.networks.checkpoint import load_checkpoint

    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    network = load_checkpoint(checkpoint).eval()
    embeddings: dict[str, dict[str, np.ndarray]] = {"query": {}, "gallery": {}}
    for side, found in embeddings.items():
        for file in sorted((folder / side).iterdir()):
            photo = cv2.imread(str(file))
            boxes = cascade.detectMultiScale(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), 1.1)
            if len(boxes):
                x, y, width, height = max(boxes, key=lambda box: box[2] * box[3])
                photo = photo[y : y + height, x : x + width]
            face = cv2.cvtColor(cv2.resize(photo, (224, 224)), cv2.COLOR_BGR2RGB)
            with torch.no_grad():
                found[file.name] = network(torch.from_numpy(face)[None])[0].numpy()
    answers = {}
    for query, asked in embeddings["query"].items():
        distances = []
        for name, answer in embeddings["gallery"].items():
            distances.append((float(np.linalg.norm(asked - answer)), name))
        answers[query] = [name for _, name in sorted(distances)[:10]]
    out.write_text(json.dumps(answers), encoding="utf-8")


def write_network(path: Path, size: int, weights: Path | None) -> None:
    """Write a checkpoint for crops of a size: random weights, or those of a run."""
    import torch

    from facematch.networks.checkpoint import load_checkpoint, save_checkpoint
    from facematch.networks.embedding import EmbeddingNetwork
    from facematch.networks.spec import NetworkSpec
    from facematch.pipeline.build import build_cropper
    from facematch.settings.file import load_settings
    from facematch.settings.section import IMAGENET_MEAN, IMAGENET_STD

    torch.manual_seed(0)
    crops = build_cropper(load_settings(None, [f"faces.size={size}"]).faces).fingerprint
    if weights is None:
        network = EmbeddingNetwork(NetworkSpec("resnet50", 256, True, IMAGENET_MEAN, IMAGENET_STD))
        network.train()(torch.randint(0, 256, (16, 112, 112, 3), dtype=torch.uint8))  # BatchNorm gets statistics
    else:
        network = load_checkpoint(weights)
    save_checkpoint(path, network, crops, origin={}, people=(), metric="euclidean", trained={})


def request(folder: Path, size: int, *options: str) -> list[str]:
    """Return the command of our side."""
    sets = {
        "paths.query": folder / "query", "paths.gallery": folder / "gallery", "paths.cache": folder / "cache",
        "paths.checkpoint": folder / f"{size}.safetensors", "paths.submissions": folder / "submissions",
        "faces.size": size, "identities.train": folder / "nobody",
        "network.embedding": read_checkpoint_header(folder / f"{size}.safetensors").spec.embedding,
    }  # fmt: skip
    named = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    config = ["--config", str(ROOT / "config" / "triplet.yaml"), "--dry-run", "--out", str(folder / "ours.json")]
    return [sys.executable, *options, str(ROOT / "request_send.py"), *config, *named]


def timed(command: Sequence[str]) -> float:
    """Return the seconds of a process; SystemExit with its words when it fails."""
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return time.perf_counter() - started


def names_in(folder: Path) -> set[str]:
    """Return the names of a folder's photos."""
    return {path.name for path in folder.iterdir()}


def top1(answers: Answers, folder: Path, truth: Truth) -> float:
    """Return the share of right first names; SystemExit unless every query has ten different gallery names."""
    gallery = names_in(folder / "gallery")
    ten = all(len(set(names)) >= 10 and gallery.issuperset(names) for names in answers.values())
    if set(answers) != names_in(folder / "query") or not ten:
        raise SystemExit("a query has no ten names of the gallery")
    return score_submission(answers, truth).top1


def ours(folder: Path, size: int, rounds: int, peer: float, truth: Truth) -> None:
    """Check and time our side; `peer` is the client's seconds."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        shutil.rmtree(folder / "cache", ignore_errors=True)
        for seconds in times:
            seconds.append(timed(request(folder, size)))
    cold, again = (median(seconds) for seconds in times)
    imports = subprocess.run(request(folder, size, "-X", "importtime"), capture_output=True, text=True, check=True)
    if " torch\n" in imports.stderr:
        raise SystemExit("the second run imports torch")
    right = top1(json.loads((folder / "ours.json").read_text())["images"], folder, truth)
    print(f"ours, {size}: cold {cold:.1f} s, {peer / cold:.2f} times faster than the client, top-1 {right:.3f}")
    print(f"  again {again:.2f} s, {cold / again:.1f} times faster than cold, torch not imported", flush=True)


def main() -> None:
    """Check, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path, nargs="?")
    parser.add_argument("--photos", type=int, default=1500)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--sizes", default="224,112")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--as-client", type=Path, nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.as_client:
        client(*chosen.as_client)
        return
    with tempfile.TemporaryDirectory() as name:
        folder, sizes = Path(name), [int(size) for size in chosen.sizes.split(",")]
        truth = deal(chosen.people, chosen.photos, folder) if chosen.people else dealt_sample(folder)
        for size in {224, *sizes}:
            write_network(folder / f"{size}.safetensors", size, chosen.checkpoint)
        theirs = [sys.executable, __file__, "--as-client", name, str(folder / "224.safetensors"), f"{name}/theirs.json"]
        counts = [len(names_in(folder / side)) for side in ("query", "gallery")]
        print(f"{machine()}; {counts[0]:,} queries, {counts[1]:,} gallery photos, medians of {chosen.rounds}")
        peer = median(timed(theirs) for _ in range(chosen.rounds))
        right = top1(json.loads((folder / "theirs.json").read_text()), folder, truth)
        print(f"client, 224: {peer:.1f} s, top-1 {right:.3f}", flush=True)
        for size in sizes:
            ours(folder, size, chosen.rounds, peer, truth)


if __name__ == "__main__":
    main()
