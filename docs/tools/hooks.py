"""What MkDocs does not know: files of the repository that pages link to, and that nothing comes from elsewhere.

A link that leaves docs/ is right where the page is read in the repository. For the site each file that is linked to
becomes a page below `repository/`: Markdown as it is, a notebook as its cells, any other text as a block of code.
"""

import json
import logging
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = "repository"
LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s#]+)((?:#[^)\s]*)?)(?=\))")
ELSEWHERE = re.compile(
    r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?(?:https?:)?//|<link[^>]*href=["']?(?:https?:)?//"""
)
CODE = {".yaml": "yaml", ".toml": "toml", ".py": "python", ".json": "json"}
log = logging.getLogger("mkdocs.plugins.hooks")


def place_of(target: str) -> str:
    """Return where a file of the repository, or a folder with a README, is among the site's sources."""
    if (ROOT / target).is_dir():
        target = f"{target}/README.md"
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return f"{OUTSIDE}/{target}" + ("" if target.endswith(".md") else ".md")


def file_of(place: str) -> str:
    """Return the file of the repository that is at a place of the site."""
    if not place.startswith(f"{OUTSIDE}/"):
        return f"docs/{place}"
    name = place.removeprefix(f"{OUTSIDE}/")
    return name.removesuffix(".md") if (ROOT / name.removesuffix(".md")).is_file() else name


def links(text: str, place: str) -> dict[str, str]:
    """Return the links of a page to files of the repository: as they are written, and the files."""
    folder = posixpath.dirname(file_of(place))
    found = {link: posixpath.normpath(posixpath.join(folder, link)) for link, _ in LINK.findall(text)}
    return {link: target for link, target in found.items() if (ROOT / target).exists()}


def text_of(name: str) -> str:
    """Return a file of the repository as Markdown; for the missing README of a folder what is in it."""
    folder = (ROOT / name).parent
    if not (ROOT / name).exists() and name.endswith("/README.md"):
        rows = "".join(f"- [{path.name}]({path.name})\n" for path in sorted(folder.iterdir()) if path.is_file())
        return f"# {folder.relative_to(ROOT).as_posix()}\n\n{rows}"
    text = (ROOT / name).read_text(encoding="utf-8")
    if name.endswith(".md"):
        return text
    if name.endswith(".ipynb"):
        return notebook(json.loads(text))
    return f"# {name}\n\n````{CODE.get(Path(name).suffix, 'text')}\n{text.rstrip()}\n````\n"


def notebook(values: dict[str, Any]) -> str:
    """Return a notebook's cells and what they printed or drew as Markdown."""
    parts = []
    for cell in values["cells"]:
        source = "".join(cell["source"]).rstrip()
        parts.append(source if cell["cell_type"] == "markdown" else f"````python\n{source}\n````")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if kind := next((each for each in data if each in ("image/png", "image/jpeg")), None):
                parts.append(f"![](data:{kind};base64,{''.join(''.join(data[kind]).split())})")
            elif written := "".join(output.get("text", data.get("text/plain", ""))).rstrip():
                parts.append(f"````text\n{written}\n````")
    return "\n\n".join(parts) + "\n"


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each file that a page links to, and for those that these link to."""
    waiting = [file.src_uri for file in files.documentation_pages()]
    while waiting:
        place = waiting.pop()
        for target in links(text_of(file_of(place)), place).values():
            there = place_of(target)
            if there.startswith(OUTSIDE) and files.get_file_from_path(there) is None:
                file = File.generated(config, there, content=text_of(file_of(there)))
                files.append(file)
                waiting.append(there)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let each link to a file of the repository point to its page."""
    place = page.file.src_uri
    known = links(markdown, place)

    def moved(match: re.Match[str]) -> str:
        if match[1] not in known:
            return match[0]
        return posixpath.relpath(place_of(known[match[1]]), posixpath.dirname(place) or ".") + match[2]

    return LINK.sub(moved, markdown)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Warn of a page that would load something from another host."""
    if found := ELSEWHERE.search(output):
        log.warning("%s loads from elsewhere: %s", page.file.src_uri, found[0][-80:])
    return output
