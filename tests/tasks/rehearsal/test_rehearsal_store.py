"""Scored submissions on the disk: none lost, none twice under one key."""

import random
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.evaluation.score import Score
from facematch.tasks.rehearsal.store import Store

IMAGES = {"q.jpg": ["a.jpg", "b.jpg"]}


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    store = Store(tmp_path / "new" / "s.sqlite")
    first, new = store.add("us", IMAGES, Score(0.1, 0.2, 0.3), 150, "digest", "key")
    store.close()
    store = Store(tmp_path / "new" / "s.sqlite")
    assert new
    assert store.all() == [first] == [store.find("key")]
    assert store.images(first.id) == IMAGES
    assert store.version() == first.id == 1
    store.close()


def test_a_key_is_scored_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    first, _ = store.add("us", IMAGES, Score(0, 0, 0), 0, "digest", "key")
    second, new = store.add("us", IMAGES, Score(1, 1, 1), 1000, "digest", "key")
    assert (second, new) == (first, False)
    for _ in range(3):
        assert store.add("us", IMAGES, Score(0, 0, 0), 0, "digest", None)[1]
    assert len(store.all()) == 4


def test_a_failure_in_the_middle_leaves_nothing_open(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    with sqlite3.connect(tmp_path / "s.sqlite") as table:
        table.execute("CREATE TRIGGER full BEFORE INSERT ON scored BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
    for _ in range(2):
        with pytest.raises(sqlite3.Error, match="disk is full"):
            store.add("us", IMAGES, Score(0, 0, 0), 0, "digest", "key")
    with sqlite3.connect(tmp_path / "s.sqlite") as table:
        table.execute("DROP TRIGGER full")
    assert store.all() == []
    assert store.add("us", IMAGES, Score(0, 0, 0), 0, "digest", "key")[1]
    store.close()


def test_many_threads_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")

    def work(worker: int) -> None:
        for number in range(20):
            store.add("us", IMAGES, Score(0, 0, 0), 0, "digest", f"{worker if number % 2 else 'shared'}-{number}")

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.all()) == 8 * 10 + 10
    store.close()


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_bytes(b"no database" * 500)
    with pytest.raises(FacematchError, match=r"s\.sqlite cannot be used"):
        Store(tmp_path / "s.sqlite")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE scored DROP COLUMN sha256",
        "UPDATE scored SET time = 'yesterday'",
        "UPDATE scored SET time = x'00'",
        "DROP TABLE scored; CREATE VIEW scored AS SELECT 1",
    ],
)
def test_a_store_of_another_kind_is_told_before_anything_listens(tmp_path: Path, statement: str) -> None:
    store = Store(tmp_path / "s.sqlite")
    store.add("us", IMAGES, Score(0, 0, 0), 0, "digest", "key")
    store.close()
    with sqlite3.connect(tmp_path / "s.sqlite") as table:
        table.executescript(statement)
    with pytest.raises(FacematchError, match=r"s\.sqlite cannot be used: ") as caught:
        Store(tmp_path / "s.sqlite")
    assert "--store" in caught.value.hint


def test_a_damaged_store_is_one_sentence_or_works(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    for number in range(30):
        store.add("us", {f"q{n}": ["g"] * 10 for n in range(100)}, Score(0, 0, 0), 0, "digest", f"key {number}")
    store.close()
    whole, chance, refused = (tmp_path / "s.sqlite").read_bytes(), random.Random(1), 0
    for number in range(60):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 20, 400))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path = tmp_path / f"{number}.sqlite"
        path.write_bytes(damaged[: chance.choice((len(damaged), chance.randrange(len(damaged))))])
        opened = None
        with suppress(FacematchError):
            opened = Store(path)
        if opened is None:
            refused += 1
            continue
        for each in opened.all():
            with suppress(sqlite3.Error):
                opened.images(each.id)
        opened.close()
    assert refused > 10


@pytest.mark.parametrize("damage", ["[", "\x00", "{}", None])
def test_damaged_answers_are_the_stores_error(tmp_path: Path, damage: str | None) -> None:
    store = Store(tmp_path / "s.sqlite")
    store.add("us", IMAGES, Score(0, 0, 0), 0, "digest", "key")
    with sqlite3.connect(tmp_path / "s.sqlite") as table:
        table.execute("UPDATE scored SET images = ?", (damage or b"\xff",))
    if damage == "{}":
        assert store.images(1) == {}
    else:
        with pytest.raises(sqlite3.Error, match="submission 1 is damaged"):
            store.images(1)
    store.close()
