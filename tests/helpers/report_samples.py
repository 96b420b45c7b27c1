"""Evaluations made up for the tests of reports: people as points in space, with photos of noise."""

from dataclasses import replace
from typing import Any

import numpy as np

from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.rank_task import Evaluated, rank_task
from facematch.evaluation.retrieval import retrieval_figures
from facematch.evaluation.task import two_sides
from facematch.evaluation.topk import Figures, first_places
from facematch.evaluation.verification import pooled_pairs, verification_figures
from facematch.faces.values import FaceRecord
from facematch.ranking.embeddings import Embeddings, joined
from facematch.tasks.report.data import (
    FigureTable,
    ReportData,
    SubgroupTable,
    SystemRow,
    curves_of,
    query_rows,
    wanted_photos,
)
from facematch.tasks.report.embedding_map import map_embeddings
from facematch.tasks.report.thumbnails import encode_thumbnail, plan_thumbnails

NASTY = "</script><script>document.title='no'</script><!--<img src=x onerror=alert(1)>\"'&\u2028\u202e.jpg"


def evaluation(
    people: int = 12, queries: int = 2, answers: int = 3, *, unknown: int = 2, noise: float = 0.9, seed: int = 0
) -> tuple[Evaluated, Embeddings, dict[str, str]]:
    """`people` with `queries` and `answers` photos each; the last `unknown` have no photo in the gallery."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((people, 16))
    shown: dict[str, str] = {}

    def side(name: str, each: int, count: int) -> Embeddings:
        names = [f"{name}/person{who:03d}/{number}.jpg" for who in range(count) for number in range(each)]
        shown.update({photo: photo.split("/")[1] for photo in names})
        vectors = np.repeat(centres[:count], each, axis=0) + noise * rng.standard_normal((count * each, 16))
        return Embeddings(tuple(names), vectors.astype(np.float32), "euclidean", Fingerprint({"faces.size": 32}))

    asking, answering = side("query", queries, people), side("gallery", answers, people - unknown)
    everyone = joined([asking, answering])
    return rank_task(two_sides(asking.names, answering.names, shown), everyone), everyone, shown


def renamed(data: ReportData, old: str, new: str) -> ReportData:
    """The same report with one photo and its person called `new`."""

    def answer(each: Any) -> Any:
        return None if each is None else replace(each, name=new if each.name == old else each.name)

    queries = tuple(
        replace(
            row,
            name=new if row.name == old else row.name,
            answers=tuple(answer(each) for each in row.answers),
            first=answer(row.first),
        )
        for row in data.queries
    )
    assert data.drawn is not None
    drawn = replace(data.drawn, names=tuple(new if name == old else name for name in data.drawn.names))
    people = {(new if name == old else name): (new if name == old else who) for name, who in data.people.items()}
    thumbnails = {(new if name == old else name): image for name, image in data.thumbnails.items()}
    return replace(data, queries=queries, drawn=drawn, people=people, thumbnails=thumbnails)


def report(seed: int = 0, **options: Any) -> ReportData:
    """A whole report, each thumbnail a noise of its own; rounds are few, so that it is quick."""
    evaluated, embeddings, people = evaluation(seed=seed, **options)
    rng = np.random.default_rng(seed)
    pairs = pooled_pairs(evaluated.rankings, people)
    queries = tuple(query_rows(evaluated))
    drawn = map_embeddings(embeddings)
    missed = FaceRecord("gallery/person001/0.jpg", "whole", "whole", (0, 0, 9, 9), 0.0, "no face found in 9x9 px")
    records = (missed, FaceRecord("query/broken.jpg", "unreadable", reason="file is cut short"))
    plan = plan_thumbnails(wanted_photos(queries, records, drawn))
    noise = {name: rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for name in plan.names}
    return ReportData(
        title="triplet",
        protocol="fixed queries and gallery",
        metric="euclidean",
        tables=(
            FigureTable("Retrieval", tuple(retrieval_figures(evaluated.judged, rounds=50))),
            FigureTable("Verification", tuple(verification_figures(pairs, rounds=50)), "pairs"),
        ),
        curves=curves_of(evaluated, pairs),
        queries=queries,
        people=people,
        thumbnails={name: encode_thumbnail(image, plan.most) for name, image in noise.items()},
        records=records,
        fingerprint=embeddings.fingerprint,
        settings="name: triplet\n",
        weights=(600, 300, 100),
        facts=(("command", "facematch report checkpoints/triplet"),),
        unread=("query/notes.txt (not an image)",),
        subgroups=(SubgroupTable("light", (("dim", Estimate("top-1", 0.5, (0.4, 0.6), 12, 10)),)),),
        drawn=drawn,
        systems=(
            SystemRow("trained", first_places(evaluated.judged).figures((600, 300, 100))),
            SystemRow(
                "grey pixels",
                Figures(0.1, 0.2, 0.3, None, 20, 30, 150),
                "flattered: it was trained on 1 of these 12 people",
            ),
        ),
    )
