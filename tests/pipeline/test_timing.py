"""Times on a clock that tests turn: who is timed, how often, and by what a round is divided."""

from collections.abc import Callable

import pytest

from facematch.pipeline import timing
from facematch.pipeline.timing import in_turn, machine, median_seconds, seconds_of, timed


class Clock:
    """A clock that stands still but for work that takes its seconds, one after the other, then the last of them."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, list[str]()

    def work(self, name: str, *seconds: float) -> Callable[[], str]:
        left = list(seconds)

        def take() -> str:
            self.calls.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]
            return name

        return take


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: made.now)
    return made


def test_works_take_turns_after_one_round_that_does_not_count(clock: Clock) -> None:
    works = {"one": clock.work("one", 100, 1, 2, 4), "two": clock.work("two", 50, 8)}
    assert in_turn(works, 3) == {"one": (1, 2, 4), "two": (8, 8, 8)}
    assert clock.calls == ["one", "two"] * 4


def test_short_work_is_repeated_and_its_time_divided(clock: Clock) -> None:
    works = {"short": clock.work("short", 64, 0.25), "long": clock.work("long", 64, 4)}
    assert in_turn(works, 2, least=1) == {"short": (0.25, 0.25), "long": (4, 4)}
    assert clock.calls.count("short") == 1 + 1 + 2 * 5
    assert clock.calls.count("long") == 1 + 1 + 2


def test_the_median_round_counts(clock: Clock) -> None:
    assert median_seconds(clock.work("any", 100, 3, 1, 2), 3) == 2


def test_work_is_timed_with_what_it_returns(clock: Clock) -> None:
    assert timed(clock.work("any", 3)) == (3, "any")
    assert seconds_of(clock.work("any", 0.5)) == 0.5


def test_the_machine_has_a_name_and_cores() -> None:
    assert machine().endswith(" cores")
