"""umap-learn, imported once, with what it compiles kept on disk.

Its import and its first fit compile for half a minute. umap-learn lets numba keep only a part of that, so the two
functions used here are made to keep theirs, too, in the folder that `prepare_numba` names.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from facematch.core.errors import FacematchError


def prepare_numba(cache: Path) -> bool:
    """Let numba keep compiled code below the cache folder, or where $NUMBA_CACHE_DIR says.

    Call it before anything here is imported. Returns whether something is kept there already.
    """
    folder = Path(os.environ.setdefault("NUMBA_CACHE_DIR", str(cache / "numba")))
    return folder.is_dir() and any(folder.rglob("*.nbc"))


@cache
def umap_module() -> Any:
    """Return the module `umap.umap_`. Raises FacematchError when umap-learn is not installed."""
    _keep_compiled()
    with _needed("umap-learn"):
        from umap import umap_
    for function in (umap_.smooth_knn_dist, umap_.compute_membership_strengths):
        function.enable_caching()
    return umap_


@cache
def kernel_module() -> Any:
    """Return `facematch.tasks.umap.kernel`. Raises FacematchError when numba, which umap-learn brings, is missing."""
    _keep_compiled()
    from facematch.tasks.umap import kernel

    return kernel


def _keep_compiled() -> None:
    # numba reads the folder when it is imported, which something else may have done before it was named.
    with _needed("numba"):
        from numba import config
    if folder := os.environ.get("NUMBA_CACHE_DIR"):
        vars(config)["CACHE_DIR"] = folder


@contextmanager
def _needed(name: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise FacematchError(
            f"UMAP needs {name}, which cannot be imported ({error}).",
            "Run: pip install 'facematch[umap]', or pip install umap-learn (the package umap is something else).",
        ) from error
