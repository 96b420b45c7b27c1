"""A teacher's targets: each photo once, from its own crops, its mirror image with it; none where it sees no face."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from command_helpers import write_project
from facematch.core.errors import FacematchError
from facematch.embedders.pixels import PixelEmbedder
from facematch.faces.cropper import Cropper
from facematch.faces.detectors import NoDetector
from facematch.faces.templates import FIVE_POINTS, template_points
from facematch.faces.values import Crop, Face, Image
from facematch.identities.sources import load_many
from facematch.photos.photo import PhotoFile, PhotoLimits, decode
from facematch.pipeline import build
from facematch.pipeline.build import build_cropper
from facematch.settings.embedding import EmbedderSettings, FaceSettings
from facematch.settings.file import load_settings
from facematch.settings.root import Settings
from facematch.settings.training import TeacherSettings
from facematch.tasks.training import teachers
from facematch.tasks.training.blending import SIDE, aligned
from facematch.tasks.training.crops import LabelledCrops, PhotoReader, training_crops
from facematch.tasks.training.teachers import (
    frames_to_blend,
    joined,
    of_photographs,
    teacher_embedder,
    teacher_targets,
    training_set,
)

PIXELS = EmbedderSettings(kind="pixels")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The small project, one of whose photos shows no face; crops to train on are whole photos."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEMATCH_CACHE", str(tmp_path / "cache"))
    write_project(tmp_path)
    person = sorted(Path("data/faces").iterdir())[0]
    PillowImage.new("RGB", (64, 64), (90, 120, 60)).save(person / "wall.png")
    return load_settings(Path("small.yaml"), ["faces.detector=none", "faces.size=48"])


def targets_of(settings: Settings, teacher: TeacherSettings, files: Sequence[PhotoFile]) -> np.ndarray:
    return teacher_targets(settings, teacher, teacher_embedder(settings, teacher), files)


def embedded(file: PhotoFile, faces: FaceSettings, *, flip: bool) -> np.ndarray | None:
    """One photo's grey pixels, by itself."""
    data = file.path.read_bytes()
    photo = decode(file.name, data, "0" * 64, PhotoLimits())
    crop = build_cropper(faces).crop(photo)  # type: ignore[arg-type]
    if not isinstance(crop, Crop):
        return None
    one = PixelEmbedder().embed(crop.image[None])[0]
    if not flip:
        return one
    both = one + PixelEmbedder().embed(np.ascontiguousarray(crop.image[None, :, ::-1]))[0]
    return both / np.linalg.norm(both)


@pytest.mark.parametrize("flip", [True, False])
def test_targets_are_of_the_teachers_own_crops_and_nan_without_one(settings: Settings, flip: bool) -> None:
    faces = FaceSettings(size=32)
    crops = training_crops(PhotoReader(settings), load_many(settings.identities.train, None)[0], "training people")
    teacher = TeacherSettings(embedder=PIXELS, faces=faces, flip=flip)
    targets = targets_of(settings, teacher, crops.files)
    assert targets.shape == (len(crops.files), 64 * 64)
    missed = 0
    for row, file in zip(targets, crops.files, strict=True):
        expected = embedded(file, faces, flip=flip)
        if expected is None:
            missed += 1
            assert np.isnan(row).all()
        else:
            np.testing.assert_allclose(row, expected, atol=1e-5)
    assert any(file.name.endswith("wall.png") for file in crops.files)
    assert 0 < missed < len(crops.files)
    np.testing.assert_array_equal(targets, targets_of(settings, teacher, crops.files))  # from the cache


def test_without_faces_of_its_own_a_teacher_sees_the_networks_crops(settings: Settings) -> None:
    crops = training_crops(PhotoReader(settings), load_many(settings.identities.train, None)[0], "training people")
    targets = targets_of(settings, TeacherSettings(embedder=PIXELS, flip=False), crops.files)
    np.testing.assert_array_equal(targets, PixelEmbedder().embed(crops.images))


def test_a_teacher_that_sees_no_face_at_all_is_an_error(settings: Settings) -> None:
    wall = next(Path("data/faces").rglob("wall.png"))
    teacher = TeacherSettings(embedder=PIXELS, faces=FaceSettings())
    with pytest.raises(FacematchError, match="the teacher embedded none of the training photos: 0 faces in 1"):
        targets_of(settings, teacher, [PhotoFile("wall.png", wall)])


def test_people_are_numbered_by_name_and_those_with_too_few_crops_left_out(settings: Settings) -> None:
    single = Path("data/faces/aaa")
    single.mkdir()
    PillowImage.new("RGB", (64, 64), (9, 9, 9)).save(single / "1.png")
    crops = training_crops(PhotoReader(settings), load_many(settings.identities.train, None)[0], "training people")
    data = training_set(settings, crops)
    assert "aaa" not in crops.people
    assert crops.people == tuple(sorted(path.name for path in Path("data/faces").iterdir() if path.name != "aaa"))
    assert [crops.people[label] for label in data.labels] == list(crops.identities)
    assert data.people == len(crops.people)
    assert len(data.images) == len(crops.files)


class Pointed(NoDetector):
    """A detector that takes every photo for one face with five points; none where it is one colour."""

    name = "yunet"

    def detect(self, image: Image) -> list[Face]:
        height, width = image.shape[:2]
        points = tuple((float(x), float(y)) for x, y in FIVE_POINTS * width / 112)
        return [Face(0, 0, width, height, 1.0, "yunet", points)] if image.std((0, 1)).any() else []


def test_blends_are_of_the_photos_in_which_the_teacher_sees_a_face(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = training_crops(PhotoReader(settings), load_many(settings.identities.train, None)[0], "training people")
    faces = FaceSettings(detector="yunet", yunet_file=Path("y.onnx"), size=40)
    teacher = TeacherSettings(embedder=PIXELS, faces=faces, blends=0.5, flip=False)
    for module in (teachers, build):
        monkeypatch.setattr(module, "build_cropper", lambda _: Cropper(Pointed(), 40))
    taught = settings.model_copy(update={"loss": settings.loss.model_copy(update={"teacher": teacher})})
    blends = training_set(taught, crops).blends
    assert blends is not None
    assert len(blends.frames) == len(crops.files) - 1  # the wall
    assert blends.share == 0.5
    photo = cv2.imread(str(crops.files[0].path))[..., ::-1]
    side = round(max(photo.shape[:2]) * (1 + settings.faces.margin))
    np.testing.assert_allclose(blends.frames[0].crop[:, :2] * side * 112 / photo.shape[1], np.eye(2), atol=0.01)
    asked = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    shown = aligned(asked, 40, template_points("arcface", 40, 0.2))
    np.testing.assert_array_equal(blends.embed(asked), PixelEmbedder().embed(shown))
    wall = crops.at([row for row, file in enumerate(crops.files) if file.name.endswith("wall.png")])
    with pytest.raises(FacematchError, match="0 faces were found to blend"):
        frames_to_blend(settings, teacher, wall)


def test_several_teachers_stand_behind_one_another_by_their_shares(settings: Settings) -> None:
    crops = training_crops(PhotoReader(settings), load_many(settings.identities.train, None)[0], "training people")
    second = {"embedder": {"kind": "pixels"}, "faces": {"detector": "none", "size": 32}, "share": 3}
    teacher = TeacherSettings.model_validate({"embedder": {"kind": "pixels"}, "flip": False, "also": [second]})
    taught = settings.model_copy(update={"loss": settings.loss.model_copy(update={"teacher": teacher})})
    targets = training_set(taught, crops).targets
    assert targets is not None
    parts = [targets_of(settings, each, crops.files) for each in teacher.models]  # type: ignore[arg-type]
    cosines = [
        part @ part.T for part in (part / np.linalg.norm(part, axis=1, keepdims=True).clip(1e-12) for part in parts)
    ]
    assert targets.shape[1] == sum(part.shape[1] for part in parts)
    np.testing.assert_allclose(targets @ targets.T, 0.25 * cosines[0] + 0.75 * cosines[1], atol=1e-5)


def test_where_one_teacher_sees_nothing_there_is_no_target_and_one_alone_stays_as_it_is() -> None:
    one, other = np.ones((3, 2), np.float32), np.ones((3, 4), np.float32)
    other[1] = np.nan
    made = joined([one, other], [1.0, 1.0])
    assert np.isnan(made[1]).all()
    assert np.linalg.norm(made[[0, 2]], axis=1) == pytest.approx([1, 1])
    assert joined([other], [2.0]) is other


def test_pictures_of_other_domains_have_the_targets_of_their_persons_photographs() -> None:
    domains = ["photo", "drawn", "photo", "drawn", "photo", "drawn"]
    who = ["ann", "ann", "ann", "bob", "bob", "cy"]
    files = tuple(PhotoFile(f"{number}.jpg", "x", each) for number, each in enumerate(domains))
    crops = LabelledCrops(np.zeros((6, 4, 4, 3), np.uint8), files, tuple(who), ((0, 0, 4, 4),) * 6)
    targets = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    targets[4] = np.nan  # bob's photograph shows no face
    found = of_photographs(targets, crops)
    unit = targets / np.linalg.norm(targets, axis=1, keepdims=True)
    mean = unit[[0, 2]].mean(0)
    np.testing.assert_allclose(found[1], mean / np.linalg.norm(mean), rtol=1e-5)
    for row in (0, 2, 3, 4, 5):  # photographs; and who has no photograph to be seen
        np.testing.assert_array_equal(found[row], targets[row])


def test_blends_of_every_teacher_need_points() -> None:
    pointed = {"detector": "yunet", "yunet_file": "y.onnx"}
    with pytest.raises(ValueError, match=r"loss\.teacher\.blends needs five points"):
        TeacherSettings.model_validate(
            {
                "embedder": {"kind": "pixels"},
                "faces": pointed,
                "blends": 0.5,
                "also": [{"embedder": {"kind": "pixels"}}],
            }
        )
