"""`facematch search` by a cosine: similarities, and the softmax of the list; with CLIP where it is installed."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_helpers import Run
from facematch.photos.photo import PhotoFile
from facematch.tasks.images.edits import UPRIGHT
from facematch.tasks.images.search import Hit, softmax_of_list
from image_folders import made_folder
from tiny_clip import tiny_config

COSINE = ("--system", "pixels", "--set", "ranking.metric=cosine")


def hits(distances: list[float], itself: int | None = None) -> list[Hit]:
    file = PhotoFile("a", Path("a"))
    return [
        Hit(file, distance, UPRIGHT, "the same bytes" if place == itself else None)
        for place, distance in enumerate(distances)
    ]


@given(distances=st.lists(st.floats(0, 2), min_size=1, max_size=12), itself=st.none() | st.integers(0, 11))
def test_the_softmax_equals_a_naive_one(distances: list[float], itself: int | None) -> None:
    found = softmax_of_list(hits(distances, itself))
    others = [place for place in range(len(distances)) if place != itself]
    best = max((1 - distances[place] for place in others), default=0.0)
    total = sum(math.exp(100 * (1 - distances[place] - best)) for place in others)
    for place, share in enumerate(found):
        if place == itself:
            assert share is None
        else:
            assert share == pytest.approx(math.exp(100 * (1 - distances[place] - best)) / total, rel=1e-9, abs=1e-300)
    if others:
        assert sum(share for share in found if share is not None) == pytest.approx(1)


def test_similarity_and_softmax_are_printed_under_their_names(tmp_path: Path, run: Run) -> None:
    folder = made_folder(tmp_path / "in")
    asked = ("search", folder / "2.png", "--in", folder, "-k", 3, *COSINE)
    done = run(*asked)
    heading, first, *others = done.out.splitlines()
    assert "(cosine similarity; softmax of 100 × the similarities of this list)" in heading
    assert first.split() == ["1", "1.0000", "–", "2.png", "(the", "very", "same", "file)"]
    told = json.loads(run(*asked, "--json").out)
    assert told["softmax_scale"] == 100
    nearest = told["images"][0]["nearest"]
    assert nearest[0]["softmax_of_list"] is None
    for line, hit in zip(others, nearest[1:], strict=True):
        assert hit["similarity"] == pytest.approx(1 - hit["distance"])
        assert line.split()[1:3] == [f"{hit['similarity']:.4f}", f"{hit['softmax_of_list']:.3f}"]
    assert sum(hit["softmax_of_list"] for hit in nearest[1:]) == pytest.approx(1)


def test_a_page_tells_similarities(tmp_path: Path, run: Run) -> None:
    folder, page = made_folder(tmp_path / "in"), tmp_path / "found.html"
    assert run("search", folder / "2.png", "--in", folder, "-k", 2, *COSINE, "--out", page).code == 0
    assert "similarity 1.0000, the very same file" in page.read_text(encoding="utf-8")


def test_clip_searches_and_the_second_time_reads_its_cache(tmp_path: Path, run: Run) -> None:
    pytest.importorskip("open_clip")
    folder, sheet = made_folder(tmp_path / "in"), tmp_path / "found.png"
    clip = ("--system", "clip", "--set", "embedder.weights=none", "--set", f"embedder.model={tiny_config(tmp_path)}")
    shutil.copy(folder / "1.png", tmp_path / "image.png")
    first = run("search", tmp_path / "image.png", "--in", folder, "-k", 3, *clip, "--out", sheet)
    assert first.code == 0
    assert "is RANDOM" in first.err
    assert "by clip (cosine similarity" in first.out
    assert first.out.splitlines()[1].endswith("1.png  (the same bytes)")
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert run("search", tmp_path / "image.png", "--in", folder, "-k", 3, *clip).out == first.out


def test_clip_sees_the_photos_centre_at_its_own_size() -> None:
    pytest.importorskip("open_clip")
    from facematch.pipeline.images import image_settings, load_image_settings

    chosen = image_settings(load_image_settings(None, ["embedder.model=RN50x4"]), "clip")
    assert (chosen.faces.size, chosen.faces.whole, chosen.ranking.metric) == (288, "centre", "cosine")


def test_weights_that_are_missing_end_in_a_message(tmp_path: Path, run: Run) -> None:
    pytest.importorskip("open_clip")
    folder = made_folder(tmp_path / "in", count=2)
    weights = ("--set", f"embedder.weights={tmp_path}/nope.pt")
    done = run("search", folder / "0.png", "--in", folder, "--system", "clip", *weights)
    assert done.code == 1
    assert "nope.pt does not exist" in done.err
    assert np.all([word not in done.err for word in ("Traceback", "RANDOM")])
