"""The weights of the score are those of the competition's form, wherever a score is printed, logged or computed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from command_helpers import Run
from facematch.settings.competition import FORM_FILE
from tiny_project import TINY

WEIGHTS = (1.0, 20.0, 4000.0)
SHARES = ("top1", "top5", "top10")


def form(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump({"weights": list(WEIGHTS)}))
    return path


def scored(figures: dict[str, Any]) -> float:
    return sum(weight * figures[share] for weight, share in zip(WEIGHTS, SHARES, strict=True))


def test_validate(tiny: Path, run: Run) -> None:
    form(FORM_FILE)
    (ours,) = [each for name, each in json.loads(run("validate", *TINY, "--json").out).items() if "shipped" not in name]
    assert ours["score"] == pytest.approx(scored(ours))
    form(Path("other.yaml")).write_text("weights: [7, 0, 0]\n")
    other = json.loads(run("validate", *TINY, "--set", "server.form=other.yaml", "--json").out)
    assert all(each["score"] == pytest.approx(7 * each["top1"]) for each in other.values())


def test_the_log_of_a_training_and_what_it_prints(untrained: Path, run: Run) -> None:
    form(FORM_FILE)
    done = run("train", "--config", "small.yaml", "--set", "training.epochs=1")
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in Path("checkpoints/small/log.jsonl").read_text().splitlines()]
    found = [line["validation"] for line in lines if "validation" in line]
    assert found
    for each in found:
        assert each["score"] == pytest.approx(scored(each))
    assert f"score {found[-1]['score']:.0f}" in done.err
    table = done.out.partition("grey pixels")[2]
    assert f" {found[-1]['score']:.0f} │" in table  # beside what it has to beat
    assert "score of 4021" in done.out


def test_compare(tiny: Path, run: Run) -> None:
    systems = [{"name": "plain", "config": "tiny.yaml"}]
    wanted = {"photos": {"config": "tiny.yaml"}, "systems": systems}
    Path("compare.yaml").write_text(yaml.safe_dump({**wanted, "set": {"server.form": str(form(Path("other.yaml")))}}))
    (ours,) = json.loads(run("compare", "--config", "compare.yaml", "--json").out)["systems"]
    shares = {share: ours["figures"][f"top-{k}"]["value"] for share, k in zip(SHARES, (1, 5, 10), strict=True)}
    assert ours["figures"]["score"]["value"] == pytest.approx(scored(shares))
    systems.append({"name": "elsewhere", "config": "tiny.yaml", "set": {"server.form": "config/competition.yaml"}})
    Path("compare.yaml").write_text(yaml.safe_dump({**wanted, "set": {"server.form": "other.yaml"}}))
    done = run("compare", "--config", "compare.yaml")
    assert done.code == 1
    assert "the systems name different competition forms (server.form): config/competition.yaml, other.yaml" in done.err


def test_the_score_to_expect_and_what_stands_beside_it(tiny: Path, run: Run) -> None:
    form(FORM_FILE)
    done = run("request", *TINY, "--dry-run", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["submission"]["expected"] > 3999  # the place among ten is worth nearly all
    said = re.search(r"expected: score (\d+) of 4021", run("request", *TINY, "--dry-run").out)
    assert said is not None
    ours = json.loads(run("validate", *TINY, "--json").out)["grey pixels"]
    (beside,) = re.findall(r"on these people: this system (\d+)", done.err)
    assert beside == f"{ours['score']:.0f}"
