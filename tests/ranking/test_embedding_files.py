"""What the name of a file of embeddings says is what stands in it; what is read back is equal, or refused in words."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint
from facematch.ranking import embedding_files
from facematch.ranking.embedding_files import read_embeddings, require_ending, write_embeddings
from facematch.ranking.embeddings import Embeddings

PRINT = Fingerprint({"faces.size": 112, "network.weights_sha256": "ab", "faces.cascades": ["a", "b"]})
NAMES = ("a.jpg", 'b, "c".jpg', "Zoë/\udce9.png")  # the last is no UTF-8 on the disk
NUMBERS = np.array([[0.1, -2.5e-30, 3e38], [0, 1, 2], [1 / 3, -0.0, 7]], np.float32)
FLOATS = Embeddings(NAMES, NUMBERS, "cosine", PRINT)
CODES = Embeddings(NAMES, np.array([[1, 255], [0, 7], [128, 64]], np.uint8), "hamming", PRINT)


@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".NPZ"])
@pytest.mark.parametrize("embeddings", [FLOATS, CODES, FLOATS.at([])], ids=["floats", "codes", "none"])
def test_what_is_written_is_read_back_as_it_was(tmp_path: Path, embeddings: Embeddings, ending: str) -> None:
    write_embeddings(tmp_path / f"e{ending}", embeddings)
    assert [path.name for path in tmp_path.iterdir()] == [f"e{ending}"]
    again = read_embeddings(tmp_path / f"e{ending}")
    assert (again.names, again.metric, again.fingerprint) == (embeddings.names, embeddings.metric, PRINT)
    assert again.vectors.dtype == embeddings.vectors.dtype
    np.testing.assert_array_equal(again.vectors, embeddings.vectors)


def test_a_npz_is_one_for_numpy_without_pickles(tmp_path: Path) -> None:
    write_embeddings(tmp_path / "e.npz", FLOATS)
    with np.load(tmp_path / "e.npz", allow_pickle=False) as arrays:
        assert tuple(arrays["names"].tolist()) == NAMES
        np.testing.assert_array_equal(arrays["vectors"], NUMBERS)
        assert str(arrays["metric"]) == "cosine"
        assert json.loads(str(arrays["fingerprint"])) == dict(PRINT.settings)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_a_csv_has_a_row_for_each_photo_and_its_very_numbers(tmp_path: Path, numbers: NDArray[np.float32]) -> None:
    write_embeddings(tmp_path / "e.csv", Embeddings(NAMES, numbers, "cosine", PRINT))
    with (tmp_path / "e.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as opened:
        header, *rows = csv.reader(opened)
    assert header == ["name", "1", "2", "3", "4"]
    assert tuple(row[0] for row in rows) == NAMES
    np.testing.assert_array_equal(np.array([row[1:] for row in rows], np.float32), numbers)


def test_a_csv_of_codes_has_their_bits(tmp_path: Path) -> None:
    write_embeddings(tmp_path / "e.csv", CODES)
    row = (tmp_path / "e.csv").read_bytes().split(b"\n")[1]
    assert row == b"a.jpg,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1"


@pytest.mark.parametrize("embeddings", [FLOATS, CODES, FLOATS.at([])], ids=["floats", "codes", "none"])
def test_parquet_has_names_and_vectors(tmp_path: Path, embeddings: Embeddings) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_embeddings(tmp_path / "e.parquet", embeddings)
    table = parquet.read_table(tmp_path / "e.parquet")
    told = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert (told["metric"], json.loads(told["fingerprint"])) == (embeddings.metric, dict(PRINT.settings))
    assert table["name"].to_pylist() == [name.replace("\udce9", "\ufffd") for name in embeddings.names]
    wanted: NDArray[Any] = np.unpackbits(CODES.vectors, axis=1) if embeddings.packed else embeddings.vectors
    assert table["vector"].to_pylist() == wanted.tolist()


def test_rows_are_written_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_files, "_ROWS", 2)
    write_embeddings(tmp_path / "e.csv", FLOATS)
    assert len((tmp_path / "e.csv").read_bytes().splitlines()) == 4


@pytest.mark.parametrize("name", ["e", "e.txt", "e.npy", "e.safetensor", ".npz"])
def test_another_ending_names_the_four(tmp_path: Path, name: str) -> None:
    with pytest.raises(FacematchError, match=r"written as \.safetensors, \.npz, \.csv, \.parquet; its name ends in"):
        require_ending(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_files, "find_spec", lambda name: None)
    with pytest.raises(FacematchError, match="not installed") as caught:
        require_ending(tmp_path / "e.parquet")
    assert caught.value.hint == "Run: pip install pyarrow"


@pytest.mark.parametrize(
    ("arrays", "finding"),
    [
        ({}, "holds no embeddings of facematch"),
        ({"format": np.array("other")}, "holds no embeddings of facematch"),
        ({"names": np.array([1, 2, 3])}, "valid string"),
        ({"names": np.array("a")}, "tuple"),
        ({"names": np.array(["a", "b", "c"], object)}, "allow_pickle"),
        ({"vectors": np.zeros((3, 3))}, "found float64"),
        ({"vectors": np.zeros((2, 3), np.float32)}, "3 names but 2 embeddings"),
        ({"vectors": np.zeros((4000, 4000), np.uint8)}, "times as large as the file"),
        ({"metric": np.array("near")}, "euclidean"),
        ({"metric": np.array(3)}, "euclidean"),
        ({"fingerprint": np.array("[")}, "Expecting"),
        ({"fingerprint": np.array(3)}, "embeddings: "),
    ],
    ids=lambda each: str(each)[:40],
)
def test_another_npz_is_refused_in_words(tmp_path: Path, arrays: dict[str, Any], finding: str) -> None:
    whole = {
        "names": np.array(NAMES), "vectors": NUMBERS, "metric": np.array("cosine"), "fingerprint": np.array("{}"),
        "format": np.array("facematch embeddings 1"),
    }  # fmt: skip
    np.savez_compressed(tmp_path / "e.npz", **(whole | arrays if arrays else {"x": NUMBERS}))
    with pytest.raises(FacematchError, match=finding) as caught:
        read_embeddings(tmp_path / "e.npz")
    assert "e.npz" in caught.value.message or "embeddings" in caught.value.message


@pytest.mark.parametrize("name", ["e.csv", "e.parquet"])
def test_what_is_for_other_programs_is_not_read_and_says_what_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PAR1 or a table")
    with pytest.raises(FacematchError, match=r"read from \.safetensors and \.npz"):
        read_embeddings(tmp_path / name)


def test_earlier_versions_wrote_safetensors_under_any_name(tmp_path: Path) -> None:
    FLOATS.save(tmp_path / "q.npz")
    np.testing.assert_array_equal(read_embeddings(tmp_path / "q.npz").vectors, NUMBERS)
