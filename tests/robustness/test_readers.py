"""Whatever stands in a file, reading it ends as a value or as one error that fits a screen, in bounded memory.

FACEMATCH_FUZZ=N tries N times as many inputs. `python tests/robustness/fuzz_readers.py --help` brings one back.
"""

import ast
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from fuzz_readers import BrokenLawError, damaged, tried
from reader_damage import bytes_changed
from reader_seeds import READERS, Reader
from tensor_seeds import torch_network

from facematch.core.errors import FacematchError

COUNT = 100 * int(os.environ.get("FACEMATCH_FUZZ", "1"))
SEED = 2026
PEAK_MB = 3000  # torch, ONNX Runtime and 2 GB more
SOURCES = Path(__file__).resolve().parents[2] / "src" / "facematch"
SLOW = [name for name, reader in READERS.items() if reader.prepare is torch_network]

# Who reads what is not text of ours, each within `foreign.reading` or, in `Cache.read`, where any failure is a row that
# is made again. A new reader goes through `core.foreign` and into `reader_seeds.READERS`, then into this list.
KNOWN = {
    "yaml.load": ["settings/file.py"],
    "json.loads": [
        "tasks/compare/systems.py", "tasks/competition/submission.py", "embedders/embed.py", "embedders/clip_model.py",
        "faces/stream.py", "core/foreign.py", "near_duplicates/contents.py", "pipeline/run_folder.py",
        "tasks/finder/labels.py",
        "thresholds/kept.py",
    ],
    "load_file": ["networks/checkpoint.py", "networks/weights.py", "core/tensor_file.py"],
    "torch.load": ["networks/weights.py", "pipeline/run_state.py"],
    "torch.jit.load": ["embedders/clip.py"],
    "open_clip.load_checkpoint": ["embedders/clip.py"],
    "InferenceSession": ["embedders/onnx.py", "faces/onnx_detector.py"],
    "np.load": ["ranking/embedding_files.py", "tasks/sample/portraits.py"],
    "np.fromfile": ["ranking/embeddings.py", "tasks/sample/portraits.py"],
    "loadmat": ["identities/published.py"],
    "Unpickler": ["tasks/protocols/plain_pickle.py"],
    "ZipFile": [
        "embedders/clip_model.py", "identities/archives.py", "models/fetch.py", "ranking/embedding_files.py",
        "pipeline/run_state.py",
    ],
    "tarfile.open": ["identities/archives.py"],
    "csv.reader": ["tasks/protocols/labelled_pairs.py", "tasks/report/subgroups.py"],
    "sqlite3.connect": ["core/cache.py", "tasks/competition/journal.py", "tasks/rehearsal/store.py"],
}  # fmt: skip
WATCHED = {
    *KNOWN, "yaml.safe_load", "yaml.full_load", "yaml.unsafe_load", "json.load", "safe_open", "pickle.load",
    "pickle.loads", "np.loadtxt", "np.genfromtxt", "csv.DictReader", "tomllib.load", "configparser.ConfigParser",
}  # fmt: skip


@pytest.mark.parametrize(
    "names", [[name for name in READERS if name not in SLOW], SLOW], ids=["without torch", "torch"]
)
def test_damaged_files_are_values_or_errors(names: list[str]) -> None:
    program = Path(__file__).with_name("fuzz_readers.py")
    done = subprocess.run(
        [sys.executable, str(program), "--count", str(COUNT), "--seed", str(SEED), *names],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, f"seed {SEED}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    told = json.loads(done.stdout.splitlines()[-1])
    for name, each in told.items():
        assert each["tried"] == max(1, round(COUNT * READERS[name].share)), name
        assert each["peak_mb"] < PEAK_MB, name
        if name not in ("manifest", "cache", "cached rows"):  # of which whatever cannot be read is none
            assert each["refused"] > each["tried"] / 4, f"{name}: what is damaged is damaged"


@pytest.mark.parametrize(
    "wrong",
    [
        ValueError("bare"),
        FacematchError("x", "y" * 500 + "z"),
        FacematchError("Re-running torch.load with weights_only set to False"),
    ],
    ids=str,
)
def test_the_fuzzer_sees_what_no_reader_may_do(tmp_path: Path, wrong: Exception) -> None:
    def read(path: Path) -> None:
        if isinstance(wrong, FacematchError) and wrong.message == "x":
            wrong.message, wrong.hint = "\x1b[2J", ""
        raise wrong

    with pytest.raises(BrokenLawError):
        tried(Reader("bad", "f", (bytes_changed,), lambda folder: [b"x"], read), tmp_path)


def test_an_input_is_known_by_seed_and_number(tmp_path: Path) -> None:
    reader = READERS["ground truth"]
    seeds = reader.seeds(tmp_path)
    made = [damaged(reader, seeds, SEED, number) for number in range(200)]
    assert made == [damaged(reader, seeds, SEED, number) for number in range(200)]
    assert len(set(made)) > 150
    assert made != [damaged(reader, seeds, SEED + 1, number) for number in range(200)]


def test_readers_of_files_are_known() -> None:
    found = defaultdict(set)
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name | ast.Attribute):  # called, inherited from, or handed on
                name = ast.unparse(node)
                for each in WATCHED & {name, name.rpartition(".")[2]}:
                    found[each].add(path.relative_to(SOURCES).as_posix())
    assert {name: sorted(files) for name, files in found.items()} == {
        call: sorted(places) for call, places in KNOWN.items()
    }
