"""A model comes whole, on terms that were allowed, or not at all; served by a machine of our own."""

import io
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facematch.core.errors import FacematchError
from facematch.core.files import sha256_of
from facematch.models import fetch
from facematch.models.fetch import pull
from facematch.models.local import is_here, models_folder, place_of, records_here, verified
from facematch.models.registry import Model
from model_server import serving
from net import free_port, without_proxies

DATA = bytes(range(256)) * 4000  # a megabyte: more than one block


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)


@pytest.fixture
def pooch() -> Any:
    return pytest.importorskip("pooch")


def model(url: str | None, **more: Any) -> Model:
    facts = {"kind": "face", "origin": "https://example.org", "terms": "free", "licence": "MIT", "runs": "onnx"}
    return Model(name="tiny", url=url, **{**facts, "sha256": sha256_of(DATA), **more})


def left() -> list[str]:
    """The files below the folder of models, but for digests."""
    return sorted(
        path.relative_to(models_folder()).as_posix()
        for path in models_folder().rglob("*")
        if path.is_file() and path.name != "digests.json"
    )


def test_it_comes_whole_and_once(pooch: Any, capfd: pytest.CaptureFixture[str]) -> None:
    told: list[tuple[int, int]] = []
    with serving(DATA) as server:
        tiny = model(f"{server.url}/tiny.onnx")
        path = pull(tiny, ["free"], lambda done, total: told.append((done, total)))
        assert pull(tiny, []) == path  # here already: nothing is asked for
        assert len(server.asked) == 1
    assert path == place_of(tiny) == models_folder() / "tiny.onnx"
    assert path.read_bytes() == DATA
    assert left() == ["tiny.onnx"]
    assert records_here()["tiny"].sha256 == sha256_of(DATA)
    assert told[-1] == (len(DATA), len(DATA))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert capfd.readouterr() == ("", "")


def test_terms_are_asked_first() -> None:
    with serving(DATA) as server:
        tiny = model(f"{server.url}/tiny.onnx", terms="research", licence="not for commerce")
        with pytest.raises(
            FacematchError, match=r"terms are research: not for commerce; models\.terms allows free"
        ) as e:
            pull(tiny, ["free"])
        assert server.asked == []
    assert "models.terms=[free,research]" in e.value.hint
    assert "https://example.org" in e.value.hint
    assert not models_folder().exists()


def test_what_was_cut_goes_on_where_it_ended(pooch: Any) -> None:
    with serving(DATA, cut=600_000) as server:
        tiny = model(f"{server.url}/tiny.onnx")
        with pytest.raises(FacematchError, match=r"could not be fetched .* MB came: pull again, and it goes on there"):
            pull(tiny, ["free"])
        assert not is_here(tiny)
        (part,) = left()
        assert part == ".fetching/tiny/part"
        came = (models_folder() / part).stat().st_size
        assert 0 < came <= 600_000
        server.cut = None
        assert pull(tiny, ["free"]).read_bytes() == DATA
        assert server.asked[-1][2] == f"bytes={came}-"
    assert left() == ["tiny.onnx"]


def test_without_a_digest_nothing_is_left_to_go_on_from(pooch: Any) -> None:
    with serving(DATA, cut=600_000) as server:
        tiny = model(f"{server.url}/tiny.onnx", sha256=None)
        with pytest.raises(FacematchError) as e:
            pull(tiny, ["free"])
        assert "goes on" not in e.value.message
        assert left() == []
        server.cut = None
        assert pull(tiny, ["free"]).read_bytes() == DATA
        assert [each[2] for each in server.asked] == [None, None]


def test_a_server_without_parts_gives_all_of_it_again(pooch: Any) -> None:
    with serving(DATA, cut=600_000, ranges=False) as server:
        tiny = model(f"{server.url}/tiny.onnx")
        with pytest.raises(FacematchError):
            pull(tiny, ["free"])
        server.cut = None
        assert pull(tiny, ["free"]).read_bytes() == DATA


def test_what_is_longer_than_the_file_is_thrown_away(pooch: Any) -> None:
    part = models_folder() / ".fetching/tiny/part"
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA + b"more")
    with serving(DATA) as server:
        assert pull(model(f"{server.url}/tiny.onnx"), ["free"]).read_bytes() == DATA
        assert [each[2] for each in server.asked] == [f"bytes={len(DATA) + 4}-", None]


def test_another_beginning_is_found_by_its_digest(pooch: Any) -> None:
    part = models_folder() / ".fetching/tiny/part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1000)
    with serving(DATA) as server:
        tiny = model(f"{server.url}/tiny.onnx")
        with pytest.raises(FacematchError, match="does not match the known hash"):
            pull(tiny, ["free"])
        assert left() == []
        assert pull(tiny, ["free"]).read_bytes() == DATA


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"status": 404}, "404 Client Error: Not Found"),
        ({"status": 503}, "503 Server Error"),
        ({"delay": 3.0}, "timed out"),
    ],
    ids=["404", "503", "slow"],
)
def test_a_server_that_gives_nothing(
    pooch: Any, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any], words: str
) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.3)
    with serving(DATA, **how) as server:
        tiny = model(f"{server.url}/tiny.onnx")
        with pytest.raises(FacematchError, match=words) as e:
            pull(tiny, ["free"])
    assert str(place_of(tiny)) in e.value.hint
    assert sha256_of(DATA) in e.value.hint
    assert "--set embedder.file=FILE" in e.value.hint
    assert not is_here(tiny)


def test_no_network(pooch: Any) -> None:
    tiny = model(f"http://127.0.0.1:{free_port()}/tiny.onnx")
    with pytest.raises(
        FacematchError, match=r"tiny could not be fetched .*127\.0\.0\.1:\d+ is not within reach\."
    ) as e:
        pull(tiny, ["free"])
    assert "Without a network: bring its file" in e.value.hint
    assert left() == []


def test_another_file_is_not_kept(pooch: Any) -> None:
    with serving(b"another") as server:
        tiny = model(f"{server.url}/tiny.onnx")
        with pytest.raises(FacematchError, match=f"expected {sha256_of(DATA)} but got {sha256_of(b'another')}"):
            pull(tiny, ["free"])
    assert left() == []


def test_a_digest_that_is_not_known_is_recorded_and_then_holds(pooch: Any) -> None:
    with serving(b"first") as server:
        tiny = model(f"{server.url}/tiny.onnx", sha256=None)
        path = pull(tiny, ["free"])
        assert records_here()["tiny"].sha256 == sha256_of(b"first")
        path.write_bytes(b"other")
        with pytest.raises(FacematchError, match="is not the file it should be"):
            verified(tiny)
        path.unlink()
        server.data = b"other"
        with pytest.raises(FacematchError, match=sha256_of(b"first")):
            pull(tiny, ["free"])
    assert left() == []


def test_nothing_is_taken_whose_end_nobody_knows(pooch: Any) -> None:
    with serving(DATA, lengthless=True) as server:
        with pytest.raises(FacematchError, match="does not say how long it is"):
            pull(model(f"{server.url}/tiny.onnx", sha256=None), ["free"])
        assert left() == []
        assert pull(model(f"{server.url}/tiny.onnx"), ["free"]).read_bytes() == DATA  # its digest tells


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize("name", ["net.onnx", "pack/net.onnx"])
def test_a_member_of_a_zip(pooch: Any, name: str) -> None:
    archive = zipped({name: DATA, "other.onnx": b"x"})
    with serving(archive) as server:
        tiny = model(f"{server.url}/pack.zip", member="net.onnx", archive_sha256=sha256_of(archive))
        assert pull(tiny, ["free"]).read_bytes() == DATA
    assert left() == ["tiny.onnx"]


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (zipped({"other.onnx": b"x"}), "it holds 0 files called net.onnx"),
        (zipped({"a/net.onnx": b"x", "b/net.onnx": b"y"}), "it holds 2 files called net.onnx"),
        (b"no zip at all", "is damaged, or of another kind"),
        (zipped({"net.onnx": b"another"}), "is another file"),
    ],
    ids=["another zip", "two of them", "no zip", "another member"],
)
def test_a_zip_that_lacks_it(pooch: Any, archive: bytes, words: str) -> None:
    with serving(archive) as server:
        tiny = model(f"{server.url}/pack.zip", member="net.onnx")
        with pytest.raises(FacematchError, match=words):
            pull(tiny, ["free"])
    assert not is_here(tiny)
    assert "tiny.onnx" not in left()


HUB = {"ETag": '"abc"', "X-Repo-Commit": "0" * 40}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Any:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return constants


def test_from_the_hub(hub: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    with serving(DATA, headers=HUB) as server:
        monkeypatch.setattr(fetch, "hub_address", lambda: server.url)
        tiny = model("hf://owner/name/folder/net.onnx", revision="v1")
        assert pull(tiny, ["free"]).read_bytes() == DATA
        assert {each[1] for each in server.asked} == {"/owner/name/resolve/v1/folder/net.onnx"}
    assert left() == ["tiny.onnx"]
    assert capfd.readouterr() == ("", "")


def test_another_file_of_the_hub(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(b"another", headers=HUB) as server:
        monkeypatch.setattr(fetch, "hub_address", lambda: server.url)
        with pytest.raises(FacematchError, match=f"its SHA-256 is {sha256_of(b'another')}, expected"):
            pull(model("hf://owner/name/net.onnx"), ["free"])
    assert left() == []


def test_the_hub_says_no_or_is_not_there(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = model("hf://owner/name/net.onnx")
    with serving(DATA, status=404, headers={"X-Error-Code": "EntryNotFound"}) as server:
        monkeypatch.setattr(fetch, "hub_address", lambda: server.url)
        with pytest.raises(FacematchError, match=r"tiny could not be fetched from hf://owner/name/net\.onnx: 404"):
            pull(tiny, ["free"])
    monkeypatch.setattr(fetch, "hub_address", lambda: f"http://127.0.0.1:{free_port()}")
    with pytest.raises(FacematchError, match="is not within reach") as e:
        pull(tiny, ["free"])
    assert "--set embedder.file=FILE" in e.value.hint
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    with pytest.raises(FacematchError, match="is not within reach"):
        pull(tiny, ["free"])
    assert not is_here(tiny)


@pytest.mark.parametrize(("library", "url"), [("pooch", "http://127.0.0.1:1/x"), ("huggingface_hub", "hf://a/b/c")])
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, library: str, url: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(FacematchError, match=f"needs {library}, which is not installed") as e:
        pull(model(url), ["free"])
    assert e.value.hint == "Run: pip install 'facematch[hub]'"


def test_what_has_no_address_is_brought_by_hand() -> None:
    with pytest.raises(FacematchError, match="no known address") as e:
        pull(model(None), ["free"])
    assert "facematch models path tiny" in e.value.hint
    packed = replace(model(None), package="no_such_package", install="no-such-package", file="net.onnx")
    with pytest.raises(FacematchError, match="it comes from a package") as e:
        pull(packed, ["free"])
    assert "pip install no-such-package" in e.value.hint


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("FACEMATCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(FacematchError, match="could not be written"):
        pull(model("http://127.0.0.1:1/x"), ["free"])
