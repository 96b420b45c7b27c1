"""Where a model lies, and whether it still is what it was."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of
from facematch.models import local
from facematch.models.local import is_here, models_folder, place_of, records_here, required, verified
from facematch.models.registry import Model, named

TINY = Model("tiny", "face", "https://x", "free", "MIT", runs="onnx", url="https://x/tiny.onnx")


def put(data: bytes, model: Model = TINY) -> Path:
    path = place_of(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_models_lie_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEMATCH_CACHE", str(tmp_path))
    assert place_of(TINY) == tmp_path / "models" / "tiny.onnx"
    assert not is_here(TINY)
    put(b"x")
    assert is_here(TINY)


def test_what_is_not_here_says_how_it_comes() -> None:
    for model, words in (
        (TINY, "Run: facematch models pull tiny"),
        (replace(TINY, url=None), "No address of it is known: copy its file there (facematch models path tiny)."),
        (replace(TINY, url=None, package="no_such", install="no-such", file="a/b.onnx"), "Run: pip install no-such"),
    ):
        with pytest.raises(FacematchError, match=r"tiny is not here: there is no .*Its terms are free: MIT") as error:
            required(model)
        assert error.value.hint == words


def test_a_file_that_was_put_by_hand_is_checked() -> None:
    known = replace(TINY, sha256=sha256_of(b"right"))
    path = put(b"wrong")
    with pytest.raises(FacematchError, match=f"its SHA-256 is {sha256_of(b'wrong')}, the registry has"):
        required(known)
    put(b"right")
    assert required(known) == path


def test_an_unknown_digest_is_that_of_the_first_file() -> None:
    put(b"first")
    assert verified(TINY) == sha256_of(b"first")
    put(b"second")
    with pytest.raises(FacematchError, match=f"it was {sha256_of(b'first')}"):
        verified(TINY)


def test_a_file_is_read_once_unless_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def reading(path: Path) -> str:
        read.append(path)
        return sha256_of(path.read_bytes())

    monkeypatch.setattr(local, "sha256_of_file", reading)
    path = put(b"same")
    verified(TINY)
    verified(TINY)
    assert len(read) == 1
    verified(TINY, again=True)
    assert len(read) == 2
    os.utime(path, (1, 1))
    verified(TINY)
    verified(TINY)
    assert len(read) == 3


def test_damaged_records_are_named() -> None:
    models_folder().mkdir(parents=True)
    (models_folder() / "digests.json").write_text('{"tiny": 1}')
    with pytest.raises(FacematchError, match=r"the digests of models: .*digests\.json is damaged"):
        records_here()


def test_a_folder_that_cannot_be_written_costs_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    put(b"x")

    def refused(path: Path, value: object) -> None:
        raise FacematchError(f"{path} could not be written")

    monkeypatch.setattr(local, "write_json", refused)
    assert verified(TINY) == verified(TINY) == sha256_of(b"x")
    assert records_here() == {}


def test_a_model_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weighty" / "files").mkdir(parents=True)
    (tmp_path / "weighty" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "weighty" / "files" / "net.onnx").write_bytes(b"x")
    monkeypatch.syspath_prepend(tmp_path)
    packed = replace(TINY, url=None, package="weighty", install="weighty", file="files/net.onnx")
    assert required(packed) == tmp_path / "weighty" / "files" / "net.onnx"
    own = models_folder() / "tiny.onnx"
    own.write_bytes(b"mine")
    assert place_of(packed) == own  # what was put there by hand goes before


@pytest.mark.parametrize("name", ["dlib", "centerface"])
def test_files_of_packages_are_those_of_the_registry(name: str) -> None:
    model = named(name)
    if not is_here(model):
        pytest.skip(f"pip install {model.install}")
    assert verified(model) == model.sha256
