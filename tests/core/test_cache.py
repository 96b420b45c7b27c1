"""The cache keeps by content, survives damage, and is never needed."""

import json
import sqlite3
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facematch.core.cache import Cache, cache_folder


def kept(cache: Cache, key: str) -> tuple[str, bytes] | None:
    """Return the note and the data of a key."""
    return cache.read(key, lambda note, data: (note, data))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.text(min_size=1), st.tuples(st.text(), st.binary()), max_size=8))
def test_what_is_put_comes_back_after_reopening(tmp_path: Path, values: dict[str, tuple[str, bytes]]) -> None:
    values = {k: v for k, v in values.items() if "\x00" not in k + v[0] and (k + v[0]).isprintable()}
    with Cache(tmp_path / "c.sqlite") as cache:
        for key, (text, data) in values.items():
            cache.put(key, text, data)
    with Cache(tmp_path / "c.sqlite") as cache:
        assert {key: kept(cache, key) for key in values} == values


def test_an_unknown_key_is_none(tmp_path: Path) -> None:
    with Cache(tmp_path / "c.sqlite") as cache:
        assert kept(cache, "x") is None


def test_many_threads_share_one_cache(tmp_path: Path) -> None:
    with Cache(tmp_path / "c.sqlite") as cache, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: cache.put(f"k{i % 50}", str(i % 50), bytes([i % 50])), range(2000)))
        assert all(kept(cache, f"k{i}") == (str(i), bytes([i])) for i in range(50))


def test_two_processes_may_have_it_open(tmp_path: Path) -> None:
    with Cache(tmp_path / "c.sqlite") as one:
        one.put("a", "1", b"1")
    with Cache(tmp_path / "c.sqlite") as one, Cache(tmp_path / "c.sqlite") as two:
        assert kept(one, "a") == kept(two, "a") == ("1", b"1")


def test_a_damaged_file_is_set_aside_and_started_again(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    path.write_bytes(b"this is not a database, but it is long enough to be taken for one" * 40)
    with pytest.warns(UserWarning, match="was damaged"), Cache(path) as cache:
        cache.put("a", "1", b"2")
    assert path.with_suffix(".damaged").exists()
    with Cache(path) as cache:
        assert kept(cache, "a") == ("1", b"2")


def test_a_folder_that_cannot_be_used_means_no_cache_but_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="nothing is kept this time"):
        cache = Cache(tmp_path / "file" / "c.sqlite")
    for number in range(300):
        cache.put(f"{number}", "1", b"2")
    assert kept(cache, "0") is None
    cache.close()
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_writer_holds_nobody_up_before_its_rows_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facematch.core.cache._WAIT", 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Cache(tmp_path / "c.sqlite") as one, Cache(tmp_path / "c.sqlite") as other:
            one.put("a", "1", b"2")
            assert kept(one, "a") == ("1", b"2")
            assert kept(other, "a") is None
            for number in range(300):
                other.put(f"{number}", "1", b"2")
            assert kept(one, "0") == ("1", b"2")
            for number in range(9):
                other.put(f"large {number}", "", bytes(1_000_000))
            assert kept(one, "large 7") is not None
            assert kept(one, "large 8") is None
        with Cache(tmp_path / "c.sqlite") as both:
            assert kept(both, "a") == kept(both, "299") == ("1", b"2")


ROWS = {f"k{number}": (f"note {number}", bytes([number]) * 700) for number in range(60)}


def filled(path: Path) -> Path:
    with Cache(path) as cache:
        for key, (note, data) in ROWS.items():
            cache.put(key, note, data)
    return path


def asked_and_put(path: Path) -> list[str]:
    """Ask for every row, put those that are not there, close; return what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Cache(path) as cache:
            for key, row in ROWS.items():
                found = kept(cache, key)
                assert found in (None, row)
                if found is None:
                    cache.put(key, *row)
    return [str(each.message) for each in caught]


def test_damaged_pages_are_set_aside_where_they_are_met(tmp_path: Path) -> None:
    path = filled(tmp_path / "c.sqlite")
    data = bytearray(path.read_bytes())
    for start in range(12288, len(data), 4096):
        data[start : start + 300] = b"\x55" * 300
    path.write_bytes(data)
    (warned,) = asked_and_put(path)
    assert "c.sqlite was damaged (database disk image is malformed) and is started again" in warned
    assert path.with_suffix(".damaged").read_bytes() == bytes(data)
    assert asked_and_put(path) == []
    with Cache(path) as cache:
        assert {key: kept(cache, key) for key in ROWS} == ROWS


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_whatever_bytes_change_a_row_is_what_was_put_or_none(tmp_path: Path, data: st.DataObject) -> None:
    whole = (tmp_path / "whole.sqlite").read_bytes() if (tmp_path / "whole.sqlite").exists() else b""
    whole = whole or filled(tmp_path / "whole.sqlite").read_bytes()
    damaged = bytearray(whole)
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=40)):
        damaged[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "c.sqlite"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else damaged)
    warned = asked_and_put(path)
    assert len(warned) <= 2  # of rows, and of the file
    asked_and_put(path)
    with Cache(path) as cache:
        assert {key: kept(cache, key) for key in ROWS} == ROWS


def test_a_row_that_cannot_be_decoded_is_none_and_said_once(tmp_path: Path) -> None:
    with Cache(filled(tmp_path / "c.sqlite")) as cache:
        assert cache.read("k1", lambda note, data: (note, len(data))) == ("note 1", 700)
        assert cache.read("none", lambda note, data: note) is None
        with pytest.warns(
            UserWarning, match=r"cannot be read \(Expecting value.*\): such rows are made again"
        ) as caught:
            assert [cache.read(key, lambda note, data: json.loads(note)) for key in ROWS] == [None] * 60
        assert len(caught) == 1


def test_rows_of_an_earlier_version_are_read_and_kept(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "c.sqlite") as table:
        table.execute("CREATE TABLE kept (key TEXT PRIMARY KEY, note TEXT, data BLOB)")
        table.execute("INSERT INTO kept VALUES ('a', 'old', x'01'), ('b', 'text', 'text'), ('c', NULL, 900000000000)")
    table.close()
    with warnings.catch_warnings(record=True), Cache(tmp_path / "c.sqlite") as cache:
        assert [kept(cache, key) for key in "abc"] == [("old", b"\x01"), ("text", b"text"), None]
        cache.put("a", "new", b"2")
    with Cache(tmp_path / "c.sqlite") as cache:
        assert kept(cache, "a") == ("new", b"2")


def test_another_table_is_set_aside(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "c.sqlite") as table:
        table.execute("CREATE TABLE kept (name TEXT)")
    table.close()
    assert asked_and_put(tmp_path / "c.sqlite") == [
        f"{tmp_path / 'c.sqlite'} was damaged (it holds another table) and is started again"
    ]


def test_a_cache_that_is_set_aside_or_deleted_meanwhile_is_opened_anew(tmp_path: Path) -> None:
    path = filled(tmp_path / "c.sqlite")
    with Cache(path) as one, Cache(path) as two:
        path.rename(tmp_path / "c.damaged")
        for cache in (one, two):
            cache.put("new", "1", b"2")
            cache.close()
    with Cache(path) as cache:
        assert kept(cache, "new") == ("1", b"2")


def test_processes_that_find_the_damage_at_once_set_it_aside_once(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    path.write_bytes(b"this is not a database, but it is long enough to be taken for one" * 400)
    code = (
        "import sys, warnings; from pathlib import Path; from facematch.core.cache import Cache; "
        "warnings.simplefilter('always'); input()\n"
        "with Cache(Path(sys.argv[1])) as cache:\n"
        "    for number in range(500): cache.put(f'{sys.argv[2]} {number}', '', b'x' * 500)"
    )
    together = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), str(number)], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for number in range(3)
    ]
    for each in together:
        assert each.stdin is not None
        each.stdin.write(b"\n")
        each.stdin.flush()
    said = [each.communicate()[1].decode() for each in together]
    assert [each.returncode for each in together] == [0, 0, 0]
    assert "".join(said).count("was damaged") == 1
    assert "Traceback" not in "".join(said)
    with Cache(path) as cache:
        assert all(kept(cache, f"{number} {row}") for number in range(3) for row in range(500))


def test_a_full_disk_and_a_lock_cost_the_cache_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled(tmp_path / "c.sqlite")
    monkeypatch.setattr("facematch.core.cache._WAIT", 0.1)
    monkeypatch.setattr("facematch.core.cache._COMMIT_EVERY", 1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    said = "could not be written: database is locked; work goes on"
    with Cache(path) as cache:
        with pytest.warns(UserWarning, match=said):
            cache.put("a", "1", b"2")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            cache.put("b", "1", b"2")
            assert kept(cache, "k1") == ROWS["k1"]
    other.close()
    with Cache(path) as cache:
        assert cache._table is not None
        pages = cache._table.execute("PRAGMA page_count").fetchone()[0]
        cache._table.execute(f"PRAGMA max_page_count = {pages}")  # what SQLite says of a full disk
        with pytest.warns(UserWarning, match="could not be written: database or disk is full; work goes on"):
            cache.put("large", "", bytes(100_000))
        assert kept(cache, "k2") == ROWS["k2"]


def test_a_disk_that_damages_every_file_ends_the_cache_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled(tmp_path / "c.sqlite")

    def damaged(path: Path) -> None:
        raise sqlite3.DatabaseError("file is not a database")

    monkeypatch.setattr("facematch.core.cache._connect", damaged)
    warned = asked_and_put(path)
    assert len(warned) == 2
    assert "was damaged" in warned[0]
    assert "nothing is kept this time" in warned[1]


def test_the_folder_is_the_setting_then_the_environment_then_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEMATCH_CACHE", str(tmp_path / "env"))
    assert cache_folder(tmp_path / "set") == tmp_path / "set"
    assert cache_folder(None) == tmp_path / "env"
    monkeypatch.delenv("FACEMATCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache_folder(None) == tmp_path / "home" / "facematch"
