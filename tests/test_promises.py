"""The promises in docs/reliability.md: every test that the table names is there, so none loses what holds it."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADING = "What it promises"


def promises(page: str) -> list[tuple[str, list[str]]]:
    """Return each promise below the heading with the tests it names, as `tests/FILE.py::NAME`."""
    section = re.search(rf"^#+ {HEADING}\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    rows = [] if section is None else re.findall(r"^\|(.+)\|(.+)\|\s*$", section.group(1), re.MULTILINE)
    return [(promise.strip(), re.findall(r"`([^`]+)`", held)) for promise, held in rows[2:]]  # below its head


def defined(path: Path) -> set[str]:
    """Return the tests of a file: `test_x`, and `TestY::test_x` for those in a class."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        before = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {f"{before}{each.name}" for each in inner if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    return found


def test_every_promise_names_a_test_that_is_there() -> None:
    table = promises((ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"))
    assert len(table) >= 16
    for promise, tests in table:
        assert tests, f"nothing holds: {promise}"
        for test in tests:
            file, _, name = test.partition("::")
            assert (ROOT / file).is_file(), f"{promise}: there is no {file}"
            assert name in defined(ROOT / file), f"{promise}: {file} has no {name}"


def test_the_table_is_read_as_it_is_written() -> None:
    text = (
        f"# A\n\n## {HEADING}\n\nWords.\n\n| promise | held by |\n| --- | --- |\n| one | `tests/a.py::test_b` |\n"
        "| two | `tests/c.py::test_d`, `tests/e.py::TestF::test_g` |\n| three | hope |\n\n## B\n\n| x | `y` |\n"
    )
    assert promises(text) == [
        ("one", ["tests/a.py::test_b"]),
        ("two", ["tests/c.py::test_d", "tests/e.py::TestF::test_g"]),
        ("three", []),
    ]
    assert "test_the_table_is_read_as_it_is_written" in defined(Path(__file__))
