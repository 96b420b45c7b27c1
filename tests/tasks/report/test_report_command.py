"""`facematch report` on the small project: its run folder, its fixed folders, its mistakes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from command_helpers import TRUTH, Run
from facematch.core.errors import FacematchError
from facematch.tasks.report.command import report_command

QUERY, GALLERY = Path("data/test_data/query"), Path("data/test_data/gallery")
RUN, PAGE = Path("checkpoints/small"), Path("results/report-small.html")


def report(run: Path | None = None, **options: Any) -> None:
    given: dict[str, Any] = {
        "out": None, "config": None, "overrides": [], "query": None, "gallery": None, "truth": None, "attributes": None,
    }  # fmt: skip
    report_command(run, **{**given, **options})


def values(path: Path) -> dict[str, Any]:
    found = re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return json.loads(found[1])  # type: ignore[no-any-return]


def test_a_run_is_reported_among_the_results(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(RUN)
    told = capsys.readouterr()
    assert "report: results/report-small.html" in told.out
    page, data = PAGE.read_text(encoding="utf-8"), values(PAGE)
    unseen = json.loads((RUN / "identities.json").read_text())["validation"]
    assert {data["people"][data["shows"][query[0]]] for query in data["queries"]} == set(unseen)
    assert len(data["queries"]) == 4 * len(unseen)
    assert all(data["thumbnails"])
    assert "facematch report checkpoints/small" in page
    assert "backbone: resnet18" in page
    assert "leave-one-out" in page
    assert systems_of(page)[0].startswith("trained ")
    assert [row.split(" ")[0] for row in systems_of(page)[1:]] == ["grey"]


def systems_of(page: str) -> list[str]:
    """The rows of the table of systems, in words."""
    table = page.partition("score of 1000 is")[2].partition("</table>")[0].partition("<tbody>")[2]
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in table.split("</tr>")[:-1]]


def test_the_score_is_that_of_validate(project: Path, run: Run) -> None:
    config = ("--config", "small.yaml", "--json")
    shown = json.loads(run("validate", *config).out)
    assert run("report", *config).code == 0
    rows = systems_of(PAGE.read_text(encoding="utf-8"))
    for row, name in zip(rows, ("trained", "grey pixels"), strict=True):
        figures = shown[name]
        assert row.startswith(f"{name} {figures['score']:.0f} {figures['top1']:.3f} ")
        assert row.endswith(f"{figures['top5']:.3f} {figures['top10']:.3f} {figures['queries']}")


def test_a_run_that_was_moved_is_reported_with_its_own_weights(project: Path) -> None:
    RUN.rename("kept")
    report(Path("kept"), out=Path("pages/first.html"))
    assert len(values(Path("pages/first.html"))["queries"]) > 0
    with pytest.raises(FacematchError, match="gone"):
        report(Path("kept"), overrides=["paths.checkpoint=gone"])  # what the user names comes first


def test_folders_with_their_truth_and_attributes(project: Path) -> None:
    truth = json.loads(Path(TRUTH).read_text())
    rows = "".join(f"{name},{light}\n" for name, light in zip(truth, ["dim", "bright", "<i>odd"], strict=True))
    Path("light.csv").write_text("photo,light\n" + rows)
    Path(GALLERY / "notes.txt").write_text("not a photo")
    report(
        config=Path("small.yaml"),
        overrides=["embedder.kind=pixels", "server.headers={Authorization: SECRET_NAME}"],
        query=QUERY,
        gallery=GALLERY,
        truth=Path(TRUTH),
        attributes=Path("light.csv"),
    )
    page, data = PAGE.read_text(encoding="utf-8"), values(PAGE)
    asked = {data["names"][query[0]]: query for query in data["queries"]}
    assert asked.keys() == {f"query/{name}" for name in truth}
    for name, right in truth.items():
        answers = asked[f"query/{name}"][3]
        assert [data["names"][each[0]] in {f"gallery/{one}" for one in right} for each in answers] == [
            bool(each[3]) for each in answers
        ]
        assert asked[f"query/{name}"][1] == len(right)
    assert "&lt;i&gt;odd" in page
    assert "gallery/notes.txt (not an image" in page
    assert "SECRET_NAME" not in page  # how submissions are sent is no part of an evaluation


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither was given"),
        ({"run": RUN, "config": Path("small.yaml")}, "both were given"),
        ({"run": Path("checkpoints/none")}, "checkpoints/none does not exist"),
        ({"run": Path("data")}, "it has no settings.yaml"),
        ({"run": RUN, "query": QUERY}, "needs all of --query, --gallery and --truth"),
        ({"run": RUN, "attributes": Path("none.csv")}, "attributes: none.csv does not exist"),
        ({"run": RUN, "overrides": ["embedder.kind=pixel"]}, "embedder.kind"),
    ],
)
def test_mistakes_are_named(project: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(FacematchError, match=re.escape(message)):
        report(**options)
    assert not list(project.rglob("report*.html"))
