"""The cache keeps by content, survives damage, and is never needed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facematch.cache import Cache, cache_folder


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.text(min_size=1), st.tuples(st.text(), st.binary()), max_size=8))
def test_what_is_put_comes_back_after_reopening(tmp_path: Path, values: dict[str, tuple[str, bytes]]) -> None:
    values = {k: v for k, v in values.items() if "\x00" not in k + v[0] and (k + v[0]).isprintable()}
    with Cache(tmp_path / "c.sqlite") as cache:
        for key, (text, data) in values.items():
            cache.put(key, text, data)
    with Cache(tmp_path / "c.sqlite") as cache:
        assert {key: cache.get(key) for key in values} == values


def test_an_unknown_key_is_none(tmp_path: Path) -> None:
    with Cache(tmp_path / "c.sqlite") as cache:
        assert cache.get("x") is None


def test_many_threads_share_one_cache(tmp_path: Path) -> None:
    with Cache(tmp_path / "c.sqlite") as cache, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: cache.put(f"k{i % 50}", str(i % 50), bytes([i % 50])), range(2000)))
        assert all(cache.get(f"k{i}") == (str(i), bytes([i])) for i in range(50))


def test_two_processes_may_have_it_open(tmp_path: Path) -> None:
    with Cache(tmp_path / "c.sqlite") as one:
        one.put("a", "1", b"1")
    with Cache(tmp_path / "c.sqlite") as one, Cache(tmp_path / "c.sqlite") as two:
        assert one.get("a") == two.get("a") == ("1", b"1")


def test_a_damaged_file_is_set_aside_and_started_again(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    path.write_bytes(b"this is not a database, but it is long enough to be taken for one" * 40)
    with pytest.warns(UserWarning, match="was damaged"), Cache(path) as cache:
        cache.put("a", "1", b"2")
    assert path.with_suffix(".damaged").exists()
    with Cache(path) as cache:
        assert cache.get("a") == ("1", b"2")


def test_a_folder_that_cannot_be_used_means_no_cache_but_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="nothing is kept this time"):
        cache = Cache(tmp_path / "file" / "c.sqlite")
    cache.put("a", "1", b"2")
    assert cache.get("a") == ("1", b"2")
    cache.close()


def test_the_folder_is_the_setting_then_the_environment_then_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEMATCH_CACHE", str(tmp_path / "env"))
    assert cache_folder(tmp_path / "set") == tmp_path / "set"
    assert cache_folder(None) == tmp_path / "env"
    monkeypatch.delenv("FACEMATCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache_folder(None) == tmp_path / "home" / "facematch"
