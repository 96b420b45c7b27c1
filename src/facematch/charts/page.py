"""What every page made of a template is: one file that needs no network and no other file, and obeys no name."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup

from facematch.core.text import printable

# Nothing comes from elsewhere and nothing goes there; the one style and the one script are told by their digests.
_POLICY = "default-src 'none'; img-src data:; {sources}; base-uri 'none'; form-action 'none'"


def render_page(
    package: str,
    template: str,
    values: Mapping[str, Any],
    *,
    styles: Sequence[str],
    script: str | None = None,
    filters: Mapping[str, Callable[..., Any]] | None = None,
) -> bytes:
    """Return a template of `package` filled with `values` as UTF-8; everything is escaped, but for Markup.

    The page gets `style` (all `styles` together), `script`, and `policy`, which allows nothing else to be loaded
    or run. Filter `printable` shows what strangers named; `filters` are more of them.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("facematch.charts")]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"printable": printable, **(filters or {})}
    parts = {"style": "".join(_source(environment, name) for name in styles)}
    if script is not None:
        parts["script"] = _source(environment, script)
    sources = "; ".join(f"{kind}-src 'sha256-{_digest(text)}'" for kind, text in parts.items())
    marked = {kind: Markup(text) for kind, text in parts.items()}
    page = environment.get_template(template).render(**values, **marked, policy=_POLICY.format(sources=sources))
    return page.encode("utf-8", "replace")


def _source(environment: Environment, name: str) -> str:
    # One kind of line end, whatever the checkout made of it: browsers hash what they have parsed.
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0].replace("\r\n", "\n")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
