"""`facematch umap`: tuned, fitted, queried, updated, on a few made photos."""

import json
from pathlib import Path

import pytest

from command_helpers import Finished, Run, run_command
from umap_photos import made_pixels, write_photos

pytest.importorskip("umap")
PIXELS = made_pixels(10, 6)


@pytest.fixture
def umap(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    pytestconfig: pytest.Config,
) -> Run:
    """Run `facematch umap …` in a folder with 40 photos under `in`."""
    compiled = pytestconfig.cache.mkdir("numba") if pytestconfig.cache else tmp_path / "numba"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(compiled))  # so that only the first run of these tests compiles
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "in", PIXELS[:40])

    def run(*arguments: object) -> Finished:
        return run_command(capsys, ("umap", *arguments))

    return run


FIT = ("fit", "in", "--model", "m", "--n-neighbors", "6", "--components", "3")


def test_tune_prints_plots_and_says_why(umap: Run) -> None:
    done = umap("tune", "in", "--n-neighbors", "5,10,30", "--components", "3", "-k", "7")
    assert done.code == 0, done.text
    assert "n_neighbors 30 left out: it must be from 2 to below half of 40 photos" in done.err
    assert "picked n_neighbors" in done.out
    assert "the most trustworthy at k = 7" in done.out
    svg = Path("results/umap-tune.svg").read_text()
    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "own n" in svg
    told = json.loads(
        umap("tune", "in", "--n-neighbors", "10,5", "--components", "3", "-k", "7", "--json", "--out", "x.svg").out
    )
    assert (told["photos"], told["distinct"], told["k"]) == (40, 40, 7)
    assert [each["n_neighbors"] for each in told["candidates"]] == [5, 10]
    best = max(told["candidates"], key=lambda each: each["trustworthiness_k"])
    assert told["picked"] == best["n_neighbors"]
    assert all(0 < each["trustworthiness_own_n"] <= 1 for each in told["candidates"])


def test_fit_query_update_info(umap: Run) -> None:
    Path("in/bad.jpg").write_bytes(b"\xff\xd8")
    done = umap(*FIT)
    assert done.code == 0, done.text
    assert "1 file was not read: bad.jpg" in done.err
    assert "m/umap.safetensors: 40 photos" in done.out
    for name in ("007.png", "031.png"):
        printed = umap("query", f"in/{name}", "--model", "m", "-k", "3").out.splitlines()
        assert printed[:2] == [
            f"{name}: the 3 nearest of 40 photos in the embedding (euclidean distance)",
            f"   1  0.0000  {name}",
        ]
        found = json.loads(umap("query", f"in/{name}", "--model", "m", "-k", "3", "--json").out)["found"]
        assert found[0] == {"rank": 1, "photo": name, "distance": 0.0}
        assert len(found) == 3

    assert "0 new, 0 changed, 0 deleted, 40 unchanged\nnothing to do" in umap("update", "in", "--model", "m").out
    write_photos(Path("in"), PIXELS[40:42], first=40)
    write_photos(Path("in"), PIXELS[42:43], first=3)
    Path("in/000.png").unlink()
    done = umap("update", "in", "--model", "m")
    assert done.out.startswith("2 new, 1 changed, 1 deleted, 38 unchanged\n")
    assert "placed since the fit: 3" in done.out
    told = json.loads(umap("info", "--model", "m", "--json").out)
    assert (told["photos"], told["placed_since_fit"]) == (41, 3)
    assert told["drift"] == pytest.approx((3 + 2) / 40)
    assert told["settings"]["n_neighbors"] == 6
    assert "041.png" in umap("query", "in/041.png", "--model", "m", "-k", "1").out

    write_photos(Path("in"), PIXELS[43:50], first=43)
    done = umap("update", "in", "--model", "m")
    assert "30% of the photos changed since the fit, more than 20%: fitted again" in done.err
    assert "placed since the fit: 0" in done.out
    done = umap("update", "in", "--model", "m", "--refit")
    assert done.code == 0
    assert "0 new, 0 changed, 0 deleted, 48 unchanged" in done.out


def test_results_as_json_and_a_model_where_none_is_named(umap: Run) -> None:
    done = umap("fit", "in", "--n-neighbors", "5,6", "--components", "3", "--json")
    told = json.loads(done.out)
    assert (told["model"], told["photos"], told["distinct"]) == ("results/umap/umap.safetensors", 40, 40)
    assert [each["n_neighbors"] for each in told["candidates"]] == [5, 6]
    assert told["settings"]["n_neighbors"] == told["picked"]
    assert json.loads(umap("info", "--json").out)["photos"] == 40
    write_photos(Path("in"), PIXELS[40:42], first=40)
    told = json.loads(umap("update", "in", "--json").out)
    assert (told["new"], told["changed"], told["deleted"], told["unchanged"], told["photos"]) == (2, 0, 0, 40, 42)
    again = json.loads(umap("update", "in", "--json").out)
    assert (again["new"], again["unchanged"], again["photos"]) == (0, 42, 42)
    done = umap("fit", "in", "--n-neighbors", "6", "--components", "3", "--model", "my model")
    assert "query it: facematch umap query IMAGE --model 'my model'" in done.err


def test_the_same_seed_writes_the_same_file(umap: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert umap(*FIT).code == 0
    first = Path("m/umap.safetensors").read_bytes()
    monkeypatch.setenv("FACEMATCH_CACHE", str(Path("other-cache").absolute()))
    assert umap(*FIT).code == 0
    assert Path("m/umap.safetensors").read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fit", "gone", "--model", "m"), "gone cannot be searched for photos"),
        (("fit", "empty", "--model", "m"), "empty holds no photo that can be read, it is empty"),
        (("tune", "in/001.png"), "1 distinct photo is too few for UMAP"),
        (("tune", "in", "--components", "30"), "40 distinct photos are too few for UMAP"),
        (("tune", "in", "--n-neighbors", "5,x"), "n_neighbors are numbers with commas between, or auto"),
        (("tune", "in", "--n-neighbors", "40"), "too few for UMAP with n_neighbors 40"),
        (("tune", "in", "--out", "plot.pdf"), "the plot is written as .svg"),
        (("query", "in/001.png", "--model", "gone"), "gone holds no model of UMAP"),
        (("update", "in", "--model", "gone"), "gone holds no model of UMAP"),
        (("info", "--model", "gone"), "gone holds no model of UMAP"),
        (("info",), "Make it: facematch umap fit PHOTOS --model results/umap"),
    ],
)
def test_bad_input_is_named(umap: Run, arguments: tuple[str, ...], words: str) -> None:
    Path("empty").mkdir()
    done = umap(*arguments)
    assert done.code == 1
    assert words in done.err
    assert not Path("m").exists()


def test_an_image_that_cannot_be_read_is_named(umap: Run) -> None:
    assert umap(*FIT).code == 0
    Path("bad.png").write_bytes(b"no photo")
    done = umap("query", "bad.png", "--model", "m")
    assert done.code == 1
    assert "bad.png" in done.err
    assert "in is not a file" in umap("query", "in", "--model", "m").err
    Path("m/umap.safetensors").write_bytes(Path("m/umap.safetensors").read_bytes()[:-9])
    assert "cut short or changed" in umap("query", "in/001.png", "--model", "m").err
