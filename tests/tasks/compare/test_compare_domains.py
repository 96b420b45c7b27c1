"""`facematch compare` across domains: photographs ask drawings, and where there are none a gallery that is rendered."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from command_helpers import Finished, Run
from facematch.embedders.pixels import PixelEmbedder
from facematch.pipeline import people as pipeline_people
from facematch.pipeline.rendered import STAND_IN
from facematch.tasks.compare import fusing
from facematch.tasks.compare.results import Cost
from tiny_project import TINY, write_people

ONE = {"name": "one", "config": "tiny.yaml"}
PEOPLE = {"people": "people"}
DOMAINS = {"domain": {"drawn": "drawn_*"}, "across": ["photo", "drawn"]}
TOLD = {"top-1": "top1", "top-5": "top5", "top-10": "top10", "score": "score"}  # as `validate` calls them


@pytest.fixture(autouse=True)
def _two_renderings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facematch.pipeline.rendered.RENDERING_NAMES", ("sepia", "line-art"))


@pytest.fixture
def tiny(tiny: Path) -> Path:
    """The tiny project with noise on every photo, so that nothing finds all."""
    add_noise(tiny)
    return tiny


def add_noise(folder: Path) -> None:
    for number, path in enumerate(sorted(folder.rglob("*.png"))):
        noise = np.random.default_rng(number).integers(0, 256, (16, 16, 3))
        Image.fromarray((np.asarray(Image.open(path)) * 0.3 + noise * 0.7).astype(np.uint8)).save(path)


@pytest.fixture
def drawn(tiny: Path) -> Path:
    """The tiny project, half of each person's photos called drawn."""
    for number, path in enumerate(sorted((tiny / "people").rglob("*.png"))):
        if number % 2:
            path.rename(path.with_name(f"drawn_{path.name}"))
    return tiny


def compare(run: Run, photos: dict[str, Any], *more: str, systems: Sequence[dict[str, Any]] = (ONE,)) -> Finished:
    Path("compare.yaml").write_text(yaml.safe_dump({"photos": photos, "systems": list(systems)}))
    return run("compare", "--config", "compare.yaml", *more)


def told(done: Finished) -> Any:
    assert done.code == 0, done.err
    return json.loads(done.out)


def same(figures: dict[str, Any], validated: dict[str, Any]) -> None:
    for name, key in TOLD.items():
        assert figures[name]["value"] == pytest.approx(validated[key])
    assert figures["top-1"]["count"] == validated["queries"]


def test_photos_ask_drawings_as_in_validate(drawn: Path, run: Run) -> None:
    sets = [part for name, value in DOMAINS.items() for part in ("--set", f"identities.{name}={json.dumps(value)}")]
    found = told(compare(run, {**PEOPLE, **DOMAINS}, "--json"))
    assert "12 queries of 6 people or classes, 12 gallery photos: photo asks drawn" in found["asked"]
    same(found["systems"][0]["figures"], told(run("validate", *TINY, *sets, "--json"))["grey pixels"])


def test_the_domains_of_a_settings_file_are_asked(drawn: Path, run: Run) -> None:
    tiny = yaml.safe_load(Path("tiny.yaml").read_text())
    tiny["identities"] |= DOMAINS
    Path("across.yaml").write_text(yaml.safe_dump(tiny))
    of_file = told(compare(run, {"config": "across.yaml"}, "--json"))
    assert "photo asks drawn" in of_file["asked"]
    assert told(compare(run, {"config": "tiny.yaml", **DOMAINS}, "--json"))["asked"] == of_file["asked"]
    turned = told(compare(run, {"config": "across.yaml", "across": ["drawn", "photo"]}, "--json"))
    assert "drawn asks photo" in turned["asked"]


def test_each_rendering_is_asked_as_in_validate(tiny: Path, run: Run) -> None:
    other = {"name": "other", "config": "tiny.yaml", "set": {"ranking.metric": "cosine"}}
    gone = {"name": "gone", "set": {"embedder.kind": "onnx", "embedder.file": "gone.onnx"}}
    done = compare(run, PEOPLE, "--renderings", "--json", systems=[ONE, other, gone])
    assert done.code == 1
    found = json.loads(done.out)["renderings"]
    assert found["note"] == STAND_IN
    validated = {
        name: told(run("validate", *TINY, *sets, "--renderings", "--json"))
        for name, sets in (("one", ()), ("other", ("--set", "ranking.metric=cosine")))
    }
    assert list(found["galleries"]) == list(validated["one"]) == ["photographs, as they are", "sepia", "line-art"]
    for gallery, systems in found["galleries"].items():
        assert list(systems) == ["one", "other"]
        for name, figures in systems.items():
            same(figures, validated[name][gallery]["grey pixels"])
    assert found["galleries"]["photographs, as they are"]["one"] == json.loads(done.out)["systems"][0]["figures"]


def test_the_table_and_the_page_call_it_a_stand_in(tiny: Path, run: Run) -> None:
    plain = told(compare(run, PEOPLE, "--json"))
    assert plain["renderings"] is None
    assert "Rendered galleries" not in Path("results/compare.html").read_text()
    done = compare(run, PEOPLE, "--renderings")
    heading = "24 photographs ask a gallery of 24, rendered (strength 0.5): top-1 [95 % interval over people]"
    assert heading in done.out
    assert "line-art" in done.out
    assert STAND_IN in done.err
    page = Path("results/compare.html").read_text()
    assert f"{heading}. It is {STAND_IN}." in page
    assert "line-art" in page
    assert "facematch compare --renderings --config compare.yaml" in page


def test_queries_are_embedded_once(tiny: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    cost = Cost(1, 1, 1, 256, 1024, "euclidean")
    monkeypatch.setattr("facematch.tasks.compare.systems.measure_cost", lambda *_: cost)
    crops, embed = [0], PixelEmbedder.embed

    def counted(self: PixelEmbedder, images: Any) -> Any:
        crops[0] += len(images)
        return embed(self, images)

    monkeypatch.setattr(PixelEmbedder, "embed", counted)
    for command in (lambda: compare(run, PEOPLE, "--renderings"), lambda: run("validate", *TINY, "--renderings")):
        monkeypatch.setenv("FACEMATCH_CACHE", str(tiny / f"cache {crops[0]}"))
        crops[0] = 0
        assert command().code == 0
        assert crops[0] == 24 + 2 * 24  # all photos, and the gallery for each rendering


@pytest.mark.parametrize("method", ["z-score", "probability"])
def test_twins_fused_are_what_one_is(tiny: Path, run: Run, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    write_people(tiny, range(6, 22), photos=3)
    add_noise(tiny)
    fits, fit = [0], fusing.fit_probabilities

    def counted(*given: Any) -> Any:
        fits[0] += 1
        return fit(*given)

    monkeypatch.setattr(fusing, "fit_probabilities", counted)
    fused = {"name": "both", "fuse": ["one", "twin"], "method": method, "weights": [1, 2]}
    done = compare(run, PEOPLE, "--renderings", "--json", systems=[ONE, {**ONE, "name": "twin"}, fused])
    found = told(done)["renderings"]["galleries"]
    assert fits[0] == (4 if method == "probability" else 0)  # on photographs: for the comparison, for all renderings
    for systems in found.values():
        for name in ("top-1", "score", "mAP"):
            assert systems["both"][name]["value"] == pytest.approx(systems["one"][name]["value"])
    assert 0 < found["line-art"]["one"]["mAP"]["value"] < found["sepia"]["one"]["mAP"]["value"] < 1


def test_as_many_people_are_rendered_as_in_validate(tiny: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_people, "_FEWEST", 8)
    found = told(compare(run, PEOPLE, "--renderings", "--json"))
    validated = told(run("validate", *TINY, "--renderings", "--json"))
    assert found["systems"][0]["figures"]["top-1"]["count"] == 24
    for gallery, systems in found["renderings"]["galleries"].items():
        assert systems["one"]["top-1"]["count"] == 8
        same(systems["one"], validated[gallery]["grey pixels"])


def test_fixed_folders_are_rendered(tiny: Path, run: Run) -> None:
    truth = {f"q{number}.png": [f"g{place:02d}.png" for place in range(number, 12, 3)] for number in range(3)}
    Path("truth.json").write_text(json.dumps(truth))
    fixed = {"query": "data/test_data/query", "gallery": "data/test_data/gallery", "truth": "truth.json"}
    options = [part for name, place in fixed.items() for part in (f"--{name}", place)]
    found = told(compare(run, fixed, "--renderings", "--json"))["renderings"]["galleries"]
    validated = told(run("validate", *TINY, *options, "--renderings", "--json"))
    for gallery, systems in found.items():
        same(systems["one"], validated[gallery]["grey pixels"])
    assert 0 < found["line-art"]["one"]["mAP"]["value"] < found["sepia"]["one"]["mAP"]["value"] < 1
