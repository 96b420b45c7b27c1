"""The site: made pages are what the code gives, links lead somewhere, and it is read from the disk."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pydantic
import pytest

import facematch
import facematch.plugins
from page_commands import ROOT

TOOL = ROOT / "docs" / "tools" / "reference.py"
needs_mkdocs = pytest.mark.skipif(
    not all(map(find_spec, ("mkdocs", "material", "mkdocstrings"))), reason="the extra docs is not installed"
)
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(?:#[^)\s]*)?(?=\))")
LOOKED_AT = ("index", "start", "guides/competition", "reference/commands", "reference/settings", "reference/python")


def test_the_reference_is_what_the_code_gives() -> None:
    if tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 12):
        pytest.skip("an earlier pydantic writes the same schema in other words")
    done = subprocess.run([sys.executable, str(TOOL), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_setting_says_what_it_is_for() -> None:
    text = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| `(.+?)` \|.*\| (.*) \|$", text)
    assert len(rows) > 180
    assert [key for key, said in rows if not said.strip()] == []


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: str(page.relative_to(ROOT))
)
def test_links_lead_to_files_of_the_repository(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_the_readme_is_a_screen_and_a_half() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
    assert text.count("![") == 1


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@needs_mkdocs
def test_files_of_the_repository_are_pages_and_nothing_comes_from_elsewhere(site: Path) -> None:
    card = (site / "repository/checkpoints/default/index.html").read_text(encoding="utf-8")
    assert 'href="../../../domains.html"' in card
    settings = (site / "repository/config/triplet.yaml.html").read_text(encoding="utf-8")
    assert "learning_rate" in settings
    notebook = json.loads((ROOT / "examples/notebooks/own_training_loop.ipynb").read_text(encoding="utf-8"))
    code = next("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    page = (site / "repository/examples/notebooks/own_training_loop.ipynb.html").read_text(encoding="utf-8")
    assert code.split()[-1].strip("()\"'")[:8] in re.sub("<[^>]*>", "", page)
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<(script|img|link|iframe)[^>]*(src|href)=\"?(https?:)?//", text), path


@needs_mkdocs
def test_every_promised_name_is_on_the_page_of_python(site: Path) -> None:
    page = (site / "reference/python.html").read_text(encoding="utf-8")
    for name in (
        *facematch.__all__,
        *facematch.plugins.__all__,
        "TripletLoss",
        "PKSampler",
        "FaceFolder",
        "check_embedder",
    ):
        assert re.search(rf'id="facematch\.([\w.]+\.)?{name}"', page), name


@needs_mkdocs
@pytest.mark.parametrize("width", [400, 1280])
def test_pages_fit_the_screen_and_search_works_from_the_disk(site: Path, browser: Any, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 1200})
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: wrong.append(asked.url) if asked.url.startswith("http") else None)
    for name in LOOKED_AT:
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert page.evaluate("[...document.images].every(each => each.complete && each.naturalWidth > 0)"), name
    page.keyboard.press("s")  # the theme's key for its search
    page.keyboard.type("conformal")
    page.wait_for_selector(".md-search-result__item", timeout=20_000)
    assert "conformal" in page.locator(".md-search-result__list").inner_text()
    assert wrong == []
    page.close()
