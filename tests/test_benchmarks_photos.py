"""Benchmarks of photos and networks run, in a small size, and end well."""

import json
import re
from pathlib import Path

import pytest
from test_benchmarks import ran

from facematch.tasks.sample.plan import PlannedPhoto
from facematch.tasks.sample.write import render_photo
from leak_photos import brighter, encoded, made_photo

RATIO = r"\d+\.\d\d times faster \[\d+\.\d\d–\d+\.\d\d\], medians of 1$"
NETWORK = ("--backbone", "resnet18", "--size", "32", "--rounds", "1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five photos with faces and a file that is no photo."""
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(render_photo(PlannedPhoto("", number, 0), seed=7))
    (tmp_path / "5.txt").write_text("no photo")
    return tmp_path


def test_the_detector_finds_the_faces_that_the_cascade_alone_finds() -> None:
    out = ran("detection.py", "--photos", "8", "--rounds", "1")
    assert "; 8 photos of about 250×250 px" in out
    finds = r"^a face in (\d) photos of 8, by the cascade alone in (\d); of those \2 in (\d) \(\S+%\)$"
    ((_, _, common),) = re.findall(finds, out, re.MULTILINE)
    assert re.search(rf"^the same largest face in \d of {common} \(\S+%\), mean intersection", out, re.MULTILINE)
    assert re.search(rf"^all photos: ours .*: {RATIO}", out, re.MULTILINE)


def test_detection_takes_photos_spread_over_a_folder(folder: Path) -> None:
    out = ran("detection.py", str(folder), "--photos", "4", "--rounds", "1")
    assert "; 3 photos of about " in out  # the first, two between, and the last, which is none


def test_the_network_as_shipped_embeds_as_the_plain_one() -> None:
    out = ran("network_inference.py", *NETWORK, "--images", "12", "--batch", "4")
    assert "resnet18, 12 crops of 32 px" in out
    compared = r"^(fp32|bf16).*: differs from plain by at most (\S+), the same nearest crop for 100\.00% of 12$"
    differences = {name: float(number) for name, number in re.findall(compared, out, re.MULTILINE)}
    assert differences["fp32"] <= 1e-5 < differences["bf16"] <= 2e-2
    rates = r"shipped \d+\.\d images a second, plain \d+\.\d; ours .*: "
    assert re.search(rf"^both in batches of 4: {rates}{RATIO}", out, re.MULTILINE)
    assert re.search(rf"^a batch of 4, plain one at a time: {rates}{RATIO}", out, re.MULTILINE)
    assert re.search(r"^bound: \d+ images a second, from 0\.1 GFLOP an image and \d+ GFLOP/s", out, re.MULTILINE)


def test_the_pipeline_embeds_as_its_parts_do(folder: Path) -> None:
    out = ran("embedding_pipeline.py", str(folder), *NETWORK, "--photos", "6")
    assert "6 files, crops of 32 px, batches of 64" in out
    (difference,) = re.findall(
        r"1 file not read; embeddings differ from those of the parts by at most (\S+)$", out, re.M
    )
    assert float(difference) <= 1e-5
    parts = r"^a photo, on one core: decoding (\S+) ms, cropping (\S+) ms, network (\S+) ms$"
    (costs,) = re.findall(parts, out, re.MULTILINE)
    assert all(float(cost) > 0 for cost in costs)
    ends = r"bound \S+ ms, run \S+ ms: bound/real \d\.\d\d \[\d\.\d\d–\d\.\d\d\], medians of 1$"
    assert re.search(ends, out, re.MULTILINE)


def test_a_rendered_competition_asks_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "competition"
    for side, count in (("query", 2), ("gallery", 3)):
        (folder / side).mkdir(parents=True)
        for number in range(count):
            (folder / side / f"{side}{number}.jpg").write_bytes(encoded(made_photo(number)))
    (folder / "ground_truth.json").write_text('{"query0.jpg": ["gallery0.jpg"], "query1.jpg": ["gallery1.jpg"]}')
    for out in ("one", "two"):
        said = ran("rendered_competition.py", str(folder), str(tmp_path / out), "--renderings", "sepia,oil")
        assert "3 pictures" in said
    truth = json.loads((tmp_path / "one" / "ground_truth.json").read_text())
    assert truth == {"query0.jpg": ["gallery0.png"], "query1.jpg": ["gallery1.png"]}
    drawn = sorted((tmp_path / "one" / "gallery").iterdir())
    assert [path.name for path in drawn] == ["gallery0.png", "gallery1.png", "gallery2.png"]
    assert all(path.read_bytes() == (tmp_path / "two" / "gallery" / path.name).read_bytes() for path in drawn)
    assert (tmp_path / "one" / "query" / "query0.jpg").read_bytes() == (folder / "query" / "query0.jpg").read_bytes()


def test_what_is_expected_across_domains_is_held_against_the_server(tmp_path: Path) -> None:
    lines = []
    for person in range(24):
        for number in range(3):
            name = f"{person}_{number}.jpg"
            (tmp_path / name).write_bytes(encoded(brighter(made_photo(person, 64, 64), 1 + number / 10)))
            lines.append(f"{name} p{person} {'drawn' if number == 2 else 'photo'}\n")
    (tmp_path / "list.txt").write_text("".join(lines))
    sets = ("--set", "faces.detector=none", "--set", "embedder.kind=pixels")
    across = ("--images", str(tmp_path), "--across", "photo", "drawn", "--trials", "4")
    out = ran("across_coverage.py", str(tmp_path / "list.txt"), *across, *sets)
    assert "24 people, 72 pictures; 4 trials, seed 1" in out
    assert re.search(r"^photo asks drawn +server 1000  expected 1000  held 100.0 %", out, re.MULTILINE)
    assert re.search(r"^photo asks photo +server 1000 ", out, re.MULTILINE)
