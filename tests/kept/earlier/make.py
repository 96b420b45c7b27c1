"""Makes files.tar.xz beside it, by command lines alone: python tests/kept/earlier/make.py

What is in it stays what an earlier version wrote; make it again only to add what a later version writes. README.md
tells what it holds and by which commit it was made.
"""

import lzma
import shutil
import socket
import sqlite3
import sys
import tarfile
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image as PillowImage

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kept_project import Project

HERE = Path(__file__).resolve().parent
STAGES = ["conv1", "stage2", "stage3", "stage4", "conv5"]
# The backbone is frozen at weights of two values, so that several copies of it are packed small.
RUN = {
    "name": "tiny",
    "paths": {"query": "query", "gallery": "gallery"},
    "identities": {"train": ["people"], "validation": "others"},
    "faces": {"size": 32, "detector": "none"},
    "network": {"backbone": "shufflenet_v2_x0_5", "weights": "signs.pth", "embedding": 4, "freeze": STAGES},
    "training": {
        "epochs": 2, "identities_per_batch": 3, "photos_per_identity": 2, "workers": 0, "precision": "fp32",
        "device": "cpu", "patience": None, "channels_last": False,
    },
    "server": {"group": "us", "attempts": 1, "timeout": 5},
}  # fmt: skip
FACES = {"name": "faces", "faces": {"size": 48}, "embedder": {"kind": "pixels"}}
PIXELS = {**RUN, "name": "pixels", "embedder": {"kind": "pixels"}}
ONNX = ("--set", "embedder.kind=onnx", "--set", "embedder.file=tiny.onnx")
ELSEWHERE = ("--set", "paths.cache=other")
LEFT_OUT = ("sample", "truth.json", "rehearsal.sqlite*", "results", "other", "checkpoints/tiny/tensorboard")


def write_photos(folder: Path) -> None:
    """Write people as patterns of grey: six to train on, three others, three queries and twelve gallery photos."""
    names = [(f"people/p{person}/{photo}", person, photo) for person in range(6) for photo in range(3)]
    names += [(f"others/o{person}/{photo}", 10 + person, photo) for person in range(3) for photo in range(3)]
    names += [(f"query/q{person}", 20 + person, 0) for person in range(3)]
    names += [(f"gallery/g{number:02d}", 20 + number % 3, 1 + number // 3) for number in range(12)]
    for name, person, photo in names:
        pattern = np.kron(np.random.default_rng(person).integers(0, 200, (4, 4, 3)), np.ones((8, 8, 1)))
        light = np.random.default_rng((person, photo)).integers(0, 56, (1, 1, 3))
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray((pattern + light).astype(np.uint8)).save(path, optimize=True)


def write_weights(path: Path) -> None:
    """Write a backbone whose convolutions hold one value with either sign."""
    torch.manual_seed(1)
    state = torchvision.models.get_model("shufflenet_v2_x0_5", weights=None).state_dict()
    for name, tensor in state.items():
        if tensor.ndim == 4:
            state[name] = tensor.sign() * float((2 / tensor[0].numel()) ** 0.5)
    torch.save({name: tensor for name, tensor in state.items() if not name.startswith("fc.")}, path)


def write_journal(project: Project) -> None:
    """Keep three submissions: one not sent, one that found no server, one scored."""
    request, nowhere = "request_send.py", "server.url=http://127.0.0.1:9/results/"
    settings = ("--config", "pixels.yaml", "--no-expect")
    project.run(*settings, "--dry-run", script=request)
    project.run(*settings, "--set", "server.group=them", "--set", nowhere, script=request, codes=(1,))
    truth = {f"q{person}.png": [f"g{number:02d}.png" for number in range(person, 12, 3)] for person in range(3)}
    project.write("truth.json", truth)
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = ("--query", "query", "--gallery", "gallery", "--truth", "truth.json", "--store", "rehearsal.sqlite")
    server = project.start("serve", "--port", port, *folders)
    try:
        for _ in range(300):
            with socket.socket() as line:
                if not line.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.1)
        address = f"server.url=http://127.0.0.1:{port}/results/"
        project.run(*settings, "--set", "server.group=others", "--set", address, script=request)
    finally:
        server.terminate()
        server.wait()
    with closing(sqlite3.connect(project.folder / "submissions/journal.sqlite")) as table, table:
        table.execute("UPDATE attempts SET host = 'desk'")  # no machine, and no folder of it
        table.execute("UPDATE submissions SET query = 'query', gallery = 'gallery'")


def write_results(project: Project) -> None:
    """Write what the files give: tests compare it with what later versions make of them."""
    run, faces = ("--config", "checkpoints/tiny/settings.yaml"), ("--config", "faces.yaml")
    project.run("embed", "others", "others.npz", *run)
    project.run("embed", "others", "others.safetensors", *run)
    project.run("embed", "faces", "faces.npz", *faces)
    project.run("export", "tiny", "--out", "tiny.onnx", *ELSEWHERE)
    project.run("embed", "others", "exported.npz", *run, *ONNX)
    listed = project.json("submissions")
    results = {
        "rank": project.json("rank", "others.npz", "others.npz", "-k", 5),
        "validate": project.json("validate", *run, *ELSEWHERE),
        "submissions": listed,
        "shown": [project.json("submissions", "show", number) for number in (1, 2, 3)],
    }
    project.write("results.json", results)


def main() -> None:
    """Make the project in a temporary folder and pack it."""
    with tempfile.TemporaryDirectory(prefix="kept-earlier-") as temporary:
        project = Project(Path(temporary))
        write_photos(project.folder)
        write_weights(project.folder / "signs.pth")
        for settings in (RUN, FACES, PIXELS):
            project.write(f"{settings['name']}.yaml", settings)
        project.run("sample", "--out", "sample")
        (project.folder / "faces").mkdir()
        for file in sorted((project.folder / "sample/test_data/query").iterdir(), key=lambda each: each.stat().st_size)[
            :4
        ]:
            shutil.copyfile(file, project.folder / "faces" / file.name)
        project.run("train", "--config", "tiny.yaml")
        shutil.rmtree(project.folder / "cache")
        write_journal(project)
        shutil.rmtree(project.folder / "cache")
        write_results(project)
        photos = project.folder / "checkpoints/tiny/photos.json"
        photos.write_text(photos.read_text(encoding="utf-8").replace(f"{project.folder}/", ""), encoding="utf-8")
        for path in [path for name in LEFT_OUT for path in project.folder.glob(name)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        with tarfile.open(HERE / "files.tar.xz", "w:xz", preset=9 | lzma.PRESET_EXTREME) as archive:
            for path in sorted(project.folder.rglob("*")):
                if path.is_file():
                    print(path.stat().st_size, path.relative_to(project.folder))
                    archive.add(path, path.relative_to(project.folder).as_posix(), filter=_nobody)
    print(f"files.tar.xz: {(HERE / 'files.tar.xz').stat().st_size} bytes")


def _nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main()
