"""Embeddings check themselves, and a file saved and loaded is equal."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint, require_same
from facematch.ranking.embeddings import Embeddings, joined, load_embeddings

PRINT = Fingerprint({"faces.size": 112, "network.weights_sha256": "ab", "faces.cascades": ["a", "b"]})


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(0, 5), st.integers(1, 4)),
        elements=st.floats(-1e6, 1e6, width=32),
    ),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=5, max_size=5, unique=True),
)
def test_saved_and_loaded_is_equal(tmp_path: Path, vectors: np.ndarray, names: list[str]) -> None:  # type: ignore[type-arg]
    one = Embeddings(tuple(names[: len(vectors)]), vectors, "cosine", PRINT)
    one.save(tmp_path / "e.safetensors")
    assert Embeddings.load(str(tmp_path / "e.safetensors")).names == one.names
    two = load_embeddings(tmp_path / "e.safetensors")
    assert (two.names, two.metric, two.fingerprint) == (one.names, one.metric, one.fingerprint)
    np.testing.assert_array_equal(two.vectors, one.vectors)


@pytest.mark.parametrize("order", [1, -1])
def test_a_part_without_a_photo_joins_any_other(order: int) -> None:
    some = Embeddings(("a", "b"), np.ones((2, 3), np.float32), "cosine", PRINT)
    none = Embeddings((), np.empty((0, 0), np.float32), "cosine", PRINT)
    assert joined([some, none][::order]).names == ("a", "b")
    assert joined([none, none]).names == ()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_by_name(bad: float) -> None:
    vectors = np.zeros((3, 2), np.float32)
    vectors[1, 1] = bad
    with pytest.raises(FacematchError, match=r"1 of 3 embeddings hold NaN or infinity, first b\.jpg"):
        Embeddings(("a.jpg", "b.jpg", "c.jpg"), vectors, "cosine", PRINT)


def test_names_and_vectors_must_belong_together() -> None:
    with pytest.raises(FacematchError, match="2 names but 3 embeddings"):
        Embeddings(("a", "b"), np.zeros((3, 2), np.float32), "cosine", PRINT)
    with pytest.raises(FacematchError, match="a stands twice"):
        Embeddings(("a", "a"), np.zeros((2, 2), np.float32), "cosine", PRINT)
    with pytest.raises(FacematchError, match="b stands twice"):
        Embeddings(("b", "a", "b"), np.zeros((3, 2), np.float32), "cosine", PRINT)
    assert len(Embeddings(("b", "a"), np.zeros((2, 2), np.float32), "cosine", PRINT)) == 2
    with pytest.raises(FacematchError, match="float32 N×D; found float64"):
        Embeddings(("a",), np.zeros((1, 2)), "cosine", PRINT)  # type: ignore[arg-type]


def test_codes_are_packed_signs_that_come_back_and_are_kept(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3, 24)).astype(np.float32)
    values[0, :2] = 0.0, -0.0
    codes = Embeddings(("a", "b", "c"), values, "euclidean", PRINT).as_codes()
    assert (codes.metric, codes.packed, codes.dimensions, codes.vectors.shape) == ("hamming", True, 24, (3, 3))
    np.testing.assert_array_equal(codes.as_floats(), np.where(values >= 0, 1, -1))
    assert codes.as_codes() is codes
    codes.save(tmp_path / "codes.safetensors")
    again = load_embeddings(tmp_path / "codes.safetensors")
    assert (again.names, again.metric, again.fingerprint) == (codes.names, "hamming", PRINT)
    np.testing.assert_array_equal(again.vectors, codes.vectors)
    np.testing.assert_array_equal(codes.at([2, 0]).vectors, codes.vectors[[2, 0]])


def test_codes_and_vectors_are_not_mistaken_for_each_other() -> None:
    with pytest.raises(FacematchError, match=r"compared by hamming are packed uint8 N×D/8; found float32"):
        Embeddings(("a",), np.zeros((1, 8), np.float32), "hamming", PRINT)
    with pytest.raises(FacematchError, match=r"compared by cosine are float32 N×D; found uint8"):
        Embeddings(("a",), np.zeros((1, 8), np.uint8), "cosine", PRINT)
    with pytest.raises(FacematchError, match="multiple of 8 bits"):
        Embeddings(("a",), np.zeros((1, 12), np.float32), "cosine", PRINT).as_codes()


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "e.safetensors"
    with pytest.raises(FacematchError, match="does not exist"):
        load_embeddings(path)
    save_file({"a": np.zeros(2, np.float32)}, path)
    with pytest.raises(FacematchError, match="holds no embeddings of facematch"):
        load_embeddings(path)
    Embeddings(("a",), np.ones((1, 2), np.float32), "cosine", PRINT).save(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(FacematchError, match="cut short or changed"):
        load_embeddings(path)
    path.write_text("hello")
    with pytest.raises(FacematchError, match="not a whole"):
        load_embeddings(path)


@pytest.mark.parametrize(
    ("texts", "finding"),
    [
        ({"metric": None}, "'metric' is missing"),
        ({"metric": "near"}, "should be 'euclidean'"),
        ({"names": None}, "'names' is missing"),
        ({"names": "{}"}, "tuple"),
        ({"names": '["b"]'}, "1 names but 2 embeddings"),
        ({"names": "[1, 2]"}, "string"),
        ({"names": "["}, "Expecting"),
        ({"fingerprint": "[]"}, "dictionary"),
        ({"fingerprint": "[" * 100_000}, "deep"),
        ({"fingerprint": "9" * 5000}, "5,000 digits"),
    ],
    ids=lambda each: str(each)[:40],
)
def test_a_header_of_other_types_is_named(tmp_path: Path, texts: dict[str, str | None], finding: str) -> None:
    from safetensors.numpy import save_file

    told = {"format": "facematch embeddings 1", "names": '["a", "b"]', "metric": "cosine", "fingerprint": "{}"} | texts
    kept = {name: text for name, text in told.items() if text is not None}
    save_file({"vectors": np.ones((2, 3), np.float32)}, tmp_path / "e.safetensors", metadata=kept)
    with pytest.raises(FacematchError, match=finding) as caught:
        load_embeddings(tmp_path / "e.safetensors")
    assert len(str(caught.value)) < 1000


def test_vectors_behind_another_tensor_are_found_and_of_another_kind_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    told = {"format": "facematch embeddings 1", "names": '["a", "b"]', "metric": "cosine", "fingerprint": "{}"}
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
    save_file({"first": np.ones(5), "vectors": vectors, "z": np.ones(9, np.uint8)}, tmp_path / "e", metadata=told)
    np.testing.assert_array_equal(load_embeddings(tmp_path / "e").vectors, vectors)
    save_file({"vectors": vectors.astype(np.int64)}, tmp_path / "e", metadata=told)
    with pytest.raises(FacematchError, match="'I64'"):
        load_embeddings(tmp_path / "e")


def test_a_failed_save_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "e.safetensors"
    Embeddings(("a",), np.ones((1, 2), np.float32), "cosine", PRINT).save(path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(FacematchError, match="could not be written"):
        Embeddings(("b",), np.ones((1, 2), np.float32), "cosine", PRINT).save(tmp_path / "folder")
    assert load_embeddings(path).names == ("a",)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.safetensors", "folder"]


def test_a_fingerprint_names_the_first_difference() -> None:
    other = PRINT | Fingerprint({"faces.size": 64})
    assert PRINT.difference(other) == ("faces.size", 112, 64)
    assert PRINT.difference(PRINT) is None
    assert PRINT.difference(Fingerprint({**PRINT.settings, "new": 1})) == ("new", None, 1)
    with pytest.raises(FacematchError, match=r"faces\.size is 112 in the settings and 64 in the checkpoint"):
        require_same(PRINT, "the settings", other, "the checkpoint")


def test_a_digest_depends_on_values_not_on_order() -> None:
    turned = Fingerprint(dict(reversed(PRINT.settings.items())))
    assert turned.digest == PRINT.digest != (PRINT | Fingerprint({"faces.size": 113})).digest
    assert json.loads(json.dumps(dict(PRINT.settings))) == dict(PRINT.settings)
