"""Which method survives which change, as one HTML file: it needs no network, no other file and no script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from facematch.charts.jpeg import data_url, small_jpeg
from facematch.charts.page import render_page
from facematch.core.text import count_of, interval_words
from facematch.evaluation.bootstrap import Estimate
from facematch.near_duplicates.contents import picture_of
from facematch.photos.photo import PhotoFile, PhotoLimits
from facematch.tasks.robustness.changes import AFTERWARDS, Change
from facematch.tasks.robustness.robustness import LONGEST, OVERALL, Column, Robustness, made_from

_SIDE = 96  # pixels of an example, shown at half its size


@dataclass(frozen=True)
class HeatCell:
    """A share in percent with its interval, how many other photos are called copies, and its class of colour."""

    text: str
    interval: str
    false: int | None
    heat: str
    best: bool

    def __str__(self) -> str:
        false = f"+{self.false:,}" if self.false else ""
        return " ".join(filter(None, (self.text, self.interval, false))) + ("*" if self.best else "")


@dataclass(frozen=True)
class HeatRow:
    """One change, in words, and what each method makes of it; None where a method is left out."""

    name: str
    words: str
    cells: tuple[HeatCell | None, ...]


def robustness_page(result: Robustness, pictures: Mapping[str, str]) -> bytes:
    """Return the page as UTF-8; `pictures` are addresses of an example of each change, by its name."""
    asking = [column for column in result.columns if column.rule]
    values = {
        "command": "robustness",
        "title": "Which method survives which change",
        "result": result,
        "changed": f"{count_of(result.queries, 'photo', 'photos')} of {result.photos:,}",
        "asking": asking,
        "first": heat_rows(result, result.columns, "first"),
        "found": heat_rows(result, asking, "found") if asking else [],
        "overall": OVERALL,
        "pictures": pictures,
        "facts": _facts(result),
    }
    return render_page(__package__, "robustness.html", values, styles=["robustness.css"])


def example_pictures(file: PhotoFile, changes: Sequence[Change], limits: PhotoLimits, seed: int) -> dict[str, str]:
    """Return one photo after each change, small, as an address that holds it, by the change's name."""
    made = made_from(picture_of(file, limits), changes, seed)
    return {change.name: data_url(small_jpeg(image, _SIDE, 70)) for change, image in zip(changes, made, strict=True)}


def heat_rows(result: Robustness, columns: Sequence[Column], which: Literal["first", "found"]) -> list[HeatRow]:
    """Return the rows of one table: of the photos that are ranked first, or of those called a copy."""
    words = {change.name: change.words for change in result.changes} | {OVERALL: "all rows above but none"}
    rows = []
    for name, cells in result.rows(columns):
        figures = [cell.first if which == "first" else cell.found for cell in cells]
        values = [figure.value or 0.0 for figure in figures if figure is not None]
        made = iter(
            [
                _heat_cell(figure, cell.false if which == "found" else None, values)
                for figure, cell in zip(figures, cells, strict=True)
            ]
        )
        across = tuple(None if column.cells is None else next(made) for column in columns)
        rows.append(HeatRow(name, words[name], across))
    return rows


def _heat_cell(figure: Estimate | None, false: int | None, values: Sequence[float]) -> HeatCell | None:
    if figure is None or figure.value is None:
        return None
    ends = None if figure.interval is None else [100 * end for end in figure.interval]
    best = figure.value == max(values) and min(values) < figure.value
    text = f"{100 * figure.value:.1f}".removesuffix(".0")
    return HeatCell(text, interval_words(ends, ".0f"), false, f"h{int(10 * figure.value)}", best)


def _facts(result: Robustness) -> list[tuple[str, str]]:
    speeds = [
        f"{column.name} {column.images_per_second:,.0f}"
        for column in result.columns
        if column.images_per_second is not None
    ]
    return [
        *((f"{column.name} calls two photos copies when", column.rule) for column in result.columns if column.rule),
        ("decoded photos embedded in a second, here", ", ".join(speeds)),
        ("changed pictures", f"made of the photo with at most {LONGEST:,} pixels a side, saved as JPEG {AFTERWARDS} "
         "unless the row names a quality; the query of the row none is the photo itself"),
        ("copies within the folder", f"{result.copied:,} of the {result.queries:,} photos have others of the same "
         "pixels, or near-duplicates; those are neither right nor wrong"),
        ("name+turns", "the picture is a query in all eight orientations, mirrored and turned by quarters"),
        ("photos", f"one from each of equal stretches of the folder by name, drawn with seed {result.seed}"),
        *([("not read", "; ".join(result.unread))] if result.unread else []),
    ]  # fmt: skip
