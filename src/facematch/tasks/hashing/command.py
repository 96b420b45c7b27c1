"""`facematch hash-report`: runs that learned to hash beside each other, for the choice of a code size."""

from collections.abc import Sequence
from pathlib import Path

from facematch.core.console import Stopwatch, info, progress, result, show_json, waiting, warn
from facematch.core.errors import FacematchError
from facematch.core.files import write_bytes
from facematch.pipeline.how_made import how_made
from facematch.tasks.hashing.codes import code_figures, float_figures
from facematch.tasks.hashing.data import (
    HashReport,
    HashRun,
    Speed,
    against_best,
    machine_words,
    same_photos,
    time_rankings,
)
from facematch.tasks.hashing.page import hash_page, hash_tables
from facematch.tasks.hashing.runs import LoadedRun, On, PeopleOfRuns, RunPhotos, load_runs

_PACKAGES = ("numpy", "faiss-cpu", "torch")


def hash_report_command(
    runs: Sequence[Path],
    references: Sequence[Path],
    on: On | None,
    overrides: Sequence[str],
    page: Path,
    *,
    as_json: bool,
) -> None:
    """Evaluate the codes of every run, print them as a table and write the page; `as_json` prints all numbers.

    `references` are runs without codes, of which there are figures of floats alone. `on` says which photos are
    queries: by default the test where a run has one, else those of its validation.

    Raises FacematchError when a folder is no run or not one of its kind, when there is no such test, no
    photos or no query with a right answer; it then names the run.
    """
    loaded = load_runs(runs, references, overrides)
    watch, people = Stopwatch(), PeopleOfRuns(on)
    photos = [_embedded(run, people, watch) for run in loaded]
    with watch.stage("timing"), waiting("measuring queries a second …"):
        speeds = time_rankings([each.photos for each in photos], [run.hashing for run in loaded])
    measured = []
    with watch.stage("figures"), progress("figures with their intervals", len(loaded)) as step:
        for each in zip(loaded, photos, speeds, strict=True):
            measured.append(_measured(*each))
            step(len(measured))
    done = against_best(measured)
    warnings = (*_warnings(done), *(words for run in loaded for words in run.warnings))
    for words in warnings:
        warn(words)
    options = [*(("--reference", reference) for reference in references), ("--on", on)]
    facts = how_made(["hash-report", *runs], options, overrides, _PACKAGES)
    report = HashReport(done, warnings, machine_words(), facts)
    with watch.stage("page"):
        write_bytes(page, hash_page(report))
    if as_json:
        show_json(report.as_dict())
    else:
        _show(report)
    (info if as_json else result)(f"report: {page}; open it in a browser, it needs no network")
    info(f"seconds: {watch}")


def _embedded(run: LoadedRun, people: PeopleOfRuns, watch: Stopwatch) -> RunPhotos:
    try:
        with watch.stage("reading labels"):
            queries = people.of(run)
        with watch.stage("embedding"):
            photos = run.embed(queries)
    except FacematchError as error:
        raise FacematchError(f"{run.name}: {error.message}", error.hint, error.exit_code) from error
    info(f"{run.name}: {queries.words}")
    return photos


def _measured(run: LoadedRun, photos: RunPhotos, speed: Speed) -> HashRun:
    found = photos.photos
    floats, gallery = float_figures(found), found.gallery
    return HashRun(
        name=run.name,
        dimensions=gallery.dimensions,
        epoch=run.epoch,
        groups=found.division.identities,
        gallery=len(gallery),
        photos=photos.digest,
        asked=photos.queries.words,
        chosen_on=photos.queries.chosen_on,
        fingerprint=gallery.fingerprint.digest,
        floats=floats,
        codes=code_figures(found, floats) if run.hashing else None,
        speed=speed,
    )


def _warnings(runs: Sequence[HashRun]) -> list[str]:
    found = []
    if not same_photos(runs):
        found.append(
            "the runs were asked about different photos, so their figures cannot be compared: queries and gallery "
            "of " + ", ".join(f"{run.name} ({len(run.groups):,} and {run.gallery:,})" for run in runs)
        )
    chosen = [run.name for run in runs if run.chosen_on]
    if chosen:
        found.append(
            f"validation chose the network, so these figures flatter: {', '.join(chosen)}. Ask photos that chose "
            "nothing: a test where classes are shared, else other people with --set identities.validation=FOLDER"
        )
    return found


def _show(report: HashReport) -> None:
    for table in hash_tables(report):
        table.show()
    for words in dict.fromkeys(run.floats.mean_ap.note for run in report.runs if run.floats.mean_ap.note):
        info(words)
