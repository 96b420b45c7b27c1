"""What a report's script reads: photos, queries and the map, as JSON that can stand inside a page."""

import base64
import json
from typing import Any

from facematch.core.text import printable
from facematch.tasks.report.data import Answer, QueryRow, ReportData, wanted_photos

# Inside <script> no text may open a tag or a comment; & is escaped so that XHTML reads the same.
_SAFE = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}


def page_json(data: ReportData) -> str:
    """Return the page's data as ASCII JSON without `<`, `>` and `&`.

    Every photo has a number: its name, whom it shows and its thumbnail stand once, at that number. A query is
    [photo, right photos in the gallery, average precision or null, answers, first right answer or null], an
    answer [photo, place, distance, 1 where it is right].
    """
    number = photo_numbers(data)
    names = list(number)
    people = {who: at for at, who in enumerate(dict.fromkeys(data.people.get(name, "") for name in names))}

    def answer(each: Answer) -> list[Any]:
        return [number[each.name], each.place, float(f"{each.distance:.5g}"), int(each.right)]

    def query(row: QueryRow) -> list[Any]:
        precision = None if row.average_precision is None else round(row.average_precision, 4)
        first = None if row.first is None else answer(row.first)
        return [number[row.name], row.relevant, precision, [answer(each) for each in row.answers], first]

    drawn = data.drawn
    values = {
        "names": [printable(name) for name in names],
        "people": [printable(who) for who in people],
        "shows": [people[data.people.get(name, "")] for name in names],
        "thumbnails": [base64.b64encode(data.thumbnails.get(name, b"")).decode() for name in names],
        "queries": [query(row) for row in data.queries],
        "map": None
        if drawn is None
        else [
            [number[name], *xy] for name, xy in zip(drawn.names, (drawn.points * 1000).round().tolist(), strict=True)
        ],
        "threshold": data.threshold,
    }
    return json.dumps(values, ensure_ascii=True, separators=(",", ":"), allow_nan=False).translate(_SAFE)


def photo_numbers(data: ReportData) -> dict[str, int]:
    """Return the number that each photo has in the page's data."""
    return {name: at for at, name in enumerate(wanted_photos(data.queries, data.records, data.drawn))}
