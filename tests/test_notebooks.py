"""The notebooks run from their first cell to their last in an empty folder, and say what they promise to."""

import os
import re
import sysconfig
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "notebooks"
NAMES = sorted(each.name for each in FOLDER.glob("*.ipynb"))


def told(notebook: object) -> str:
    """What the cells print and show, as text."""
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", [])]  # type: ignore[attr-defined]
    return "\n".join(each.get("text") or str(each.get("data", {}).get("text/plain", "")) for each in outputs)


@pytest.fixture(scope="module", params=NAMES)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Path]:
    """A notebook's name, what it said, and the folder in which it ran."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(FOLDER / request.param, 4)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")]),
        "FACEMATCH_CACHE": str(folder / "cache"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    client = nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}})
    with client.setup_kernel(env=environment):
        for number, cell in enumerate(notebook.cells):
            client.execute_cell(cell, number)
    return request.param, told(notebook), folder


def test_there_are_two() -> None:
    assert NAMES == ["from_photos_to_a_ranking.ipynb", "own_training_loop.ipynb"]


def test_it_says_what_it_promises(run: tuple[str, str, Path]) -> None:
    name, text, folder = run
    if name == "from_photos_to_a_ranking.ipynb":
        assert "50 queries answered" in text
        assert (folder / "sample" / "payload.json").is_file()
        assert float(re.findall(r"top-1 (\d\.\d+)", text)[0]) > 0.8
        return
    before, after = (float(re.findall(rf"{when}: top-1 (\d\.\d+)", text)[0]) for when in ("before", "after"))
    assert after > before + 0.1
    assert float(re.findall(r"spread (\d\.\d+)", text)[-1]) > 0.5, "the network collapsed"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_of_it_is_whole_and_names_no_machine(name: str) -> None:
    notebook = nbformat.read(FOLDER / name, 4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [cell for cell in cells for each in cell.outputs if each.output_type == "error"]
    kept = told(notebook)
    assert "\x1b" not in kept
    assert not re.search(r"/(home|root|tmp|work|Users)/", kept)
    assert (FOLDER / name).stat().st_size < 200_000
