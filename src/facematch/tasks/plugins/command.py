"""`facematch plugins`: every kind of embedder, detector, refine step, threshold and loss, and who brings it."""

from facematch.core.console import info, show_json, show_table
from facematch.core.errors import FAILED, FacematchError
from facematch.core.kinds import GIVEN, GROUPS, OURS, Group, Kind, own_names, plugins
from facematch.core.text import count_of


def plugins_command(*, every: bool, as_json: bool) -> None:
    """Print what plug-ins bring, with `every` facematch's own kinds as well; each plug-in is loaded.

    Raises SystemExit(1) where one cannot be used.
    """
    rows = [row for group in GROUPS for row in _rows(group, every=every)]
    broken = sum(row["problem"] is not None for row in rows)
    if as_json:
        show_json(rows)
    elif rows:
        heads = ("group", "name", "brought by", "options")
        found = [
            [str(row["group"]), str(row["name"]), str(row["package"]), str(row["problem"] or _told(row["options"]))]
            for row in rows
        ]
        show_table("Kinds by name", heads, found)
    if not as_json and not any(row["package"] != OURS for row in rows):
        info("no plug-in is installed; docs/plugins.md shows how one is made")
    if broken:
        info(f"{count_of(broken, 'plug-in', 'plug-ins')} cannot be used", "yellow")
        raise SystemExit(FAILED)


def _rows(group: Group, *, every: bool) -> list[dict[str, object]]:
    ours = [_row(group, name, OURS, None, []) for name in own_names(group)] if every else []
    return ours + [_tried(kind, kinds) for kinds in plugins(group).values() for kind in kinds]


def _tried(kind: Kind, same: list[Kind]) -> dict[str, object]:
    options: list[str] = []
    problem = None
    if kind.name in own_names(kind.group):
        problem = "not used: the name is one of facematch's own"
    elif len(same) > 1:
        problem = f"not used: {' and '.join(each.package for each in same)} bring the same name"
    else:
        try:
            options = _options(kind)
        except FacematchError as error:
            problem = error.message
    return _row(kind.group, kind.name, kind.package, problem, options)


def _options(kind: Kind) -> list[str]:
    # As they are written: `side=64`. A threshold is fitted, and has none.
    named = [each for name, each in kind.parameters.items() if name not in GIVEN[kind.group]]
    if kind.group == "thresholds":
        return []
    return [str(each.replace(annotation=each.empty)) for each in named if each.kind is not each.VAR_KEYWORD]


def _row(group: Group, name: str, package: str, problem: str | None, options: list[str]) -> dict[str, object]:
    return {"group": group, "name": name, "package": package, "options": options, "problem": problem}


def _told(options: object) -> str:
    return ", ".join(options) if isinstance(options, list) else ""
