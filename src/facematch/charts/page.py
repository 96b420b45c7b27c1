"""The kit of every page: one base template, one style, one policy; what strangers named is shown and never obeyed."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from facematch.charts.draw import draw
from facematch.core.text import interval_words, printable, with_interval

# Nothing comes from elsewhere and nothing goes there; the one style and the one script are known by their digests.
_POLICY = "default-src 'none'; {images}; {sources}; base-uri 'none'; form-action 'none'"
_IMAGES = {False: "img-src data:", True: "img-src 'self' data:; connect-src 'self'"}


def render_page(
    package: str,
    template: str,
    values: Mapping[str, Any],
    *,
    styles: Sequence[str] = (),
    script: str | None = None,
    served: bool = False,
) -> bytes:
    """Return a template of `package`, which extends `page.html`, filled with `values` as UTF-8.

    Every value is made printable and escaped, but for Markup. `page.css` and `styles` are the style, `script` the
    script, and the page's policy allows nothing else to be loaded or run; a `served` page may ask its own server.
    """
    environment = _environment(package)
    parts = {"style": "".join(_source(environment, name) for name in ("page.css", *styles))}
    if script is not None:
        parts["script"] = _source(environment, script)
    digests = {kind: base64.b64encode(hashlib.sha256(text.encode()).digest()) for kind, text in parts.items()}
    sources = "; ".join(f"{kind}-src 'sha256-{digest.decode()}'" for kind, digest in digests.items())
    marked = {"script": "", **{kind: Markup(text) for kind, text in parts.items()}}
    policy = _POLICY.format(images=_IMAGES[served], sources=sources)
    return environment.get_template(template).render(**values, **marked, policy=policy).encode("utf-8", "replace")


@cache
def _environment(package: str) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("facematch.charts")]),
        autoescape=True,
        finalize=_harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"interval": interval_words, "number": _number, "draw": draw}
    return environment


def _harmless(value: object) -> object:
    return value if isinstance(value, Markup) else printable(str(value))


def _number(value: float | None, form: str = ".3f") -> str:
    return with_interval(value, None, form)


def _source(environment: Environment, name: str) -> str:
    # One kind of line end, whatever the checkout made of it: browsers hash what they have parsed.
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0].replace("\r\n", "\n")
