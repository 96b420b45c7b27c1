"""The rules of the house: who may import whom, and how large a file, a function and the package may be."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "facematch"
# From the ground up: a room imports those below it.
ROOMS = (
    "core", "settings", "models", "photos", "ranking", "faces", "identities", "networks", "losses", "embedders",
    "refine", "evaluation", "thresholds", "near_duplicates", "charts", "pipeline", "tasks", "cli",
)  # fmt: skip
# The tasks that may import another: who, and whom.
BETWEEN_TASKS = {
    ("compare", "training"),
    ("training", "finder"),  # `train` makes what the settings describe
    ("compare", "competition"),
    ("hashing", "compare"),  # codes of unlike sizes are systems side by side: its tables and its chart
    ("robustness", "images"),
    ("rehearsal", "competition"),  # the submission that is scored is the one that is sent
}
MODULES = sorted(SOURCE.rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[tuple[str, ...], str, int]]:
    """Yield the module (as parts below facematch), the name and the line of every import of facematch's own."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "facematch":
            for alias in node.names:
                yield tuple(node.module.split(".")[1:]), alias.name, node.lineno
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "facematch":
                    yield tuple(alias.name.split(".")[1:]), "", node.lineno


# Notices for a person: only a command, and what several commands share, may print.
PRINTING = ("pipeline", "tasks", "cli")


def complaint(here: tuple[str, ...], there: tuple[str, ...], name: str) -> str | None:
    """Return what is wrong with an import of `name` from `there` in the module `here`, or None."""
    if not there:  # `from facematch import ROOM` or its version
        there = (name,)
        if name == "__version__":
            return None
    if len(here) == 1 or here[0] not in ROOMS:
        return None  # __init__ and __main__
    if there[:2] == ("core", "console") and here[0] not in PRINTING:
        return "prints below pipeline/"
    up, down = ROOMS.index(here[0]), ROOMS.index(there[0])
    if up < down:
        return "runs up"
    if here[0] == there[0] == "tasks":
        pair = here[1], there[1] if len(there) > 1 else name
        if pair[0] != pair[1] and pair not in BETWEEN_TASKS:
            return "runs between two tasks"
    if (
        (there[:2] == ("settings", "root") and name == "Settings")
        and up < ROOMS.index("pipeline")
        and here[0] != "settings"
    ):
        return "takes a Settings below pipeline/"
    return None


def test_no_import_runs_up_or_between_tasks() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}:{line} {why}: {'.'.join(there)} ({name})"
        for path in MODULES
        for there, name, line in imports(path)
        if (why := complaint(path.relative_to(SOURCE).with_suffix("").parts, there, name))
    ]
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle() -> None:
    names = {".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__") for path in MODULES}
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        here = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for there, name, _ in imports(path):
            module = ".".join((*there, name))
            graph.setdefault(here, set()).add(module if module in names else ".".join(there))
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_the_first_floor_of_the_package_is_short() -> None:
    entries = [path.name for path in SOURCE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= 26, sorted(entries)


def test_files_and_functions_are_short() -> None:
    long = []
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        if (lines := text.count("\n")) > 300:
            long.append(f"{path.relative_to(SOURCE)}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > 60:
                    long.append(f"{path.relative_to(SOURCE)}: {node.name}, {lines} lines")
    assert not long, "\n".join(long)


def _public(tree: ast.Module, name: str) -> Iterator[tuple[str, ast.AST]]:
    yield name, tree
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield f"{name}.{node.name}", node
            if isinstance(node, ast.ClassDef):
                for each in node.body:
                    if isinstance(each, ast.FunctionDef) and not each.name.startswith("_"):
                        yield f"{name}.{node.name}.{each.name}", each


def test_everything_public_has_a_docstring() -> None:
    bare = [
        name
        for path in MODULES
        for name, node in _public(ast.parse(path.read_text(encoding="utf-8")), str(path.relative_to(SOURCE)))
        if not ast.get_docstring(node)  # type: ignore[arg-type]
    ]
    assert not bare, "\n".join(bare)
