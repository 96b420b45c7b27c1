"""Published data sets: found unpacked or in their archives, and never other than published."""

import hashlib
import io
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from facematch.core.errors import FacematchError
from facematch.identities import published
from facematch.identities.archives import Archive
from facematch.identities.published import PUBLISHED, PublishedSplit, load_published
from facematch.photos.photo import find_photos, read_photo

BIRD_TRAIN = ["001.Albatross/A_0046_18.jpg", "002.Auklet/B_0001_5.jpg", "002.Auklet/B_0002_9.jpg"]
BIRD_TEST = ["001.Albatross/A_0009_34.jpg", "002.Auklet/B_0003_1.jpg"]
DOG_TRAIN = ["n02085620-Chihuahua/n02085620_5927.jpg", "n02085782-Japanese_spaniel/n02085782_1.jpg"]
DOG_TEST = ["n02085620-Chihuahua/n02085620_2650.jpg"]
BIRDS = replace(published._CUB, train=3, test=2, classes=2)
DOGS = replace(published._DOGS, train=2, test=1, classes=2)


def jpeg(colour: int) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (8, 8), (colour, 90, 90)).save(written, "JPEG")
    return written.getvalue()


def write_photos(folder: Path, names: Sequence[str]) -> None:
    for at, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg(at))


def write_bird_lists(folder: Path, train: Sequence[str], test: Sequence[str], end: str = "\n", bom: str = "") -> None:
    """Write the lists of CUB-200-2011, the photos by name, which mixes training and test."""
    names = sorted([*train, *test])
    classes = sorted({name.split("/")[0] for name in names})
    columns = {
        "images.txt": names,
        "image_class_labels.txt": [1 + classes.index(name.split("/")[0]) for name in names],
        "train_test_split.txt": [int(name in train) for name in names],
        "classes.txt": classes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in columns.items():
        text = bom + "".join(f"{number} {value}{end}" for number, value in enumerate(values, start=1))
        (folder / name).write_bytes(text.encode())


def write_mat(path: Path, names: Sequence[str], labels: Sequence[Any]) -> None:
    """Write a list as Stanford does: N×1 cells of strings, N×1 `uint8` labels, and annotations besides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.array([*names, None], dtype=object)[:-1].reshape(-1, 1)
    savemat(path, {"file_list": cells, "annotation_list": cells, "labels": np.array(labels).reshape(-1, 1)})


def write_dog_lists(folder: Path, train: Sequence[str], test: Sequence[str]) -> None:
    classes = sorted({name.split("/")[0] for name in (*train, *test)})
    for path, names in (("train_list.mat", train), ("test_list.mat", test)):
        labels = [1 + classes.index(name.split("/")[0]) for name in names]
        write_mat(folder / path, names, np.array(labels, dtype=np.uint8))


def birds(folder: Path) -> Path:
    write_bird_lists(folder, BIRD_TRAIN, BIRD_TEST)
    write_photos(folder / "images", BIRD_TRAIN + BIRD_TEST)
    return folder


def dogs(folder: Path, photos: str = "Images") -> Path:
    write_dog_lists(folder, DOG_TRAIN, DOG_TEST)
    write_photos(folder / photos, DOG_TRAIN + DOG_TEST)
    return folder


def described(path: Path, source: str) -> Archive:
    data = path.read_bytes()
    return Archive(path.name, source, len(data), "md5", hashlib.md5(data).hexdigest())


def bird_archive(folder: Path) -> "published._DataSet":
    """Write CUB_200_2011.tgz, which holds a file beside its folder as the published one does."""
    made = birds(folder / "made" / "CUB_200_2011")
    (folder / "made" / "attributes.txt").write_text("1 has_bill_shape::dagger\n")
    with tarfile.open(folder / "CUB_200_2011.tgz", "w:gz") as tar:
        tar.add(folder / "made" / "attributes.txt", "attributes.txt")
        tar.add(made, "CUB_200_2011")
    shutil.rmtree(folder / "made")
    return replace(BIRDS, archives=(described(folder / "CUB_200_2011.tgz", "https://birds.example"),))


def dog_archives(folder: Path) -> "published._DataSet":
    made = dogs(folder / "made")
    with tarfile.open(folder / "images.tar", "w") as tar:
        tar.add(made / "Images", "Images")
    with tarfile.open(folder / "lists.tar", "w") as tar:
        for name in ("train_list.mat", "test_list.mat"):
            tar.add(made / name, name)
    shutil.rmtree(folder / "made")
    archives = tuple(described(folder / name, "https://dogs.example") for name in ("images.tar", "lists.tar"))
    return replace(DOGS, archives=archives)


def names(split: PublishedSplit) -> tuple[list[str], list[str]]:
    return [file.name for file in split.train.files], [file.name for file in split.test.files]


def refused(data: "published._DataSet", root: Path, match: str) -> FacematchError:
    with pytest.raises(FacematchError, match=match) as caught:
        published._load(data, root)
    return caught.value


# --- the public door ------------------------------------------------------------------------------


def test_the_official_splits() -> None:
    # Wah et al. 2011: 11,788 photos; Khosla et al. 2011: 20,580, 100 of each breed for training.
    assert PUBLISHED == ("CUB_200_2011", "Stanford_Dogs")
    assert published._CUB.train + published._CUB.test == 11_788
    assert published._DOGS.train + published._DOGS.test == 20_580
    assert published._DOGS.train == 100 * published._DOGS.classes


def test_another_name_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(FacematchError, match=r"'CUB_200_2010' .* \(did you mean 'CUB_200_2011'\?\)") as caught:
        load_published("CUB_200_2010", tmp_path)
    assert "CUB_200_2011, Stanford_Dogs" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "archives", "source"),
    [
        ("CUB_200_2011", "CUB_200_2011.tgz", "https://data.caltech.edu/records/65de6-vp158"),
        ("Stanford_Dogs", "images.tar and lists.tar", "http://vision.stanford.edu/aditya86/ImageNetDogs/"),
    ],
)
@pytest.mark.parametrize("folder", [".", "absent"])
def test_nothing_there_says_what_to_fetch_from_where(
    tmp_path: Path, name: str, archives: str, source: str, folder: str
) -> None:
    with pytest.raises(FacematchError, match=f"{name} is not in .*{archives}; there is neither") as caught:
        load_published(name, tmp_path / folder)
    assert f"Fetch {archives} from {source} into {tmp_path / folder}" in caught.value.hint


def test_an_archive_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    bird_archive(tmp_path)
    with pytest.raises(FacematchError, match=r"CUB_200_2011\.tgz has .* the published archive has 1,150,585,339"):
        load_published("CUB_200_2011", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["CUB_200_2011.tgz"]


def test_a_small_folder_is_not_the_official_split(tmp_path: Path) -> None:
    birds(tmp_path / "CUB_200_2011")
    found = "3 training and 2 test photos of 2 classes"
    with pytest.raises(FacematchError, match=f"{found}, expected 5,994 training and 5,794 test photos of 200 classes"):
        load_published("CUB_200_2011", tmp_path)


# --- unpacked folders -----------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["CUB_200_2011", "CUB_200_2011/CUB_200_2011", ".", "other"])
def test_birds_in_every_place(tmp_path: Path, place: str) -> None:
    birds(tmp_path / place)
    split = published._load(BIRDS, tmp_path / "other" if place == "other" else tmp_path)
    assert names(split) == (sorted(BIRD_TRAIN), sorted(BIRD_TEST))
    assert split.train.identities == ("001.Albatross", "002.Auklet", "002.Auklet")
    assert split.test.identities == ("001.Albatross", "002.Auklet")


@pytest.mark.parametrize("photos", ["Images", "images"])
@pytest.mark.parametrize("place", ["Stanford_Dogs", "Stanford_Dogs/Stanford_Dogs", "."])
def test_dogs_in_every_place_and_both_layouts(tmp_path: Path, place: str, photos: str) -> None:
    dogs(tmp_path / place, photos)
    split = published._load(DOGS, tmp_path)
    assert names(split) == (DOG_TRAIN, DOG_TEST)
    assert split.test.identities == ("n02085620-Chihuahua",)


@pytest.mark.parametrize(("data", "write"), [(BIRDS, birds), (DOGS, dogs)])
def test_photos_are_those_found_by_name_and_can_be_read(
    tmp_path: Path, data: "published._DataSet", write: Callable[[Path], Path]
) -> None:
    folder = write(tmp_path / data.name)
    split = published._load(data, tmp_path)
    files = sorted((*split.train.files, *split.test.files), key=lambda file: file.name)
    assert tuple(files) == find_photos(folder / data.photos).files
    assert read_photo(files[0]).image.shape == (8, 8, 3)


def test_photos_that_no_list_names_are_left_out(tmp_path: Path) -> None:
    write_photos(birds(tmp_path / "CUB_200_2011") / "images", ["001.Albatross/extra.jpg"])
    assert names(published._load(BIRDS, tmp_path)) == (sorted(BIRD_TRAIN), sorted(BIRD_TEST))


def test_a_whole_folder_is_taken_before_a_part(tmp_path: Path) -> None:
    (tmp_path / "Stanford_Dogs" / "Images").mkdir(parents=True)
    dogs(tmp_path / "Stanford_Dogs" / "Stanford_Dogs")
    assert names(published._load(DOGS, tmp_path)) == (DOG_TRAIN, DOG_TEST)


@pytest.mark.parametrize("name", [*published._BIRD_LISTS, "images"])
@pytest.mark.parametrize("place", ["CUB_200_2011", "."])
def test_a_missing_part_of_the_birds_is_named(tmp_path: Path, name: str, place: str) -> None:
    folder = birds(tmp_path / place)
    shutil.rmtree(folder / name) if name == "images" else (folder / name).unlink()
    error = refused(BIRDS, tmp_path, f"only a part of CUB_200_2011: {name} is missing")
    assert "CUB_200_2011.tgz from https://data.caltech.edu" in error.hint


def test_missing_lists_of_the_dogs_are_named(tmp_path: Path) -> None:
    write_photos(tmp_path / "Stanford_Dogs" / "Images", DOG_TRAIN)
    error = refused(DOGS, tmp_path, "only a part of Stanford_Dogs: train_list.mat and test_list.mat are missing")
    assert "Unpack images.tar and lists.tar" in error.hint


def test_some_folder_of_images_is_not_a_part(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    refused(BIRDS, tmp_path, "CUB_200_2011 is not in")
    (tmp_path / "CUB_200_2011").mkdir()
    refused(BIRDS, tmp_path, "CUB_200_2011 is not in")


# --- archives -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("write", "train"), [(bird_archive, sorted(BIRD_TRAIN)), (dog_archives, DOG_TRAIN)])
@pytest.mark.parametrize("inside", [False, True])
def test_archives_are_unpacked_once(
    tmp_path: Path, write: Callable[[Path], "published._DataSet"], train: list[str], inside: bool
) -> None:
    folder = tmp_path / PUBLISHED[write is dog_archives] if inside else tmp_path
    folder.mkdir(exist_ok=True)
    data = write(folder)
    seen: list[int] = []
    split = published._load(data, tmp_path, lambda done, total: seen.append(total - done))
    assert names(split)[0] == train
    assert seen[-1] == 0
    # A hidden folder would be what unpacking left behind.
    assert {path.name for path in folder.iterdir()} == {data.name, *(archive.name for archive in data.archives)}

    for archive in data.archives:
        (folder / archive.name).write_bytes(b"never read again")
    seen.clear()
    assert published._load(data, tmp_path, lambda done, total: seen.append(done)) == split
    assert seen == []


def test_archives_in_two_places(tmp_path: Path) -> None:
    data = dog_archives(tmp_path)
    (tmp_path / "Stanford_Dogs").mkdir()
    (tmp_path / "lists.tar").rename(tmp_path / "Stanford_Dogs" / "lists.tar")
    assert names(published._load(data, tmp_path)) == (DOG_TRAIN, DOG_TEST)


def test_an_archive_of_other_bytes_leaves_nothing(tmp_path: Path) -> None:
    data = bird_archive(tmp_path)
    path = tmp_path / "CUB_200_2011.tgz"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    error = refused(data, tmp_path, r"its MD5 is [0-9a-f]{32}, expected [0-9a-f]{32}")
    assert error.hint == "Fetch CUB_200_2011.tgz again from https://birds.example."
    assert [path.name for path in tmp_path.iterdir()] == ["CUB_200_2011.tgz"]


def test_one_archive_of_two_names_the_other(tmp_path: Path) -> None:
    data = dog_archives(tmp_path)
    (tmp_path / "lists.tar").unlink()
    error = refused(data, tmp_path, "there is neither, only images.tar")
    assert "Fetch lists.tar from https://dogs.example" in error.hint


def test_an_archive_without_a_list_is_named(tmp_path: Path) -> None:
    data = replace(bird_archive(tmp_path), lists=(*published._BIRD_LISTS, "colours.txt"))
    refused(data, tmp_path, "only a part of CUB_200_2011: colours.txt is missing")


# --- counts and files -----------------------------------------------------------------------------


@pytest.mark.parametrize("count", ["train", "test", "classes"])
def test_wrong_counts_name_found_and_expected(tmp_path: Path, count: str) -> None:
    dogs(tmp_path / "Stanford_Dogs")
    data = replace(DOGS, **{count: 7})
    expected = f"{data.train} training and {data.test} test photos of {data.classes} classes"
    refused(data, tmp_path, f"it lists 2 training and 1 test photos of 2 classes, expected {expected}")


def test_listed_photos_that_are_missing_or_empty_are_named(tmp_path: Path) -> None:
    folder = birds(tmp_path / "CUB_200_2011") / "images"
    (folder / BIRD_TRAIN[1]).unlink()
    (folder / BIRD_TEST[1]).write_bytes(b"")
    error = refused(BIRDS, tmp_path, "2 of 5 listed photos are missing or empty: 002.Auklet/B_0001_5.jpg, 002")
    assert "put the published archive in its place" in error.hint


@pytest.mark.parametrize(
    ("train", "test", "found"),
    [
        (DOG_TRAIN, DOG_TRAIN[:1], "1 photo listed twice for training and for test: n02085620-Chihuahua"),
        (DOG_TRAIN[:1] * 2, DOG_TEST, "1 photo listed twice for training: n02085620-Chihuahua"),
        (DOG_TRAIN, DOG_TEST * 2, "1 photo listed twice for test: n02085620-Chihuahua"),
    ],
)
def test_a_photo_listed_twice_is_named(tmp_path: Path, train: list[str], test: list[str], found: str) -> None:
    write_dog_lists(dogs(tmp_path / "Stanford_Dogs"), train, test)
    refused(DOGS, tmp_path, found)


@pytest.mark.parametrize(
    "name",
    [
        "../n1-Dog/1.jpg",
        "/n1-Dog/1.jpg",
        "n1-Dog/../1.jpg",
        "n1-Dog",
        "a/b/c.jpg",
        ".a/1.jpg",
        "C:/1.jpg",
        "a\\b/1.jpg",
    ],
)
def test_a_listed_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    write_dog_lists(dogs(tmp_path / "Stanford_Dogs"), DOG_TRAIN, [name])
    refused(replace(DOGS, classes=3), tmp_path, "is listed, which is not `<class>/<file>`")


def test_a_listed_name_cannot_colour_the_screen(tmp_path: Path) -> None:
    write_dog_lists(dogs(tmp_path / "Stanford_Dogs"), DOG_TRAIN, ["n1-Dog/\x1b[31m.jpg"])
    assert "\x1b" not in refused(DOGS, tmp_path, "is listed, which is not").message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dogs(tmp_path / "Stanford_Dogs")

    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    refused(DOGS, tmp_path, r"Stanford_Dogs: .*train_list\.mat cannot be read: Permission denied")


# --- lists of the birds ---------------------------------------------------------------------------

sides = st.dictionaries(st.from_regex(r"[A-Za-z0-9_ü]{1,6}\.jpg", fullmatch=True), st.booleans(), max_size=6)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(["001.A", "002.B b", "003.Ç", "010.D"]), sides), st.booleans(), st.booleans())
def test_lists_are_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, spec: dict[str, dict[str, bool]], windows: bool, bom: bool
) -> None:
    train, test = (
        [f"{who}/{file}" for who, files in spec.items() for file, side in files.items() if side is wanted]
        for wanted in (True, False)
    )
    root = tmp_path_factory.mktemp("lists")
    photos = len(train) + len(test)
    counts = {"train": len(train), "test": len(test), "classes": sum(bool(files) for files in spec.values())}
    write_bird_lists(root / "CUB_200_2011", train, test, "\r\n" if windows else "\n", "\ufeff" if bom else "")
    write_dog_lists(root / "Stanford_Dogs", train, test)
    for folder in (root / "CUB_200_2011" / "images", root / "Stanford_Dogs" / "Images"):
        folder.mkdir()
        write_photos(folder, train + test)
    assert names(published._load(replace(BIRDS, **counts), root)) == (sorted(train), sorted(test))
    split = published._load(replace(DOGS, **counts), root)
    assert names(split) == (train, test)
    assert len(split.train.files) + len(split.test.files) == photos
    assert all(file.name.startswith(f"{who}/") for file, who in (*split.train.pairs, *split.test.pairs))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("name", "old", "new", "found"),
    [
        ("images.txt", "2 001", "1 001", r"images\.txt is not as published: line 2 has 1 again"),
        ("images.txt", "2 001.Albatross/A_0046_18.jpg", "2", r"line 2 is not `<number> <value>`"),
        ("images.txt", "5 002", "6 002", r"image_class_labels\.txt .* numbers are not those of images\.txt: 5, 6"),
        ("train_test_split.txt", "5 0", "", r"train_test_split\.txt .* numbers are not those of images\.txt: 5"),
        ("train_test_split.txt", "5 0", "5 2", r"002\.Auklet/B_0003_1\.jpg has '2', not 0 or 1"),
        ("image_class_labels.txt", "1 1", "1 2", r"001\.Albatross/A_0009_34\.jpg is labelled 002\.Auklet"),
        ("image_class_labels.txt", "1 1", "1 9", r"001\.Albatross/A_0009_34\.jpg is labelled class 9"),
        ("classes.txt", "Albatross", "Gull", r"001\.Albatross/A_0009_34\.jpg is labelled 001\.Gull"),
    ],
)
def test_lists_that_do_not_agree_are_named(tmp_path: Path, name: str, old: str, new: str, found: str) -> None:
    edit(birds(tmp_path / "CUB_200_2011") / name, old, new)
    refused(BIRDS, tmp_path, found)


def test_a_list_that_is_not_text_is_named(tmp_path: Path) -> None:
    (birds(tmp_path / "CUB_200_2011") / "images.txt").write_bytes(b"1 \xff\xfe")
    refused(BIRDS, tmp_path, r"images\.txt is not as published: it is not UTF-8 text")


# --- lists of the dogs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train_labels", "test_labels", "file"),
    [
        ([1, 1], [1], "train_list"),  # one label, two folders
        ([1, 2], [2], "test_list"),  # two labels, one folder
        ([1, 2], [3], "test_list"),
        ([1, 2], [float("nan")], "test_list"),
    ],
)
def test_labels_that_do_not_agree_with_folders_are_named(
    tmp_path: Path, train_labels: list[int], test_labels: list[float], file: str
) -> None:
    folder = dogs(tmp_path / "Stanford_Dogs")
    write_mat(folder / "train_list.mat", DOG_TRAIN, train_labels)
    write_mat(folder / "test_list.mat", DOG_TEST, test_labels)
    refused(DOGS, tmp_path, rf"{file}\.mat is not as published: the label .* does not agree with the folders")


def test_labels_of_another_number_type_are_the_same_labels(tmp_path: Path) -> None:
    folder = dogs(tmp_path / "Stanford_Dogs")
    write_mat(folder / "test_list.mat", DOG_TEST, [1.0])
    assert names(published._load(DOGS, tmp_path)) == (DOG_TRAIN, DOG_TEST)


def whole(folder: Path) -> bytes:
    write_mat(folder / "whole.mat", DOG_TRAIN, [1, 2])
    return (folder / "whole.mat").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"<html>not found</html>" * 20),
        lambda path: path.write_bytes(whole(path.parent)[:-200]),
        lambda path: path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(400)),
        lambda path: savemat(path, {"file_list": np.array([DOG_TRAIN], dtype=object)}),
        lambda path: write_mat(path, DOG_TRAIN, [1, 2, 3]),
        lambda path: write_mat(path, DOG_TRAIN, ["one", "two"]),
    ],
    ids=["empty", "page", "cut", "newer", "no labels", "more labels", "words"],
)
def test_a_damaged_list_of_the_dogs_is_named(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    damage(dogs(tmp_path / "Stanford_Dogs") / "train_list.mat")
    refused(DOGS, tmp_path, r"train_list\.mat is not as published: it is no MATLAB 5 file")
