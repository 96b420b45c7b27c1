"""The report's page: whole in itself, safe with any name, small enough to be sent, and complete."""

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from facematch.core.text import printable
from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.verification import pooled_pairs
from facematch.tasks.report.data import FigureTable, ReportData, SystemRow, curves_of, query_rows
from facematch.tasks.report.page import definitions_of, report_page
from facematch.tasks.report.thumbnails import encode_thumbnail, plan_thumbnails
from report_samples import NASTY, evaluation, renamed, report

VOID = {"meta", "link", "img", "br", "hr", "input"}


@pytest.fixture(scope="module")
def data() -> ReportData:
    return report()


@pytest.fixture(scope="module")
def page(data: ReportData) -> str:
    return report_page(data).decode()


class Reader(HTMLParser):
    """All tags with their attributes, the text of all elements that show it, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.shown: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            self.scripts.append(data)
        elif data.strip():
            self.shown.append(data)


def values(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])  # type: ignore[no-any-return]


def test_it_is_well_formed_and_begins_as_a_page(page: str) -> None:
    reader = Reader(page)
    assert page.startswith("<!doctype html>")
    assert reader.open == []
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for _, attributes in reader.tags:
        for reference in ("aria-labelledby", "for"):
            assert set((attributes.get(reference) or "").split()) <= set(ids)
    links = [attributes.get("href") or "" for tag, attributes in reader.tags if tag == "a"]
    assert links
    assert {link[1:] for link in links} <= set(ids)


def test_the_score_stands_beside_what_has_to_be_beaten(page: str, data: ReportData) -> None:
    text = " ".join(" ".join(Reader(page).shown).split())
    ours, grey = data.systems
    assert f"score of 1000 {ours.figures.score:.0f} grey pixels {grey.figures.score:.0f} " in text
    assert f"trained {ours.figures.score:.0f} {ours.figures.top1:.3f}" in text
    assert f"grey pixels {grey.note} 150 0.100 none 0.200 0.300 20" in text


def test_nothing_comes_from_elsewhere(page: str) -> None:
    assert not re.search(r"\b(https?|wss?|ftp):", page.replace("http://www.w3.org/2000/svg", ""))
    assert "//" not in re.sub(r"//.*", "", page.split("<script>")[0]).replace("<!--", "")
    for tag, attributes in Reader(page).tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:"))
        assert tag not in ("iframe", "object", "embed", "base", "form")
    assert "@import" not in page
    assert "url(" not in page


def test_the_policy_allows_this_style_and_this_script_alone(page: str) -> None:
    reader = Reader(page)
    (policy,) = [each.get("content") or "" for tag, each in reader.tags if each.get("http-equiv")]
    style, _, script = reader.scripts
    for directive, text in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for _, attributes in reader.tags:  # the policy would block them
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
    assert "innerHTML" not in script


def test_every_query_is_in_it_the_worst_first(data: ReportData, page: str) -> None:
    found = values(page)
    assert [found["names"][query[0]] for query in found["queries"]] == [row.name for row in data.queries]
    for query, row in zip(found["queries"], data.queries, strict=True):
        assert found["people"][found["shows"][query[0]]] == data.people[row.name]
        assert query[1:3] == [row.relevant, row.average_precision and round(row.average_precision, 4)]
        answers = [[found["names"][each[0]], each[1], each[3]] for each in query[3]]
        assert answers == [[each.name, each.place, int(each.right)] for each in row.answers]
        assert [each[2] for each in query[3]] == pytest.approx([each.distance for each in row.answers], rel=1e-4)
        assert (None if query[4] is None else query[4][1]) == (row.first and row.first.place)


def test_every_thumbnail_stands_once(data: ReportData, page: str) -> None:
    found = values(page)
    shown = {name: base64.b64decode(image) for name, image in zip(found["names"], found["thumbnails"], strict=True)}
    assert {name: image for name, image in shown.items() if image} == dict(data.thumbnails)
    for image in data.thumbnails.values():
        assert page.count(base64.b64encode(image).decode()) == 1


def test_the_map_lies_where_it_was_drawn(data: ReportData, page: str) -> None:
    found = values(page)
    assert data.drawn is not None
    assert [found["names"][number] for number, _, _ in found["map"]] == list(data.drawn.names)
    assert np.abs(np.array(found["map"])[:, 1:] / 1000 - data.drawn.points).max() <= 0.0005 + 1e-9


def test_figures_stand_with_intervals_people_and_definitions(data: ReportData, page: str) -> None:
    shown = " ".join(Reader(page).shown)
    for table in data.tables:
        for figure in table.figures:
            assert figure.name in shown
            if figure.value is not None:
                assert f"{figure.value:.3f}" in shown
            if figure.interval is not None:
                assert f"[{figure.interval[0]:.3f}–{figure.interval[1]:.3f}]" in shown
    assert "insufficient data: " in shown  # TAR at a FAR that so few pairs cannot resolve
    for name, words in definitions_of([figure.name for table in data.tables for figure in table.figures]):
        assert name in shown
        assert words in shown


def test_every_figure_has_a_definition() -> None:
    names = [figure.name for table in report().tables for figure in table.figures]
    defined = ", ".join(figures for figures, _ in definitions_of(names))
    assert sorted(defined.split(", ")) == sorted(names)


def test_it_tells_how_it_was_made_and_what_was_missed(data: ReportData, page: str) -> None:
    shown = " ".join(Reader(page).shown)
    for text in (
        "facematch report checkpoints/triplet",
        "fixed queries and gallery",
        data.fingerprint.digest,
        "faces.size",
        "name: triplet",
        "gallery/person001/0.jpg",
        "no face found in 9x9 px",
        "query/broken.jpg (file is cut short)",
        "query/notes.txt (not an image)",
        "Files that could not be read (2)",
        "distances and sizes of groups in it are not those of the embeddings",
        "dim",
        "need JavaScript",
    ):
        assert text in shown


def test_what_is_absent_is_left_out(data: ReportData) -> None:
    bare = replace(data, drawn=None, subgroups=(), records=(), unread=())
    page = report_page(bare).decode()
    ids = [attributes.get("id") for _, attributes in Reader(page).tags]
    assert "map" not in ids
    assert "plane" not in ids
    assert "subgroups" not in ids
    assert "a face was found in every photo" in page
    assert "could not be read (" not in page
    assert values(page)["map"] is None


@pytest.mark.parametrize("where", ["photo", "title", "note", "reason", "subgroup", "settings"])
def test_no_name_is_obeyed(data: ReportData, where: str) -> None:
    photo = data.queries[0].name
    hostile = {
        "photo": lambda: renamed(data, photo, NASTY),
        "title": lambda: replace(
            data,
            title=NASTY,
            protocol=NASTY,
            facts=((NASTY, NASTY),),
            systems=(SystemRow(NASTY, data.systems[0].figures, NASTY),),
        ),
        "note": lambda: replace(data, tables=(FigureTable("R", (Estimate(NASTY, None, None, 0, 0, NASTY),)),)),
        "reason": lambda: replace(
            data, records=tuple(replace(each, name=NASTY, reason=NASTY) for each in data.records), unread=(NASTY,)
        ),
        "subgroup": lambda: replace(
            data,
            subgroups=(replace(data.subgroups[0], attribute=NASTY, figures=((NASTY, data.tables[0].figures[0]),)),),
        ),
        "settings": lambda: replace(data, settings=NASTY, metric=NASTY),
    }[where]()
    page = report_page(hostile).decode()
    reader = Reader(page)
    assert reader.open == []
    assert [tag for tag, _ in reader.tags].count("script") == 2
    assert not [attributes for tag, attributes in reader.tags if tag == "img"]
    assert not [name for _, attributes in reader.tags for name in attributes if name.startswith("on")]
    assert NASTY not in page
    inside = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert inside is not None
    assert not set("<>&\u2028") & set(inside[1])
    if where == "photo":
        found = values(page)
        assert found["names"][found["queries"][0][0]] == printable(NASTY)
        assert printable(NASTY) in found["people"]
    else:
        assert html.unescape(page).count(printable(NASTY)) + html.unescape(page).count(NASTY) >= 1


def test_names_that_cannot_be_shown_are_replaced() -> None:
    assert printable("a\udcffb\x1b[31m\u202ec\n\x00") == "a�b�[31m�c��"
    assert printable("Ünïcödé 名前 🙂.jpg") == "Ünïcödé 名前 🙂.jpg"
    data = report()
    page = report_page(renamed(data, data.queries[0].name, "half \udcff surrogate.jpg"))
    assert "half �" in values(page.decode())["names"][0]
    assert b"half" in report_page(replace(data, settings="half \udcff"))  # written all the same


def test_a_threshold_is_drawn_and_told() -> None:
    data = report()
    page = report_page(replace(data, threshold=3.25)).decode()
    assert values(page)["threshold"] == 3.25
    assert ">threshold 3.25</text>" in page
    assert "not accepted" in " ".join(Reader(page).shown)
    assert ">threshold" not in report_page(data).decode()


def test_a_gallery_without_anybody_asked_for_makes_a_page_too() -> None:
    data = report(people=6, unknown=5)
    evaluated, _, people = evaluation(people=6, unknown=5)
    nobody = replace(
        evaluated,
        judged=replace(evaluated.judged, right=evaluated.judged.right & False, relevant=evaluated.judged.relevant * 0),
    )
    pairs = pooled_pairs(nobody.rankings, dict.fromkeys(people, ""))
    page = report_page(
        replace(data, queries=tuple(query_rows(nobody)), curves=curves_of(nobody, pairs), tables=())
    ).decode()
    shown = " ".join(Reader(page).shown)
    assert "all known people (0)" in shown
    assert f"people the gallery does not have ({len(data.queries)})" in shown
    assert "CMC" not in shown
    assert Reader(page).open == []


def test_1500_queries_of_the_worst_photos_stay_below_20_megabytes() -> None:
    """Measured with a tenth of them, of noise: every part of the page grows with the photos or less."""
    evaluated, embeddings, people = evaluation(people=50, queries=3, answers=3, unknown=0, noise=2.0)
    long = {name: f"{name}/{'long name ' * 8}.jpg" for name in people}
    (ranking,) = evaluated.rankings
    ranking = replace(
        ranking, queries=tuple(map(long.get, ranking.queries)), gallery=tuple(map(long.get, ranking.gallery))
    )  # type: ignore[arg-type]
    rows = query_rows(replace(evaluated, rankings=(ranking,)))
    names = [long[name] for name in embeddings.names]
    most = plan_thumbnails([str(number) for number in range(3000)]).most
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (20, 112, 112, 3), dtype=np.uint8)
    images = [encode_thumbnail(image, most) for image in noise]
    data = report()
    assert data.drawn is not None
    many = replace(
        data,
        queries=tuple(rows),
        people={long[name]: who for name, who in people.items()},
        thumbnails={name: images[number % 20] for number, name in enumerate(names)},
        drawn=replace(data.drawn, names=tuple(names), points=rng.random((300, 2))),
    )
    assert (len(many.queries), len(many.thumbnails)) == (150, 300)
    few, size = len(report_page(replace(many, queries=(), thumbnails={}, drawn=None))), len(report_page(many))
    assert few + 10 * (size - few) < 20_000_000
    assert len(images) * most * 4 / 3 * 150 <= 18_000_000  # whatever the photos are
