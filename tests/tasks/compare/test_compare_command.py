"""`facematch compare`: all systems on the same photos, failures apart, what is finished kept; ensembles submitted."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image as PillowImage

from command_helpers import TRUTH, Finished, Run
from facematch.evaluation.task import halves
from facematch.pipeline import default_checkpoint
from facematch.ranking.embeddings import load_embeddings
from facematch.ranking.fusion import fuse
from facematch.ranking.ranking import distance_estimator
from facematch.tasks.compare import fusing
from facematch.tasks.compare import systems as compare_systems
from tiny_project import write_people

PIXELS = {"name": "pixels", "set": {"embedder.kind": "pixels", "faces.size": 32}}
GREY = {"name": "whole", "set": {"embedder": {"kind": "pixels"}, "faces.detector": "none"}}
NET = {"name": "net", "config": "small.yaml"}
UNSEEN = {"config": "small.yaml"}
FIXED = {"query": "data/test_data/query", "gallery": "data/test_data/gallery", "truth": TRUTH}
OFF = {"name": "gone", "set": {"embedder.kind": "onnx", "embedder.file": "gone.onnx"}}


def compare(run: Run, systems: Sequence[dict[str, Any]], photos: dict[str, str], *more: str, **other: Any) -> Finished:
    Path("compare.yaml").write_text(yaml.safe_dump({"photos": photos, "systems": list(systems), **other}))
    return run("compare", "--config", "compare.yaml", *more)


def by_name(done: Finished) -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(done.out)["systems"]}


def value(system: dict[str, Any], figure: str) -> float:
    return float(system["figures"][figure]["value"])


def test_figures_are_those_of_validate(project: Path, run: Run) -> None:
    done = compare(run, [PIXELS, NET], UNSEEN, "--json")
    assert done.code == 0, done.err
    found, told = by_name(done), json.loads(run("validate", "--config", "small.yaml", "--json").out)
    for name, validated in (("pixels", told["grey pixels"]), ("net", told["trained"])):
        assert [value(found[name], f"top-{k}") for k in (1, 5, 10)] == pytest.approx(
            [validated[f"top{k}"] for k in (1, 5, 10)]
        )
        assert value(found[name], "score") == pytest.approx(validated["score"])
        assert found[name]["figures"]["top-1"]["count"] == validated["queries"]
        assert found[name]["cost"]["photo_ms"] > 0
        assert found[name]["cost"]["rank_ms"] > 0
    assert (found["pixels"]["cost"]["bytes"], found["net"]["cost"]["bytes"]) == (4 * 64 * 64, 4 * 16)
    assert found["pixels"]["training seconds"] is None
    assert found["net"]["training seconds"] > 0
    assert "best epoch chosen on 2 of the 2 people" in found["net"]["leak"]
    assert "! net had its best epoch chosen" in done.err


def test_tables_page_and_words(project: Path, run: Run) -> None:
    shared = {"set": {"server.group": "secret", "seed": 5}}
    done = compare(run, [PIXELS, GREY, NET], UNSEEN, "--out", "deep/page.html", name="ours", by="mAP", **shared)
    assert done.code == 0, done.err
    for words in (
        "8 queries of 2 people",
        "ms a photo",
        "haar crops, pixels",
        "whole photos,",
        "Best: ",
    ):
        assert words in done.out
    assert "cannot be told apart on 2 people: mAP" in done.out
    assert "p is adjusted for 3 pairs (Holm)" in done.err
    page = Path("deep/page.html").read_text()
    assert '<h1 class="name">ours</h1>' in page
    assert "mAP against milliseconds a photo" in page
    assert "seed=5" in page
    assert "secret" not in page


def test_what_was_computed_is_stored_and_only_what_changed_is_computed_again(project: Path, run: Run) -> None:
    first = compare(run, [PIXELS, GREY], UNSEEN, "--json")
    again = compare(run, [PIXELS, {**GREY, "set": {**GREY["set"], "faces.size": 48}}], UNSEEN, "--json")
    assert "pixels: computed before" in again.err
    assert "whole: computed before" not in again.err
    assert by_name(first)["pixels"] == by_name(again)["pixels"]
    assert "computed before" not in compare(run, [PIXELS], UNSEEN, "--json", "--fresh").err
    renamed = compare(run, [{**PIXELS, "name": "grey"}], UNSEEN, "--json")
    assert "grey: computed before" in renamed.err  # what a system is decides, not what it is called
    person = json.loads(Path("checkpoints/small/identities.json").read_text())["validation"][0]
    photo = next((Path("data/faces") / person).iterdir())
    PillowImage.fromarray(np.zeros((80, 80, 3), np.uint8)).save(photo, "PNG")
    assert "computed before" not in compare(run, [PIXELS], UNSEEN, "--json").err


def test_stopped_half_way_it_goes_on(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ranked = compare_systems.rank_photos

    def stop(single: compare_systems.SingleSystem, *rest: Any) -> compare_systems.Ranked:
        if single.name == "whole":
            raise KeyboardInterrupt
        return ranked(single, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(compare_systems, "rank_photos", stop)
        assert compare(run, [PIXELS, GREY], UNSEEN).code == 130
    done = compare(run, [PIXELS, GREY], UNSEEN, "--json")
    assert "pixels: computed before" in done.err
    assert "whole: computed before" not in done.err
    assert done.code == 0


def test_a_system_that_fails_is_shown_and_the_others_go_on(project: Path, run: Run) -> None:
    lost = {"name": "untrained", "config": "small.yaml", "set": {"name": "nothing"}}
    fused = {"name": "both", "fuse": ["pixels", "gone"]}
    done = compare(run, [OFF, PIXELS, lost, fused], UNSEEN, "--json")
    assert done.code == 1
    assert "3 of 4 systems failed: gone, untrained, both" in done.err
    found = by_name(done)
    assert "gone.onnx does not exist" in found["gone"]["failed"]
    assert "checkpoints/nothing does not exist" in found["untrained"]["failed"]
    assert found["pixels"]["failed"] is None
    assert "figures" not in found["both"]
    page = Path("results/compare.html").read_text()
    assert "failed: embedder.file" in page
    text = compare(run, [OFF, PIXELS], UNSEEN).out
    assert "failed" in text
    optional = compare(run, [{**OFF, "optional": True}, PIXELS], UNSEEN, "--json")
    assert optional.code == 0, optional.err
    assert set(by_name(optional)) == {"pixels"}
    assert "gone is left out: embedder.file" in optional.err


def test_the_network_that_comes_with_facematch_is_left_out_where_its_file_is_missing(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default_checkpoint, "_places", lambda: [project / "none", project / "nowhere"])
    default_checkpoint.default_file.cache_clear()
    shipped = {"name": "shipped", "set": {"paths.checkpoint": "default"}}
    fused = {"name": "both", "fuse": ["pixels", "shipped"], "optional": True}
    done = compare(run, [{**shipped, "optional": True}, PIXELS, fused], UNSEEN, "--json")
    assert done.code == 0, done.err
    assert set(by_name(done)) == {"pixels"}
    assert "shipped is left out: system shipped: the default checkpoint is missing" in " ".join(done.err.split())
    refused = compare(run, [shipped, PIXELS], UNSEEN)
    assert refused.code == 1
    assert "system shipped: the default checkpoint is missing" in " ".join(refused.err.split())


def test_a_network_that_knows_the_people_takes_part_in_nothing(project: Path, run: Run) -> None:
    done = compare(
        run, [NET, PIXELS, GREY, {"name": "fused", "fuse": ["pixels", "net"]}], {"people": "data/faces"}, "--json"
    )
    told = json.loads(done.out)
    assert "! net was trained on 6 of the 8 people compared: its figures mean nothing" in done.err
    assert "! fused was trained on 6 of the 8" in done.err
    assert [(pair["better"], pair["worse"]) for pair in told["pairs"]] in ([("pixels", "whole")], [("whole", "pixels")])
    assert told["best"] in ("pixels", "whole")


def test_a_query_without_an_embedding_is_wrong_for_that_system_alone(project: Path, run: Run) -> None:
    query = sorted(Path(FIXED["query"]).iterdir())[0]
    PillowImage.fromarray(np.full((90, 90, 3), 128, np.uint8)).save(query, "JPEG")
    skips = {"name": "skips", "set": {"embedder.kind": "pixels", "faces.miss": "skip"}}
    found = by_name(
        compare(run, [skips, {**PIXELS, "set": {**PIXELS["set"], "faces.detector": "none"}}], FIXED, "--json")
    )
    assert [found[name]["queries not embedded"] for name in ("skips", "pixels")] == [1, 0]
    assert [found[name]["figures"]["top-1"]["count"] for name in ("skips", "pixels")] == [3, 3]
    assert value(found["skips"], "top-10") <= 2 / 3 + 1e-9


def test_refining_systems_put_everybody_into_folds(project: Path, run: Run) -> None:
    refined = {"name": "refined", "set": {**PIXELS["set"], "refine": ["query-expansion"]}}
    done = compare(run, [PIXELS, refined], UNSEEN)
    assert done.code == 0, done.err
    assert "each photo asks once, in 5 folds, since a system refines" in done.out.replace("\n", " ")


def test_an_ensemble_is_a_system(project: Path, run: Run) -> None:
    members = [{"config": "small.yaml"}, {"set": PIXELS["set"]}]
    Path("both.yaml").write_text(yaml.safe_dump({"name": "both", "ensemble": {"members": members, "weights": [3, 1]}}))
    systems = [
        NET, PIXELS,
        {"name": "listed", "fuse": ["net", "pixels"], "weights": [3, 1]},
        {"name": "filed", "config": "both.yaml"},
        {"name": "tuned", "fuse": ["net", "pixels"], "weights": "tuned", "method": "reciprocal-rank"},
    ]  # fmt: skip
    done = compare(run, systems, UNSEEN, "--json")
    assert done.code == 0, done.err
    found = by_name(done)
    assert found["listed"]["figures"] == found["filed"]["figures"]
    assert found["listed"]["system"] == "z-score of net × 0.75 + pixels × 0.25"
    assert found["filed"]["system"] == "z-score of member 1 × 0.75 + member 2 × 0.25"
    assert sum(found["tuned"]["weights"]) == pytest.approx(1)
    assert found["tuned"]["system"].endswith("weights tuned")
    assert found["listed"]["cost"]["bytes"] == 4 * 64 * 64 + 4 * 16
    assert "best epoch" in found["listed"]["leak"]


def test_an_ensemble_is_submitted(project: Path, run: Run) -> None:
    sets = {"embedder.kind": "pixels", "faces.size": 32}
    ensemble = {"members": [{"config": "small.yaml"}, {"set": sets}], "weights": [2, 1]}
    Path("both.yaml").write_text(yaml.safe_dump({"name": "both", "ensemble": ensemble}))
    done = run("request", "--config", "both.yaml", "--dry-run", "--out", "mine.json")
    assert done.code == 0, done.err
    assert "expected: score" in done.out
    rankings = []
    for config in (("--config", "small.yaml"), ("--config", "small.yaml", "--set", "embedder.kind=pixels")):
        for side in ("query", "gallery"):
            assert run("embed", FIXED[side], f"{side}.safetensors", *config).code == 0
        query, gallery = (load_embeddings(Path(f"{side}.safetensors")) for side in ("query", "gallery"))
        rankings.append(distance_estimator(query, gallery, len(gallery)))
    fused = fuse(rankings, [2, 1])
    images = json.loads(Path("mine.json").read_text())["images"]
    assert images == {name: list(fused.names(row)[:10]) for row, name in enumerate(fused.queries)}
    shutil.rmtree("checkpoints")
    assert "checkpoints/small does not exist" in run("request", "--config", "both.yaml", "--dry-run").err


def test_probabilities_are_fitted_on_the_other_half(tiny: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    write_people(tiny, range(6, 24), photos=3)
    fitted: list[frozenset[str]] = []
    fit = fusing.fit_probabilities
    monkeypatch.setattr(
        fusing,
        "fit_probabilities",
        lambda *given: fitted.append(given[-1]) or fit(*given),  # type: ignore[func-returns-value]
    )
    one = {"name": "one", "config": "tiny.yaml"}
    other = {"name": "other", "config": "tiny.yaml", "set": {"ranking.metric": "manhattan"}}
    fused = {"fuse": ["one", "other"], "method": "probability"}
    systems = [one, other, {"name": "equal", **fused}, {"name": "tuned", **fused, "weights": "tuned"}]
    done = compare(run, systems, {"people": "people"}, "--json")
    assert done.code == 0, done.err
    found = by_name(done)
    assert found["equal"]["system"] == "probability of one × 0.5 + other × 0.5"
    assert value(found["equal"], "top-1") == value(found["tuned"], "top-1") == 1
    names = [f"person {number}" for number in range(24)]
    first = {name for name, here in zip(names, halves(names), strict=True) if here}
    # What judges the first half comes first (`across_halves`), and has seen the second one alone.
    assert fitted == [set(names) - first, first] * 2
    for path in sorted(Path("people").iterdir())[15:]:
        shutil.rmtree(path)
    few = compare(run, [one, other, {"name": "few", **fused}], {"people": "people"})
    assert few.code == 1
    assert "few failed: the distances of one cannot be made probabilities: insufficient data" in few.err


def test_a_missing_member_of_a_file_is_left_out(project: Path, run: Run) -> None:
    members = [{"set": PIXELS["set"]}, {"set": OFF["set"]}, {"set": {**PIXELS["set"], "ranking.metric": "cosine"}}]
    how = {"members": members, "weights": [1, 5, 3], "missing": "leave-out"}
    Path("both.yaml").write_text(yaml.safe_dump({"name": "both", "ensemble": how}))
    done = compare(run, [PIXELS, {"name": "filed", "config": "both.yaml"}], UNSEEN, "--json")
    assert done.code == 0, done.err
    assert done.err.count("! member 2 of the ensemble is left out: ") == 1
    filed = by_name(done)["filed"]
    assert filed["weights"] == [1, 3]
    assert filed["system"] == "z-score of member 1 × 0.25 + member 3 × 0.75"


def test_other_commands_do_not_take_an_ensemble(project: Path, run: Run) -> None:
    Path("both.yaml").write_text("ensemble: {members: [{config: small.yaml}, {set: {embedder.kind: pixels}}]}")
    done = run("validate", "--config", "both.yaml")
    assert done.code == 1
    assert "an ensemble of 2 systems cannot be taken here" in done.err
    assert "facematch compare" in done.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("photos: {peple: data}\nsystems: [{name: a}]", "photos.peple is not a known setting (did you mean 'people'?)"),
        ("photos: {people: data, truth: x}\nsystems: [{name: a}]", "name one of config, people, or query"),
        ("photos: {query: data}\nsystems: [{name: a}]", "fixed folders need all of query, gallery and truth"),
        ("photos: {people: x, across: [a, b]}\nsystems: [{name: a, set: {embedder.kind: pixels}}]", "it needs ident"),
        ("photos: {query: a, gallery: b, truth: c, domain: folder}\nsystems: [{name: a}]", "belong to people or"),
        ("photos: {people: x}\nset: {identities: {across: [a, b]}}\nsystems: [{name: a}]", "say photos.across"),
        ("photos: {config: a.yaml, images: x}\nsystems: [{name: a}]", "distractors and images belong to people"),
        ("photos: {people: data}\nsystems: [{name: a}, {name: a}]", "two systems are called a"),
        ("photos: {people: data}\nsystems: []", "systems"),
        ("photos: {people: x}\nsystems: [{name: grey}, {name: b}, {name: c, fuse: [gray, b]}]", "did you mean 'grey'?"),
        ("photos: {people: x}\nsystems: [{name: a}, {name: b, fuse: [a, a]}]", "two or more different systems"),
        ("photos: {people: x}\nsystems: [{name: a, method: z-score}]", "method belongs to an ensemble"),
        ("photos: {people: x}\nsystems: [{name: a, fuse: [b, c], config: d}]", "has no config and no set"),
        ("photos: {people: x}\nsystems: [{name: a}, {name: b}, {name: c, fuse: [a, b], weights: [1]}]", "1 weights"),
        ("photos: {people: x}\nsystems: [{name: a, set: {embedder.knd: x}}]", "system a: the settings with --set"),
        ("photos: {people: nowhere}\nsystems: [{name: a, set: {embedder.kind: pixels}}]", "nowhere does not exist"),
    ],
)  # fmt: skip
def test_mistakes_are_named_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run, text: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("compare.yaml").write_text(text)
    done = run("compare", "--config", "compare.yaml")
    assert done.code == 1
    assert words in " ".join(done.err.split())


def test_the_shipped_comparison_names_what_is_shipped() -> None:
    from facematch.settings.compare import CompareSettings
    from facematch.settings.file import load_section, load_settings

    root = Path(__file__).resolve().parents[3]
    wanted = load_section(CompareSettings, root / "config/compare.yaml", [], "")
    assert wanted.photos.config is not None
    for config in [wanted.photos.config, *(each.config for each in wanted.systems if each.config)]:
        assert (root / config).is_file()
    for name in ("ensemble", "contest"):
        ensemble = load_settings(root / f"config/{name}.yaml", ensembles=True).ensemble
        assert ensemble is not None
        assert all(each.config is None or (root / each.config).is_file() for each in ensemble.members)
        assert set(ensemble.model_fields_set) == set(type(ensemble).model_fields)  # every setting is shown
