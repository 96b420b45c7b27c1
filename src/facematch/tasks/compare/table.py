"""Tables of systems side by side, one row for each: made once, for the terminal and for a page."""

from dataclasses import dataclass

from facematch.core.console import show_table
from facematch.core.text import interval_words, number_words, printable
from facematch.evaluation.bootstrap import Estimate
from facematch.evaluation.comparison import Comparison


@dataclass(frozen=True)
class Cell:
    """A value, and in small lines below it what belongs to it: an interval, a count."""

    text: str
    under: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(map(printable, (self.text, *self.under)))


@dataclass(frozen=True)
class Row:
    """A system's cells: `number` is its name in the charts, and `failed` stands in place of all cells."""

    head: Cell
    cells: tuple[Cell, ...] = ()
    number: str = ""
    best: bool = False
    failed: str = ""


@dataclass(frozen=True)
class Table:
    """Rows below the names of their columns, of which the first is over the rows' heads."""

    heading: str
    columns: tuple[Cell, ...]
    rows: tuple[Row, ...]

    def show(self) -> None:
        """Print the table."""
        rows = [[str(row.head), *(["failed"] if row.failed else map(str, row.cells))] for row in self.rows]
        show_table(self.heading, list(map(str, self.columns)), rows)


def headed(*columns: str | Cell) -> tuple[Cell, ...]:
    """Return the heads of columns."""
    return tuple(each if isinstance(each, Cell) else Cell(each) for each in columns)


def shown(value: float | None, by: str = "") -> str:
    """Return a figure's value as it is printed: whole points of a score, else three digits of a share."""
    return "–" if value is None else number_words(value, _form(by))


def gain(found: Comparison, by: str = "") -> Cell:
    """Return a difference with its interval."""
    return _cell(number_words(found.difference, f"+{_form(by)}"), interval_words(found.interval, f"+{_form(by)}"))


def estimate(figure: Estimate, by: str = "") -> Cell:
    """Return a figure with its interval."""
    return _cell(shown(figure.value, by), interval_words(figure.interval, _form(by)))


def _form(by: str) -> str:
    return ".0f" if by == "score" else ".3f"


def _cell(text: str, under: str) -> Cell:
    return Cell(text, (under,) if under else ())
