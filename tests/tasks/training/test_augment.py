"""Augmentation: a seed decides the result, mistakes in the description are errors that name the step."""

import hashlib
import os
import pickle
import subprocess
import sys
import threading
import warnings
from collections.abc import Mapping

import albumentations as alb
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut

from facematch.core.errors import FacematchError
from facematch.tasks.training.augment import FACE_DEFAULT, Augmentation, build_augmentation, preview, transform_names

Image = NDArray[np.uint8]


def picture(size: int = 48, seed: int = 0) -> Image:
    """Return a smooth colour picture."""
    noise = np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (9, 9), 3), np.uint8)


@pytest.fixture(scope="module")
def default() -> Augmentation:
    return build_augmentation(FACE_DEFAULT)


def digest(augmentation: Augmentation, image: Image, seeds: range) -> str:
    """Return one digest of the results of several seeds, made in the order given."""
    results = {seed: augmentation(image, seed).tobytes() for seed in seeds}
    return hashlib.sha256(b"".join(results[seed] for seed in sorted(results))).hexdigest()


# --- the seed decides -----------------------------------------------------------------------------


def test_same_seed_same_picture_in_any_order(default: Augmentation) -> None:
    image = picture()
    assert digest(default, image, range(40)) == digest(default, image, range(39, -1, -1))


def test_other_seeds_give_other_pictures(default: Augmentation) -> None:
    image = picture()
    different = {default(image, seed).tobytes() for seed in range(60)}
    assert len(different) > 55


def test_random_states_outside_do_not_matter(default: Augmentation) -> None:
    image = picture()
    np.random.seed(1)
    cv2.setRNGSeed(1)
    first = digest(default, image, range(20))
    np.random.seed(2)
    cv2.setRNGSeed(2)
    assert digest(default, image, range(20)) == first


@pytest.mark.parametrize("name", ["GaussNoise", "AdditiveNoise", "CoarseDropout", "ElasticTransform"])
def test_steps_with_generators_of_their_own(name: str) -> None:
    """Noise comes from OpenCV's generator, holes and displacements from one made for the call."""
    augmentation = build_augmentation([{"name": name, "p": 1.0}], size=32)
    image = picture(32)
    assert (augmentation(image, 5) == augmentation(image, 5)).all()
    assert (augmentation(image, 5) != augmentation(image, 6)).any()


def test_steps_draw_independently() -> None:
    """With one seed for each step, two steps of probability 0.5 would always fall together."""
    steps = [{"name": "HorizontalFlip", "p": 0.5}, {"name": "InvertImg", "p": 0.5}]
    augmentation = build_augmentation(steps)
    image = np.zeros((4, 4, 3), np.uint8)
    image[:, 0] = 200
    seen = set()
    for seed in range(64):
        made = augmentation(image, seed)
        inverted = bool(made[0, 1, 0] == 255)
        left = bool(made[0, 0, 0] == (55 if inverted else 200))
        seen.add((left, inverted))
    assert len(seen) == 4


def test_probability_is_kept() -> None:
    augmentation = build_augmentation([{"name": "InvertImg", "p": 0.3}])
    image = np.zeros((4, 4, 3), np.uint8)
    inverted = np.mean([augmentation(image, seed)[0, 0, 0] == 255 for seed in range(2000)])
    assert abs(inverted - 0.3) < 0.04


def test_pickled_copy_does_the_same(default: Augmentation) -> None:
    default(picture(), 0)
    copy = pickle.loads(pickle.dumps(default))
    assert copy.steps == default.steps
    assert digest(copy, picture(), range(20)) == digest(default, picture(), range(20))


def test_threads_share_one_augmentation(default: Augmentation) -> None:
    image, results = picture(), {}

    def work(number: int) -> None:
        results[number] = digest(default, image, range(30))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results.values()) == {digest(default, image, range(30))}
    assert len(results) == 4


def test_another_process_with_other_threads_does_the_same(default: Augmentation) -> None:
    image = picture()
    program = (
        "import sys, pickle, hashlib, cv2; cv2.setNumThreads(2)\n"
        "augmentation, image = pickle.load(sys.stdin.buffer)\n"
        "made = {seed: augmentation(image, seed).tobytes() for seed in range(29, -1, -1)}\n"
        "print(hashlib.sha256(b''.join(made[seed] for seed in sorted(made))).hexdigest())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps((default, image)), capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == digest(default, image, range(30))


# --- what comes out -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 112, 161])
def test_default_keeps_size_and_type(default: Augmentation, size: int) -> None:
    image = picture(size)
    for seed in range(20):
        made = default(image, seed)
        assert made.shape == (size, size, 3)
        assert made.dtype == np.uint8


def test_picture_given_is_never_changed(default: Augmentation) -> None:
    image = picture()
    before = image.copy()
    for seed in range(40):
        made = default(image, seed)
        made[:] = 0
    assert (image == before).all()


def test_no_steps_give_an_equal_picture_of_its_own() -> None:
    image = picture()
    made = build_augmentation([])(image, 3)
    assert (made == image).all()
    assert not np.shares_memory(made, image)


def test_default_is_made_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augmentation = build_augmentation(FACE_DEFAULT)
        for seed in range(60):
            augmentation(picture(), seed)


def test_default_leaves_most_of_a_face(default: Augmentation) -> None:
    """Nothing in it is so strong that a picture loses its likeness to the original."""
    image = picture(64)
    alike = [
        max(np.corrcoef(image.ravel(), made.ravel())[0, 1], np.corrcoef(image[:, ::-1].ravel(), made.ravel())[0, 1])
        for made in (default(image, seed) for seed in range(60))
    ]
    assert float(np.median(alike)) > 0.2


def test_arguments_reach_albumentations() -> None:
    image = picture()
    step = {"name": "Affine", "rotate": [90, 90], "p": 1.0}
    expected = alb.Affine(rotate=(90, 90), p=1.0)(image=image)["image"]
    assert (build_augmentation([step])(image, 1) == expected).all()


def test_group_applies_one_of_its_steps() -> None:
    group = {"name": "OneOf", "p": 1.0, "transforms": [{"name": "InvertImg"}, {"name": "VerticalFlip"}]}
    augmentation = build_augmentation([group])
    image = picture()
    made = {augmentation(image, seed).tobytes() for seed in range(30)}
    assert made == {(255 - image).tobytes(), np.ascontiguousarray(image[::-1]).tobytes()}


@pytest.mark.parametrize("name", ["SomeOf", "RandomOrder", "Sequential"])
def test_other_groups(name: str) -> None:
    inner = [{"name": "InvertImg", "p": 1.0}, {"name": "OneOf", "transforms": [{"name": "ToSepia"}]}]
    augmentation = build_augmentation([{"name": name, "transforms": inner, "p": 1.0}], size=16)
    assert augmentation(picture(16), 0).shape == (16, 16, 3)


def test_importing_asks_no_server_and_leaves_the_environment_as_it_was() -> None:
    code = (
        "import os, urllib.request\n"
        "asked = []\n"
        "urllib.request.OpenerDirector.open = lambda *given, **named: asked.append(given)\n"
        "from facematch.tasks.training import augment\n"
        "print(asked, 'NO_ALBUMENTATIONS_UPDATE' in os.environ)\n"
    )
    plain = {key: value for key, value in os.environ.items() if key != "NO_ALBUMENTATIONS_UPDATE"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=plain)
    assert done.stdout == "[] False\n"


def test_names_are_transforms_of_pictures() -> None:
    names = transform_names()
    assert {"HorizontalFlip", "CoarseDropout", "OneOf", "MedianBlur"} <= set(names)
    assert not {"ToTensorV2", "BasicTransform", "Transform3D", "CenterCrop3D", "Lambda", "Compose"} & set(names)


# --- mistakes -------------------------------------------------------------------------------------

MISTAKES: list[tuple[object, str, str]] = [
    ({"name": "GausNoise"}, r"step 2 \(GausNoise\).*did you mean 'GaussNoise'", "albumentations class"),
    ({"name": "Lambda"}, r"step 2 \(Lambda\): there is no such augmentation", "albumentations class"),
    ({"name": "os"}, r"step 2 \(os\): there is no such augmentation", "albumentations class"),
    ({"p": 0.5}, r"step 2 has no name: found \{'p': 0.5\}", "HorizontalFlip"),
    ({"name": 3}, "step 2 has no name", "HorizontalFlip"),
    ("HorizontalFlip", "step 2 has no name: found 'HorizontalFlip'", "HorizontalFlip"),
    ({"name": "MotionBlur", "blurlimit": 3}, "no argument 'blurlimit'.*'blur_limit'", "angle_range"),
    ({"name": "GaussNoise", "var_limit": [1, 2]}, "no argument 'var_limit'", "takes std_range"),
    ({"name": "Affine", "strict": False}, "no argument 'strict'", "takes scale"),
    ({"name": "HorizontalFlip", "p": 2}, "p: Input should be less than or equal to 1, found 2", "takes p"),
    ({"name": "GaussNoise", "std_range": [1, 2]}, r"cannot be made: std_range: .*found \[1, 2\]", "takes"),
    ({"name": "MedianBlur", "blur_limit": "a"}, "cannot be made: blur_limit", "takes blur_limit"),
    ({"name": "MotionBlur", "blur_limit": [3, 8]}, "must be odd.*automatically adjusted", "takes blur_limit"),
    ({"name": "CropAndPad"}, "px and percent parameters cannot be None simultaneously", "takes px"),
    ({"name": "RandomResizedCrop"}, "argument size is missing", "takes size"),
    ({"name": "Resize", "height": 20, "width": 20}, r"makes uint8 \(20, 20, 3\)", "keeps size and type"),
    ({"name": "Normalize"}, r"makes float32 \(48, 48, 3\)", "keeps size and type"),
    ({"name": "ToGray", "num_output_channels": 1}, r"makes uint8 \(48, 48\)", "keeps size and type"),
    ({"name": "MaskDropout"}, r"\(MaskDropout\) failed on a trial picture of 48×48", "remove it"),
    ({"name": "OneOf"}, r"needs a list of steps under transforms: found None", "GaussianBlur"),
    ({"name": "OneOf", "transforms": []}, "needs a list of steps", "GaussianBlur"),
    ({"name": "OneOf", "transforms": "ToGray"}, "needs a list of steps", "GaussianBlur"),
    ({"name": "OneOf", "transforms": [{"name": "Blurr"}]}, r"\(OneOf\) step 1 \(Blurr\).*'Blur'", "class"),
    ({"name": "OneOf", "transforms": [{"name": "ToFloat"}]}, r"\(OneOf\) step 1 \(ToFloat\) makes", "keeps"),
    ({"name": "SomeOf", "n": "a", "transforms": [{"name": "ToGray"}]}, r"\(SomeOf\) cannot be made", "takes"),
]


@pytest.mark.parametrize(("step", "message", "hint"), MISTAKES)
def test_mistake_names_the_step(step: Mapping[str, object], message: str, hint: str) -> None:
    with pytest.raises(FacematchError, match=message) as caught:
        build_augmentation([{"name": "HorizontalFlip"}, step], size=48)
    assert caught.value.message.startswith("augment step 2")
    assert hint in caught.value.hint


def test_a_step_that_fits_another_size_only() -> None:
    """Made for 32 pixels, called with 40."""
    augmentation = build_augmentation([{"name": "RandomResizedCrop", "size": [32, 32], "p": 1.0}], size=32)
    assert augmentation(picture(32), 1).shape == (32, 32, 3)
    with pytest.raises(FacematchError, match=r"makes uint8 \(32, 32, 3\) of a uint8 \(40, 40, 3\) picture"):
        augmentation(picture(40), 1)


def test_other_warnings_of_albumentations_are_passed_on() -> None:
    with pytest.warns(UserWarning, match="special case of Affine"):
        build_augmentation([{"name": "ShiftScaleRotate", "rotate_limit": 10}])


# --- preview --------------------------------------------------------------------------------------


def test_preview_is_a_grid_with_originals_on_the_left() -> None:
    images = [picture(20, 1), picture(20, 2), picture(20, 3)]
    invert = build_augmentation([{"name": "InvertImg", "p": 1.0}])
    grid = preview(images, invert, columns=4)
    assert grid.shape == (3 * 22 + 2, 4 * 22 + 2, 3)
    assert grid.dtype == np.uint8
    for row, image in enumerate(images):
        top = row * 22 + 2
        assert (grid[top : top + 20, 2:22] == image).all()
        assert (grid[top : top + 20, 24:44] == 255 - image).all()
        assert (grid[top : top + 20, 68:88] == 255 - image).all()
    assert (grid[:2] == 255).all()


def test_preview_depends_on_its_seed(default: Augmentation) -> None:
    images = [picture(24, 1)] * 2
    first = preview(images, default, 6)
    assert (preview(images, default, 6) == first).all()
    assert (preview(images, default, 6, seed=1) != first).any()
    assert (first[2:26] != first[28:52]).any(), "two rows of one picture differ"


def test_a_rendering_by_name_is_that_rendering() -> None:
    image = np.ascontiguousarray(np.asarray(astronaut())[:96, 170:266])
    step = {"name": "Rendering", "names": ["pencil-grey"], "strength_range": [0.5, 0.5], "p": 1}
    augment = build_augmentation([step], 96)
    made = augment(image, 3)
    assert (made[..., 0] == made[..., 1]).all()
    assert np.array_equal(made, augment(image, 3))
    assert not np.array_equal(made, augment(image, 4))
    any_of_all = build_augmentation([{"name": "Rendering", "p": 1}], 96)
    assert len({any_of_all(image, seed).tobytes() for seed in range(12)}) == 12


def test_a_rendering_of_the_enlarged_picture_has_finer_dots() -> None:
    image = np.ascontiguousarray(np.asarray(astronaut())[:96, 170:266])

    def likeness(scale: float) -> float:
        step = {"name": "Rendering", "names": ["halftone"], "strength_range": [1, 1], "scale_range": [scale] * 2}
        made = build_augmentation([step | {"p": 1}], 96)(image, 3)
        assert made.shape == image.shape
        grey = [cv2.GaussianBlur(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY), (5, 5), 0) for each in (made, image)]
        return float(np.corrcoef(grey[0].ravel(), grey[1].ravel())[0, 1])

    assert likeness(3) > likeness(1.5) > likeness(1)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"names": ["pencil"]}, r"step 1 \(Rendering\) cannot be made: there is no rendering 'pencil'.*pencil-grey"),
        ({"strength_range": [0.5, 2]}, r"step 1 \(Rendering\) cannot be made: strength_range: from 0 to 1"),
        ({"scale_range": [0.5, 1]}, r"step 1 \(Rendering\) cannot be made: scale_range: from 1 to 4"),
        ({"strengths": [0, 1]}, r"step 1 \(Rendering\) has no argument 'strengths' .did you mean"),
    ],
)
def test_a_mistake_in_a_rendering_is_named(step: dict[str, object], message: str) -> None:
    with pytest.raises(FacematchError, match=message):
        build_augmentation([{"name": "Rendering", **step}])
