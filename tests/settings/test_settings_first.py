"""Every command that takes settings says a mistake in them before it loads torch, which takes seconds."""

import json
import subprocess
import sys
from pathlib import Path

# In a process of its own, where torch cannot be imported: each command with --config, its required arguments made up,
# once with a file that holds an unknown key, once with a file that is not there, once with an unknown --set.
_TRY_ALL = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
import typer
from facematch.cli.app import app
from facematch.core.errors import FacematchError

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "albumentations", "umap", "onnxruntime", "skimage"):
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, NoTorch())

def commands(group, before=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name), command

def made_up(command):
    for each in command.params:
        if each.required or each.name == "number":
            value = "1" if each.name in ("number", "first", "second") else "made-up.safetensors"
            yield from [value] if each.param_type_name == "argument" else [each.opts[0], value]

root, found = typer.main.get_command(app), {}
for names, command in commands(root):
    options = {option for each in command.params for option in each.opts}
    tries = {"file": ["--config", "bad.yaml"], "missing": ["--config", "missing.yaml"]} if "--config" in options else {}
    if tries and "--set" in options:
        tries["set"] = ["--config", "good.yaml", "--set", "sizze=1"]
    for kind, given in tries.items():
        said = io.StringIO()
        try:
            with redirect_stdout(said), redirect_stderr(said):
                root.main([*names, *made_up(command), *given], standalone_mode=False)
            end = "ended well"
        except FacematchError as error:
            end = error.message
        except BaseException as error:
            end = f"{type(error).__name__}: {error}"
        found[" ".join((*names, kind))] = end
print(json.dumps(found))
"""


def test_a_mistake_in_the_settings_is_said_before_torch_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("sizze: 1\n")
    (tmp_path / "good.yaml").write_text("{}\n")
    done = subprocess.run(
        [sys.executable, "-c", _TRY_ALL], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) > 60
    expected = {
        "file": "sizze is not a known setting",
        "set": "sizze is not a known setting",
        "missing": "missing.yaml",
    }
    wrong = {name: end for name, end in found.items() if expected[name.rsplit(" ", 1)[1]] not in end}
    assert not wrong
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["bad.yaml", "good.yaml"]
