"""`facematch hash-report`: runs that learned to hash beside each other, for the choice of a code size."""

import platform
import shlex
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from facematch import __version__
from facematch.core.console import Stopwatch, info, progress, result, show_json, show_table, waiting, warn
from facematch.core.files import write_bytes
from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.comparison import Comparison
from facematch.tasks.hashing.code_figures import PLACES, RADIUS, code_figures, float_figures
from facematch.tasks.hashing.data import HashReport, HashRun, Speed, against_best, same_photos
from facematch.tasks.hashing.page import hash_page
from facematch.tasks.hashing.runs import LoadedRun, On, PeopleOfRuns, RunPhotos, load_runs
from facematch.tasks.hashing.timing import machine_words, time_rankings

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

    `references` are runs without codes, of which floats are told. `on` says which photos ask: by default the
    test where a run has one, else those of its validation.

    Raises FacematchError when a folder is no run or not one of its kind, when there is no such test, no
    photos or no query with a right answer; it then names the run.
    """
    loaded = load_runs(runs, references, overrides)
    watch, people = Stopwatch(), PeopleOfRuns(on)
    photos = [_embedded(run, people, watch) for run in loaded]
    with watch.stage("timing"), waiting("measuring queries a second …"):
        speeds = time_rankings([each.sides for each in photos], [run.hashing for run in loaded])
    measured = []
    with watch.stage("figures"), progress("figures with their intervals", len(loaded)) as step:
        for each in zip(loaded, photos, speeds, strict=True):
            measured.append(_measured(*each))
            step(len(measured))
    done = against_best(measured)
    warnings = (*_warnings(done), *(words for run in loaded for words in run.warnings))
    for words in warnings:
        warn(words)
    command = shlex.join(["facematch", "hash-report", *_given(runs, references, on, overrides)])
    report = HashReport(done, warnings, machine_words(), _facts(command))
    with watch.stage("page"):
        write_bytes(page, hash_page(report))
    if as_json:
        show_json(report.as_dict())
    else:
        _show(report)
    (info if as_json else result)(f"report: {page}; open it in a browser, it needs no network")
    info(f"seconds: {watch}")


def _embedded(run: LoadedRun, people: PeopleOfRuns, watch: Stopwatch) -> RunPhotos:
    with run.named():
        with watch.stage("reading labels"):
            asking = people.of(run)
        with watch.stage("embedding"):
            photos = run.embed(asking)
    info(f"{run.name}: {asking.words}")
    return photos


def _measured(run: LoadedRun, photos: RunPhotos, speed: Speed) -> HashRun:
    sides = photos.sides
    floats = float_figures(sides)
    return HashRun(
        name=run.name,
        dimensions=sides.gallery.dimensions,
        epoch=run.epoch,
        groups=sides.asked,
        gallery=len(sides.gallery),
        photos=photos.digest,
        asked=photos.asking.words,
        chosen_on=photos.asking.chosen_on,
        fingerprint=sides.gallery.fingerprint.digest,
        floats=floats,
        codes=code_figures(sides, floats) if run.hashing else None,
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
    show_table(
        "mAP, expected over the order of ties [95 % interval over people or classes]",
        ["run", "codes", "mAP codes", "ties worst–best", "mAP floats", "codes less floats", "less the best codes"],
        [_map_row(run, len(report.runs)) for run in report.runs],
    )
    for words in dict.fromkeys(run.floats.mean_ap.note for run in report.runs if run.floats.mean_ap.note):
        info(words)
    show_table(
        "look-up by code, and the bits of the gallery's codes",
        [
            "run", f"P@{PLACES}", "top-1", f"P within {RADIUS} bits", "nothing there", "bits that count",
            "never change", "different codes", "gap to signs",
        ],
        [_use_row(run) for run in report.runs],
    )  # fmt: skip
    show_table(
        f"for each photo, and for the first {PLACES} of {_galleries(report.runs)} photos on {report.machine}",
        ["run", "bytes: codes", "floats", "queries a second: codes", "floats"],
        [_cost_row(run) for run in report.runs],
    )


def _map_row(run: HashRun, runs: int) -> list[str]:
    codes = run.codes
    if codes is None:
        return [run.name, "none", "", "", str(run.floats.mean_ap), "", ""]
    bounds = "" if codes.bounds is None else f"{codes.bounds[0]:.3f}–{codes.bounds[1]:.3f}"
    less = "the best" if run.best and runs > 1 else _signed(run.less_than_best)
    size = f"{run.dimensions} bits"
    return [run.name, size, str(codes.mean_ap), bounds, str(run.floats.mean_ap), _signed(codes.cost), less]


def _use_row(run: HashRun) -> list[str]:
    codes = run.codes
    if codes is None:
        return [f"{run.name}, floats", _short(run.floats.precision), _short(run.floats.top1), *[""] * 6]
    quality = codes.quality
    return [
        run.name,
        *map(_short, (codes.precision, codes.top1, codes.within, codes.empty)),
        f"{quality.effective_bits:.1f}",
        f"{quality.constant_bits}",
        f"{quality.distinct:,}",
        f"{quality.quantisation_gap:.3f}",
    ]


def _cost_row(run: HashRun) -> list[str]:
    size, rate = run.code_bytes, run.speed.code_rate
    codes = ("", "") if size is None or rate is None else (f"{size:,}", f"{rate:,.0f}")
    return [run.name, codes[0], f"{run.float_bytes:,}", codes[1], f"{run.speed.float_rate:,.0f}"]


def _short(figure: Estimate) -> str:
    return "–" if figure.value is None else f"{figure.value:.3f}"


def _signed(found: Comparison | None) -> str:
    if found is None:
        return ""
    interval = "" if found.interval is None else f" [{found.interval[0]:+.3f} to {found.interval[1]:+.3f}]"
    return f"{found.difference:+.3f}{interval}"


def _galleries(runs: Sequence[HashRun]) -> str:
    return " or ".join(f"{size:,}" for size in sorted({run.gallery for run in runs}))


def _given(runs: Sequence[Path], references: Sequence[Path], on: On | None, overrides: Sequence[str]) -> list[str]:
    words = [str(run) for run in runs]
    for reference in references:
        words += ["--reference", str(reference)]
    words += [] if on is None else ["--on", on]
    for override in overrides:
        words += [] if override.strip().startswith("server") else ["--set", override]
    return words


def _facts(command: str) -> tuple[tuple[str, str], ...]:
    packages = [f"{name} {version(name)}" for name in _PACKAGES]
    versions = ", ".join([f"facematch {__version__}", f"Python {platform.python_version()}", *packages])
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z")
    return (("command", command), ("made", made), ("versions", versions))
