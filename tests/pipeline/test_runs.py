"""The command by which a training goes on is the one that was typed, quoted, with --resume once."""

import shlex
import sys
from pathlib import Path

import pytest

from facematch.tasks.training.start import going_on

MEANT = (Path("config/x.yaml"), ["name=a b", "network.embedding=16"])


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (
            ["python", "train.py", "--config", "my config.yaml", "--set", "name=r 18", "--fresh"],
            "python train.py --config 'my config.yaml' --set 'name=r 18' --resume",
        ),
        (
            [".venv/bin/python3", "../a clone/train.py", "--exp_name", "cub", "--code_size", "16", "--resume"],
            ".venv/bin/python3 '../a clone/train.py' --exp_name cub --code_size 16 --resume",
        ),
        (["python", "/v/bin/facematch", "train", "-c", "c.yaml"], "facematch train -c c.yaml --resume"),
        (["py", "-m", "facematch", "train", "--resume", "--resume"], "py -m facematch train --resume"),
        (
            ["python", "/v/bin/facematch", "demo"],
            "facematch train --config config/x.yaml --set 'name=a b' --set network.embedding=16 --resume",
        ),
    ],
)
def test_how_a_training_goes_on(monkeypatch: pytest.MonkeyPatch, typed: list[str], expected: str) -> None:
    argv = ["/somewhere/facematch/__main__.py", *typed[3:]] if typed[1] == "-m" else typed[1:]
    monkeypatch.setattr(sys, "orig_argv", typed)
    monkeypatch.setattr(sys, "argv", argv)
    found = going_on(*MEANT)
    assert shlex.split(found) == shlex.split(expected)
    if sys.platform != "win32":
        assert found == expected
