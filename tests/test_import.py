"""Importing facematch changes nothing in the process: what other libraries do meanwhile is not counted."""

import json
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
STATE = """
import json, logging, os, sys, warnings
import cv2
from PIL import Image, ImageFile

def state():
    torch = sys.modules["torch"]
    return {
        "threads of OpenCV": cv2.getNumThreads(),
        "threads of torch": [torch.get_num_threads(), torch.get_num_interop_threads(), str(torch.get_default_dtype())],
        "determinism of torch": [torch.initial_seed(), torch.are_deterministic_algorithms_enabled()],
        "warnings": [str(each) for each in warnings.filters],
        "showwarning": str(warnings.showwarning),
        "environment": dict(os.environ),
        "Pillow": [Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, sorted(Image.OPEN), Image._initialized],
        "loggers": {
            name: [str(logger.handlers), logger.level, logger.disabled]
            for name, logger in [("", logging.root), *logging.Logger.manager.loggerDict.items()]
            if isinstance(logger, logging.Logger)
        },
        "recursion": sys.getrecursionlimit(),
        "excepthook": str(sys.excepthook),
    }
"""


def test_importing_every_module_leaves_the_process_as_it_was() -> None:
    names = sorted(
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for path in (SOURCE / "facematch").rglob("*.py")
        if path.stem != "__main__"
    )
    everything = f"import importlib, json, sys\nfor name in {names}: importlib.import_module(name)\n"
    others = "print(json.dumps([name for name in sys.modules if not name.startswith(('facematch', '__main__'))]))"
    met = run(everything + others).splitlines()
    assert len(met) == 1, met[:-1]  # nothing was printed
    code = f"""
import contextlib, importlib, os
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
for name in {json.loads(met[0])}:
    with contextlib.suppress(Exception):
        importlib.import_module(name)
{STATE}
before = state()
{everything}
after = state()
print(json.dumps({{key: [before[key], after[key]] for key in before if before[key] != after[key]}}))
"""
    assert json.loads(run(code)) == {}


def run(code: str) -> str:
    """Return what a program prints; nothing may come on standard error."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
