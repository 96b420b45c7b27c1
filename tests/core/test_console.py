"""What a person sees on the way: a bar on a terminal, lines elsewhere, words that are not cut."""

import io
import subprocess
import sys
import warnings
from collections.abc import Callable

import pytest
from rich.console import Console

from facematch.core import console

Say = Callable[[], str]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Say:
    text = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=text, width=40, soft_wrap=True, highlight=False))
    return text.getvalue


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Say:
    text = io.StringIO()
    made = Console(file=text, width=40, soft_wrap=True, highlight=False, force_terminal=True, color_system=None)
    monkeypatch.setattr(console, "err", made)
    return text.getvalue


def test_a_pipe_gets_a_line_every_ten_seconds(told: Say, clock: list[float]) -> None:
    with console.progress("cropping", 2000) as step:
        for done in range(2000):
            clock[0] += 0.01
            step(done + 1)
    assert told() == "cropping: 50%, about 10 s left\n"


def test_where_it_stands_and_how_long_it_takes_from_where_it_began(told: Say, clock: list[float]) -> None:
    with console.progress("training", 40_000, done=20_000) as step:
        clock[0] += 60
        step(21_000, "epoch 22/40, loss 0.31")
        clock[0] += 9
        step(21_100, "epoch 22/40, loss 0.30")
        clock[0] += 2
        step(20_000)
    assert told().splitlines() == ["training: epoch 22/40, loss 0.31, 52%, about 19 min left", "training: 50%"]


@pytest.mark.parametrize(("total", "seconds"), [(1000, 0.009), (0, 100.0)])
def test_work_that_ends_soon_or_is_none_prints_nothing(
    told: Say, clock: list[float], total: int, seconds: float
) -> None:
    with console.progress("cropping", total) as step:
        for done in range(1000):
            clock[0] += seconds
            step(done + 1)
    assert told() == ""


@pytest.mark.parametrize(("seconds", "words"), [(98.4, "98 s"), (100, "2 min"), (5000, "83 min"), (90_000, "25 h")])
def test_a_span_in_words(seconds: float, words: str) -> None:
    assert console._span(seconds) == words


def test_a_terminal_gets_a_bar_with_words(terminal: Say) -> None:
    with console.progress("[a]", 10) as step:
        step(3, "epoch 1/2, loss [b]")
    shown = terminal()
    assert "[a]" in shown
    assert "30%" in shown
    assert "loss [b]" in " ".join(shown.split())


def test_a_terminal_gets_whole_words_and_commands_in_one_piece(terminal: Say) -> None:
    text = "epoch 1/3  loss 0.2000  active 50%  unseen people: top-1 0.2  top-10 0.342"
    path = "checkpoints/" + "a" * 50
    console.info(text)
    console.info(f"weights, settings and log: {path}")
    console.info("python train.py --config config/triplet.yaml --resume", wrap=False)
    lines = terminal().splitlines()
    assert lines[:2] == ["epoch 1/3  loss 0.2000  active 50%", "unseen people: top-1 0.2  top-10 0.342"]
    assert path in lines
    assert lines[-1] == "python train.py --config config/triplet.yaml --resume"


def test_a_pipe_gets_each_note_in_one_line(told: Say) -> None:
    console.info("word " * 30 + "end")
    assert told() == "word " * 30 + "end\n"


def test_names_between_colons_stay_as_they_are() -> None:
    code = "from facematch.core.console import info, result, show_table, warn\n"
    code += "for say in (info, result, warn): say('a:x: b')\nshow_table('t:x:', ['c:x:'], [['d:x: e']])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout + done.stderr).count(":x:") == 6


def test_a_table_in_a_pipe_wraps_no_cell() -> None:
    code = (
        "from facematch.core.console import show_table\n"
        "show_table('wide', ['a', *'bcdefgh'], [['some words of a row', *['0123456789 0123456789'] * 7]])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "some words of a row" in done.stdout
    assert done.stdout.count("0123456789 0123456789") == 7


def test_a_library_says_nothing_even_in_a_process_that_ran_a_command(
    monkeypatch: pytest.MonkeyPatch, told: Say, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # a command changes it
    console.show_messages()
    with console.unheard(), caplog.at_level("INFO", "facematch"):
        console.info("a note")
        console.result("a result")
        console.show_table("a table", ["x"], [["1"]])
        with console.progress("work", 2) as step, console.waiting("for it"):
            step(1)
        with pytest.warns(UserWarning, match="^mind this$"):
            console.warn("mind this")
        with pytest.warns(UserWarning, match="^in yellow$"):
            console.info("in yellow", "yellow")
        assert not console.ask("is anybody there?")
    with console.unheard(), warnings.catch_warnings():
        warnings.simplefilter("always")
        console.warn("nobody hears this")
    assert told() == ""
    assert capsys.readouterr().out == ""
    assert [record.getMessage() for record in caplog.records] == [
        "a note",
        "a result",
        "a table: [['x'], ['1']]",
        "for it",
    ]
    console.info("heard again")
    assert told() == "heard again\n"
