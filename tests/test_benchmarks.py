"""Benchmarks run, in a small size, and end well."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from leak_photos import made_photo
from umap_photos import made_pixels, write_photos

ROOT = Path(__file__).resolve().parents[1]


def ran(name: str, *options: str) -> str:
    command = [sys.executable, str(ROOT / "benchmarks" / name), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")
def test_no_submission_is_lost_or_sent_twice() -> None:
    out = ran("lost_submissions.py", "--exchanges", "120", "--seed", "7")
    assert "lost: 0  twice: 0  lies: 0  hangs: 0  passwords: 0  errors: 0  not recovered: 0" in out
    counts = {name.strip(): int(number) for name, number in re.findall(r"^ *([a-z ]+): (\d+)$", out, re.MULTILINE)}
    assert counts["exchanges"] == 120 == counts["ended"] + counts["killed"]
    assert min(counts[name] for name in ("killed", "scored", "unknown", "not scored", "recovered")) > 0


def test_the_rehearsal_server_loses_nothing_under_load() -> None:
    out = ran("rehearsal_load.py", "--submissions", "100", "--clients", "20", "--queries", "10")
    assert "100 submissions of 10 queries and 10 repeated from 20 clients: lost 0, scored twice 0" in out


def test_extra_photos_are_listed_with_people_and_kinds_without_what_has_no_terms(tmp_path: Path) -> None:
    (tmp_path / "people" / "Ann_Lee").mkdir(parents=True)
    (tmp_path / "index.csv").write_text(
        "path,source,identity,kind,terms\na/1.jpg,a,ann_lee,photo,A: research\na/2.jpg,a,,sketch,A: research\n"
        "b/1.jpg,b,bob,photo,unstated (web)\nutk/00004.jpg,utk,,photo,research\n"
    )
    held_out = (ROOT / "config" / "held-out.txt").read_text().split("\n")
    with (tmp_path / "index.csv").open("a") as index:
        index.write(f"{held_out[0]},a,cy,photo,A: research\n")
    out = ran("extra_photos.py", str(tmp_path), str(tmp_path / "o.txt"), "--known", str(tmp_path / "people"))
    assert "3 photos" in out
    wanted = ["a/1.jpg\tAnn_Lee\tphoto", "a/2.jpg\ta/2.jpg\tsketch", "utk/00004.jpg\tutk/00004.jpg\tphoto", ""]
    assert (tmp_path / "o.txt").read_text().split("\n") == wanted
    assert "4 photos" in ran("extra_photos.py", str(tmp_path), str(tmp_path / "o.txt"), "--all")


def test_sparse_re_ranking_equals_the_published_algorithm() -> None:
    out = ran("k_reciprocal.py", "--photos", "60", "--large", "100", "--rounds", "1")
    assert "60 × 60: equal distances" in out
    assert "100 × 100:" in out


def test_codes_are_found_as_floats_are_and_by_every_index() -> None:
    out = ran("hamming_search.py", "--gallery", "2000", "--queries", "60", "--rounds", "1")
    assert "2,000 gallery photos of 100 people, 60 queries" in out
    named = re.findall(r"names the only photo with a query's code: (\d+) of (\d+)$", out, re.MULTILINE)
    assert len(named) == 8
    assert all(found == asked != "0" for found, asked in named)
    assert "distance_estimator takes" in out


def test_the_sweep_scores_as_scikit_learn_does() -> None:
    pytest.importorskip("umap")
    out = ran("umap_tune.py", "--images", "120", "--no-peer")
    assert "120 photos, n_neighbors 5, 10, 15, 20, 30, 50" in out
    (worst,) = re.findall(r"largest difference from scikit-learn's scores: (\S+)", out)
    assert float(worst) < 1e-9


def test_umap_and_pixels_are_asked_the_same(tmp_path: Path) -> None:
    pytest.importorskip("umap")
    for number in range(2):
        write_photos(tmp_path / f"class {number}", made_pixels(10, 4, number))
    out = ran("umap_retrieval.py", str(tmp_path), "--photos", "4", "--components", "2")
    assert "64 photos of 2 classes, 16 held out, 16 changed" in out
    rows = [line.split("  ")[0] for line in out.splitlines()[2:]]
    tried = ("5", "10", "15", "20", "30")
    assert [row.split(" (")[0] for row in rows] == ["pixels", *(f"UMAP, n_neighbors {n}" for n in tried)]
    assert sum("(tuned)" in row for row in rows) == 1


def test_finders_of_changed_photos_stand_side_by_side(tmp_path: Path) -> None:
    pytest.importorskip("imagehash")
    for seed in range(12):
        cv2.imwrite(str(tmp_path / f"{seed}.png"), made_photo(seed)[..., ::-1])
    out = ran("duplicate_finders.py", str(tmp_path), "--photos", "4", "--changes", "none,grey")
    assert "0 are not ImageHash's" in out
    assert re.search(r"^near-duplicates +1\.000", out, re.MULTILINE)
    assert re.search(r"^ImageHash phash +1\.000", out, re.MULTILINE)


def test_a_ranking_equals_that_of_faiss_and_indexes_tell_their_recall() -> None:
    out = ran("gallery_size.py", "--galleries", "300,2000", "--queries", "30", "--numbers", "32", "--rounds", "1")
    assert out.count("of places named alike") == 2
    assert out.count("times faster") == 2
    assert "auto: exact, 2,000 photos are compared at once" in out
    recalls = re.findall(r"^  (hnsw|ivf-pq): built .* recall@10 (\S+) on 30 of 30 queries", out, re.MULTILINE)
    assert [kind for kind, _ in recalls] == ["hnsw", "ivf-pq"]
    assert all(float(recall) > 0.9 for _, recall in recalls)


def test_a_gallery_is_embedded_saved_and_ranked_in_little_memory() -> None:
    pytest.importorskip("resource")
    out = ran("gallery_memory.py", "--photos", "3000", "--numbers", "64", "--queries", "50")
    assert "3,000 photos, 64 numbers: 0.00 GB of vectors" in out
    assert re.findall(r"^(embed|rank): \d+\.\d\d GB at its peak", out, re.MULTILINE) == ["embed", "rank"]


def test_a_plain_client_and_ours_answer_the_same_task(tmp_path: Path) -> None:
    for seed in range(24):
        person = tmp_path / f"person {seed % 2}"
        person.mkdir(exist_ok=True)
        cv2.imwrite(str(person / f"{seed}.png"), made_photo(seed)[..., ::-1])
    out = ran("competition_client.py", str(tmp_path), "--photos", "12", "--sizes", "64", "--rounds", "1")
    assert "12 queries, 12 gallery photos" in out
    assert re.search(r"^client, 224: .* top-1 \d\.\d{3}$", out, re.MULTILINE)
    assert re.search(r"^ours, 64: cold .* times faster than the client, top-1 \d\.\d{3}$", out, re.MULTILINE)
    assert "times faster than cold, torch not imported" in out
