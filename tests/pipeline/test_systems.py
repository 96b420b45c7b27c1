"""What compares whole photos: the settings of each system, and the photos of a folder, embedded."""

import hashlib
from pathlib import Path

import cv2
import imagehash
import numpy as np
import pytest
from PIL import Image as PillowImage

from facematch.core.errors import FacematchError
from facematch.pipeline.images import SYSTEMS, embed_images, image_settings, image_stage, load_image_settings
from facematch.settings.embedding import EmbedderSettings, FaceSettings
from facematch.settings.file import load_settings
from facematch.settings.refine import FlipStep
from facematch.settings.root import RankingSettings, Settings
from image_folders import made_folder, saved
from leak_photos import made_photo

CONFIG = Path(__file__).parents[2] / "config" / "images.yaml"
PIXELS_AND_HASHES = ("pixels", "phash", "dhash", "whash")


def test_the_shipped_configuration_says_what_holds_without_one() -> None:
    assert load_settings(CONFIG) == load_image_settings(None) == load_image_settings(CONFIG)
    assert load_image_settings(None, ["faces.size=48"]).faces.size == 48
    assert load_image_settings(CONFIG, ["embedder.kind=phash"]).embedder.kind == "phash"


@pytest.mark.parametrize("system", [system for system in SYSTEMS if system != "clip"])
def test_a_system_takes_photos_whole(system: str) -> None:
    given = Settings(ranking=RankingSettings(metric="cosine"), refine=(FlipStep(),), faces=FaceSettings(size=50))
    chosen = image_settings(given, system)
    hashed = system in ("phash", "dhash", "whash")
    assert chosen.embedder.kind == system
    assert chosen.faces.detector == "none"
    assert chosen.faces.size == 50
    assert chosen.faces.whole == ("squash" if system in PIXELS_AND_HASHES else "pad")
    assert chosen.ranking.metric == ("hamming" if hashed else "cosine")
    assert chosen.refine == ()
    assert Settings.model_validate(chosen.model_dump()) == chosen  # as if it had been written so


def test_pixels_are_never_compared_by_their_signs() -> None:
    codes = Settings(ranking=RankingSettings(metric="hamming"))
    assert image_settings(codes, "pixels").ranking.metric == "euclidean"
    assert image_settings(codes, "network").ranking.metric == "hamming"


def test_an_unknown_system_is_named_with_the_nearest() -> None:
    with pytest.raises(FacematchError, match=r"'phash2' is not known \(did you mean 'phash'\?\)"):
        image_stage(Settings(), "phash2")


def test_a_system_without_its_model_says_so() -> None:
    with pytest.raises(FacematchError, match=r"embedder\.file names no model"):
        image_stage(Settings(embedder=EmbedderSettings()), "onnx")


def test_embedded_pixels_are_those_of_the_squashed_photo(tmp_path: Path) -> None:
    photos = made_folder(tmp_path / "photos", count=2)
    images = embed_images(image_stage(load_image_settings(None), "pixels"), photos)
    for name, vector in zip(images.embeddings.names, images.embeddings.vectors, strict=True):
        bgr = cv2.resize(cv2.imread(str(photos / name)), (64, 64), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.float64).ravel()
        grey -= grey.mean()
        np.testing.assert_allclose(vector, grey / np.linalg.norm(grey), atol=1e-5)


@pytest.mark.parametrize("system", ["phash", "dhash", "whash"])
def test_embedded_hashes_are_packed_and_those_of_the_squashed_photo(tmp_path: Path, system: str) -> None:
    photos = made_folder(tmp_path / "photos", count=2)
    images = embed_images(image_stage(load_image_settings(None), system), photos)
    assert images.embeddings.metric == "hamming"
    assert images.embeddings.vectors.shape == (2, 8)
    for name, code in zip(images.embeddings.names, images.embeddings.vectors, strict=True):
        with PillowImage.open(photos / name) as picture:
            square = cv2.resize(np.asarray(picture), (64, 64), interpolation=cv2.INTER_AREA)
        theirs = getattr(imagehash, system)(PillowImage.fromarray(square))
        assert code.tobytes().hex() == str(theirs)


@pytest.mark.parametrize("system", PIXELS_AND_HASHES)
def test_a_copy_of_other_proportions_stays_near(tmp_path: Path, system: str) -> None:
    photo = made_photo(1, 200, 100)
    saved(tmp_path, "a.png", photo)
    saved(tmp_path, "b.png", np.asarray(cv2.resize(photo, (100, 120), interpolation=cv2.INTER_AREA), np.uint8))
    saved(tmp_path, "c.png", made_photo(2, 200, 100))
    found = embed_images(image_stage(load_image_settings(None), system), tmp_path).embeddings.as_floats()
    copy, other = (np.linalg.norm(found[0] - found[row]) for row in (1, 2))
    assert copy < other / 3


def test_a_folder_is_told_file_by_file(tmp_path: Path) -> None:
    made_folder(tmp_path / "in", count=2)
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / "empty.jpg").touch()
    seen: list[int] = []
    images = embed_images(image_stage(load_image_settings(None), "pixels"), tmp_path, seen.append)
    assert images.embeddings.names == ("in/0.png", "in/1.png")
    assert list(images.files) == list(images.sha256) == ["in/0.png", "in/1.png"]
    for name, file in images.files.items():
        assert file.path == tmp_path / name
        assert images.sha256[name] == hashlib.sha256(file.path.read_bytes()).hexdigest()
    assert [entry.split(" (")[0] for entry in images.unread] == ["empty.jpg", "notes.txt"]
    assert "empty file" in images.unread[0]
    assert seen == sorted(seen)
    assert seen[-1] == 100


def test_a_second_look_reads_the_cache_and_is_equal(tmp_path: Path) -> None:
    photos = made_folder(tmp_path / "photos", count=3)
    stage = image_stage(load_image_settings(None), "dhash")
    first = embed_images(stage, photos)
    saved(photos, "0.png", made_photo(9, 96, 64))  # what changed is seen, what was moved is known by content
    (photos / "1.png").rename(photos / "moved.png")
    again = embed_images(stage, photos)
    rows = {name: again.embeddings.vectors[row] for row, name in enumerate(again.embeddings.names)}
    np.testing.assert_array_equal(rows["moved.png"], first.embeddings.vectors[1])
    np.testing.assert_array_equal(rows["2.png"], first.embeddings.vectors[2])
    assert (rows["0.png"] != first.embeddings.vectors[0]).any()


def test_a_folder_without_a_photo_is_an_error(tmp_path: Path) -> None:
    stage = image_stage(load_image_settings(None), "pixels")
    with pytest.raises(FacematchError, match="does not exist"):
        embed_images(stage, tmp_path / "nowhere")
    with pytest.raises(FacematchError, match=r"holds no photo that can be read \(0 other files\)"):
        embed_images(stage, tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much more")
    with pytest.raises(FacematchError, match=r"1 other files, first broken\.jpg"):
        embed_images(stage, tmp_path)
