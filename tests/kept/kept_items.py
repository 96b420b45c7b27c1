"""What is kept: each item a function of the project that returns a JSON value, made by command lines alone."""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kept_project import DATA, REPOSITORY, WEIGHTS, Project, without_times

Item = Callable[[Project], Any]
COMPETITION = DATA / "competition"
_COPIES = DATA / "near_dup"
FIXED = ("--query", COMPETITION / "query", "--gallery", COMPETITION / "gallery")
TRUTH = ("--truth", COMPETITION / "ground_truth.json")
PIXELS = ("--config", "pixels.yaml")
SHIPPED = ("--config", "shipped.yaml")
ONNX = ("--config", REPOSITORY / "config/onnx.yaml", "--set", f"embedder.file={WEIGHTS / 'mobilefacenet.onnx'}")
ONNX += ("--set", "faces.second_look=none")  # as it was when these results were kept
YUNET = ("--set", "faces.detector=yunet", "--set", f"faces.yunet_file={WEIGHTS / 'yunet_n_640_640.onnx'}")

_PEOPLE = {"train": ["people"], "validation": "people", "distractors": "others"}
_PATHS = {"query": str(COMPETITION / "query"), "gallery": str(COMPETITION / "gallery")}
_SETTINGS = {"identities": _PEOPLE, "paths": _PATHS, "server": {"group": "kept"}, "training": {"precision": "fp32"}}
_SMALL = {"backbone": "shufflenet_v2_x0_5", "weights": "none", "embedding": 16}
_TRAINING = {
    "epochs": 4, "identities_per_batch": 4, "photos_per_identity": 2, "workers": 0, "precision": "fp32",
    "device": "cpu", "patience": None,
}  # fmt: skip
_TRAINED = {
    "faces": {"size": 64, "detector": "none"},
    "identities": {"train": ["learned"], "validation": "people"},
    "network": _SMALL,
    "training": _TRAINING,
}
_HASHED = {
    "faces": {"size": 32, "detector": "none"},
    "identities": {"train": ["things"], "split_by": "photo", "test_share": 0.3, "validation_share": 0.2},
    "loss": {"mining": "batch-all", "reduction": "valid", "distance": "squared", "classifier_epochs": 0},
    "training": {**_TRAINING, "epochs": 8, "learning_rate": {"backbone": 1e-3, "head": 1e-3}, "validate_every": 4},
}
_CODES = {"backbone": "shufflenet_v2_x0_5", "weights": "none", "tanh": True, "normalise": False}


def prepare(project: Project) -> None:
    """Write the settings files and copy the photos that all items share."""
    project.copy(DATA / "lfw/val", "people", folders=24)
    project.copy(DATA / "lfw/distractors", "others", folders=30)
    project.copy(DATA / "lfw/train", "learned", folders=10, each=4)
    project.copy(DATA / "corel", "scenes", folders=9, each=10)
    project.copy(DATA / "cifar10_hash/database", "things", folders=10, each=16)
    for file in sorted(_COPIES.glob("*.jpg")):
        side = project.folder / ("changed" if "_" in file.stem else "originals")
        side.mkdir(exist_ok=True)
        shutil.copyfile(file, side / file.name)
    project.write("pixels.yaml", {"name": "pixels", "embedder": {"kind": "pixels"}, **_SETTINGS})
    codes = {"name": "codes", "embedder": {"kind": "phash"}, "ranking": {"metric": "hamming"}}
    project.write("codes.yaml", {**codes, **_SETTINGS})
    paths = {**_PATHS, "checkpoint": "default"}
    project.write("shipped.yaml", {"name": "shipped", **_SETTINGS, "paths": paths})
    project.write("trained.yaml", {"name": "trained", **_TRAINED})
    for bits in (16, 32):
        margin, network = {**_HASHED["loss"], "margin": "auto"}, {**_CODES, "embedding": bits}
        settings = {**_HASHED, "loss": margin, "network": network, "ranking": {"metric": "hamming"}}
        project.write(f"codes-{bits}.yaml", {"name": f"codes-{bits}", **settings})
    project.write("floats.yaml", {"name": "floats", **_HASHED, "network": {**_SMALL, "embedding": 32}})


def payload(*settings: object) -> Item:
    """Return an item: the payload that a dry run on `competition` writes, byte for byte, and its names cut short."""

    def made(project: Project) -> Any:
        out = project.folder / f"payload-{hashlib.sha256(repr(settings).encode()).hexdigest()[:12]}.json"
        words = (*settings, *(each for key in _PATHS for each in ("--set", f"paths.{key}={_PATHS[key]}")))
        group = ("--set", "server.group=kept", "--set", "training.precision=fp32")
        kept = ("--set", f"paths.submissions={out.stem}")
        project.run(*words, *group, *kept, "--dry-run", "--no-expect", "--out", out, script="request_send.py")
        data = out.read_bytes()
        answers = {
            query[:8]: " ".join(name[:8] for name in names) for query, names in json.loads(data)["images"].items()
        }
        return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "answers": answers}

    return made


def ensemble(project: Project) -> Any:
    """The payload of two systems that are fused."""
    members = [{"config": "shipped.yaml"}, {"config": "pixels.yaml"}]
    fused = {"members": members, "method": "z-score", "weights": [0.8, 0.2]}
    project.write("ensemble.yaml", {"name": "ensemble", "paths": _PATHS, "ensemble": fused})
    return payload("--config", "ensemble.yaml")(project)


def command(*arguments: object, codes: tuple[int, ...] = (0,)) -> Item:
    """Return an item: the JSON of a command."""
    return lambda project: project.json(*arguments, codes=codes)


def figures_of_groups(project: Project) -> Any:
    """Figures with subgroups of people from a table, tested against another system."""
    people = sorted(path.name for path in (project.folder / "people").iterdir())
    rows = [f"{name},{('left', 'right')[number % 2]}" for number, name in enumerate(people)]
    table = project.write("groups.csv", "\n".join(["person,side", *rows, ""]))
    return project.json("figures", *PIXELS, "--attributes", table, "--against", "codes.yaml")


def compare(project: Project) -> Any:
    """Three systems and a fusion of two, on people."""
    systems = [
        {"name": "grey pixels", "config": "pixels.yaml"},
        {"name": "perceptual hash", "set": {"embedder.kind": "phash", "ranking.metric": "hamming"}},
        {"name": "shipped network", "config": "shipped.yaml"},
        {"name": "both", "fuse": ["grey pixels", "shipped network"], "method": "z-score", "weights": "tuned"},
        {"name": "ranks", "fuse": ["grey pixels", "perceptual hash"], "method": "reciprocal-rank", "weights": "equal"},
    ]
    photos = {"people": "people", "distractors": "others"}
    project.write("compare.yaml", {"name": "compare", "photos": photos, "by": "score", "systems": systems})
    return project.json("compare", "--config", "compare.yaml")


def verify(project: Project) -> Any:
    """Every fourth of the labelled pairs."""
    with (DATA / "lfw/pairs/pairs.csv").open(encoding="utf-8", newline="") as opened:
        rows = list(csv.reader(opened))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([rows[0], *rows[1::4]])
    pairs = project.write("pairs.csv", text.getvalue())
    return {
        name: project.json("verify", pairs, "--images", _pair_photos(), *settings)
        for name, settings in (("pixels", PIXELS), ("shipped", SHIPPED))
    }


def _pair_photos() -> Path:
    images = DATA / "lfw/pairs/images"
    return images if images.is_dir() else DATA / "lfw/pairs"


def hash_report(project: Project) -> Any:
    """Two code sizes and a run of floats, each trained for an epoch."""
    for name in ("codes-16", "codes-32", "floats"):
        project.run("train", "--config", f"{name}.yaml")
    return project.json("hash-report", "codes-16", "codes-32", "--reference", "floats")


def revisited(project: Project) -> Any:
    """A ground truth over people: of each two photos that ask, with easy, hard and junk ones."""
    people = {path.name: sorted(file.stem for file in path.iterdir()) for path in (project.folder / "people").iterdir()}
    people = {name: files for name, files in sorted(people.items()) if len(files) >= 5}
    gallery = [stem for files in people.values() for stem in files[2:]]
    place = {stem: number for number, stem in enumerate(gallery)}
    queries, truth = [], []
    for files in people.values():
        for query in files[:2]:
            queries.append(query)
            lists = {"easy": files[2:3], "hard": files[3:4], "junk": files[4:]}
            named = {name: [place[stem] for stem in stems] for name, stems in lists.items()}
            truth.append({**named, "bbx": [60.0, 60.0, 190.0, 190.0]})
    known = project.write("landmarks.json", {"imlist": gallery, "qimlist": queries, "gnd": truth})
    return project.json("revisited", known, "people", *PIXELS, "--set", "faces.detector=none")


def answer(project: Project) -> Any:
    """Whom each query shows, by name cut short."""
    people = ("--set", "identities.validation=learned", "--set", "identities.distractors=null")
    found = project.json("answer", *PIXELS, "--threshold", "conformal", "--false-accepts", "0.2", *people)
    return {query[:8]: " ".join(name[:8] for name in names) for query, names in found.items()}


def expected(project: Project) -> Any:
    """A kept submission with the score to expect, and what a ground truth gives it."""
    place = ("--set", "paths.submissions=expected")
    people = ("--set", "identities.validation=learned")
    project.run(*PIXELS, *people, *place, "--dry-run", script="request_send.py")
    shown = project.json("submissions", "show", 1, *place)
    return {"shown": shown, "rescored": project.json("rescore", *TRUTH, *place)}


def search(project: Project) -> Any:
    """The nearest photos of an image, in all eight turns, and the copies of another."""
    image = min((project.folder / "scenes/scenes06").iterdir())
    copies = project.json("source", _COPIES / "ukbench00120_hflip.jpg", "--in", "originals")
    return {"search": project.json("search", image, "--in", "scenes"), "source": copies}


def embed_and_rank(project: Project) -> Any:
    """Embeddings of a network in a file, ranked by themselves; names and six digits of each distance."""
    project.run("embed", "people", "people.npz", *SHIPPED)
    return project.run("rank", "people.npz", "people.npz", "-k", 4).splitlines()


def _weights(project: Project, name: str, *, killed: bool) -> Any:
    train = ("train", "--config", "trained.yaml", "--set", f"name={name}")
    if killed:
        project.killed_after(Path("checkpoints") / name / "state.pt", *train)
    project.run(*train, *(["--resume"] if killed else []))
    run = project.folder / "checkpoints" / name
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    log = [without_times(line, project.folder) for line in lines]
    digests = {each: project.tensors_digest(f"checkpoints/{name}/{each}.safetensors") for each in ("best", "last")}
    if killed:
        return {**digests, "log": hashlib.sha256(json.dumps(log).encode()).hexdigest()}
    return {**digests, "log": log}


ITEMS: dict[str, Item] = {
    "payload-pixels": payload(*PIXELS),
    "payload-shipped": payload(*SHIPPED),
    "payload-onnx-haar": payload(*ONNX),
    "payload-onnx-yunet": payload(*ONNX, *YUNET),
    "payload-hash": payload(*PIXELS, "--set", "embedder.kind=phash", "--set", "ranking.metric=hamming"),
    "payload-refined": payload(
        *PIXELS, "--set", "refine=[flip, {step: query-expansion, n: 2, alpha: 3}, k-reciprocal]"
    ),
    "payload-ensemble": ensemble,
    "expected": expected,
    "validate": command("validate", *SHIPPED),
    "validate-fixed": command("validate", *PIXELS, *FIXED, *TRUTH),
    "figures": figures_of_groups,
    "validate-ties": command("validate", "--config", "codes.yaml"),
    "figures-ties": command("figures", "--config", "codes.yaml"),
    "figures-fixed": command("figures", *PIXELS, *FIXED, *TRUTH),
    "compare": compare,
    "verify": verify,
    "classes": command("classes", "things", "things", "--system", "pixels"),
    "classes-drawn": command("classes", "scenes", "--system", "phash", "--threshold", 22),
    "hash-report": hash_report,
    "tune": command("tune", *PIXELS, "--set", "ranking.metric=cosine"),
    "answer": answer,
    "leaks": command("leaks", "people=people", "learned=learned", "--people", codes=(0, 1)),
    "leaks-copies": command("leaks", "originals=originals", "changed=changed", codes=(1,)),
    "duplicates": command("duplicates", _COPIES, "scenes"),
    "robustness": command(
        "robustness", "scenes", "--systems", "pixels,phash,phash+turns,near-duplicates", "--changes",
        "jpeg-50,crop-10,mirrored", "--photos", 12,
    ),
    "search": search,
    "embed-and-rank": embed_and_rank,
    "revisited": revisited,
    "training": lambda project: _weights(project, "whole", killed=False),
    "training-resumed": lambda project: _weights(project, "killed", killed=True),
}  # fmt: skip
