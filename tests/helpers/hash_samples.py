"""Hash reports made up for tests: classes as points in space, photos as tanh values of points around them."""

import numpy as np

from facematch.core.fingerprint import Fingerprint
from facematch.evaluation.task import leave_one_out, two_sides
from facematch.ranking.embeddings import Embeddings, joined
from facematch.tasks.hashing.codes import HashPhotos, code_figures, float_figures
from facematch.tasks.hashing.data import HashReport, HashRun, Speed, against_best

NASTY = "</td><script>alert(1)</script>&\u202e"


def made_sides(
    bits: int = 16, classes: int = 12, *, noise: float = 0.6, seed: int = 0, alone: bool = False
) -> HashPhotos:
    """Two queries and four gallery photos of each class, or with `alone` six that ask each other in turn.

    Classes are the same points for every number of bits, so longer codes know more.
    """
    rng = np.random.default_rng(seed)
    centres, look = rng.standard_normal((classes, 8)), np.random.default_rng(99).standard_normal((8, bits))

    def side(name: str, each: int) -> tuple[Embeddings, tuple[str, ...]]:
        points = np.repeat(centres, each, axis=0) + noise * rng.standard_normal((classes * each, 8))
        who = [f"class{number:02d}" for number in range(classes) for _ in range(each)]
        names = tuple(f"{name}/{label}/{number:03d}.jpg" for number, label in enumerate(who))
        return Embeddings(names, np.tanh(points @ look).astype(np.float32), "euclidean", Fingerprint()), tuple(who)

    gallery, shown = side("database", 6 if alone else 4)
    people = dict(zip(gallery.names, shown, strict=True))
    if alone:
        return HashPhotos(leave_one_out(people, gallery.names), gallery)
    query, asked = side("asked", 2)
    people |= zip(query.names, asked, strict=True)
    return HashPhotos(two_sides(query.names, gallery.names, people), joined([query, gallery]))


def made_run(name: str, sides: HashPhotos, *, hashing: bool = True, photos: str = "same") -> HashRun:
    """A run with real figures and made-up times."""
    floats = float_figures(sides)
    return HashRun(
        name=name,
        dimensions=sides.gallery.dimensions,
        epoch=7,
        groups=sides.task.identities,
        gallery=len(sides.gallery),
        photos=photos,
        asked="test: they ask them",
        chosen_on=False,
        fingerprint="f" * 64,
        floats=floats,
        codes=code_figures(sides, floats) if hashing else None,
        speed=Speed(len(sides.query), len(sides.gallery), (0.2, 0.1, 0.4), (0.02, 0.01, 0.04) if hashing else ()),
    )


def made_report(*runs: HashRun, warnings: tuple[str, ...] = ()) -> HashReport:
    """The report of some runs, by default of four code sizes and a float reference."""
    chosen = runs or (
        *(made_run(f"made_{bits}", made_sides(bits)) for bits in (16, 32, 48, 64)),
        made_run("triplet", made_sides(256), hashing=False),
    )
    facts = (("command", "facematch hash-report made_16"),)
    return HashReport(against_best(chosen), warnings, "one thread of a processor, 2 cores", facts)
