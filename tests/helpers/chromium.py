"""Chromium, driven by Playwright, for tests of pages. Tests skip where there is none."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The least contrast of any text with what lies behind it (WCAG 2.1, 1.4.3).
CONTRAST = """() => {
  const channel = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  const paper = element => {
    for (; element; element = element.parentElement) {
      const colour = rgb(getComputedStyle(element).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  return Math.min(...[...document.querySelectorAll("body *")].filter(
    each => [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()) && each.getClientRects().length
  ).map(each => {
    const svg = each instanceof SVGElement;
    const [a, b] = [light(rgb(getComputedStyle(each)[svg ? "fill" : "color"])), light(paper(each))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }));
}"""


@contextmanager
def launched() -> Iterator[Any]:
    """Yield a browser, or skip; with FACEMATCH_BROWSER_TESTS=required a missing one is a failure."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    required = os.environ.get("FACEMATCH_BROWSER_TESTS") == "required"
    if found is None and not required:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    assert found is not None, "FACEMATCH_BROWSER_TESTS=required, but there is no Chromium"
    try:
        from playwright import sync_api as playwright
    except ImportError:
        assert not required, "FACEMATCH_BROWSER_TESTS=required, but Playwright is not installed"
        pytest.skip("Playwright is not installed (pip install playwright)")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=OPTIONS)
        yield opened
        opened.close()
