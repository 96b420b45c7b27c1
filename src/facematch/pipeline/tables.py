"""Tables of figures for the terminal."""

from collections.abc import Sequence

from facematch.core.console import show_table
from facematch.evaluation.bootstrap import Estimate


def show_figures(title: str, figures: Sequence[Estimate]) -> None:
    """Print a table of figures with their intervals and notes."""
    show_table(
        f"{title} [95 % interval over people]",
        ["figure", "value", "of", "people", "note"],
        [[each.name, str(each), str(each.count), str(each.people), each.note] for each in figures],
    )
