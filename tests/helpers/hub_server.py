"""A server on this machine that speaks the part of Hugging Face's HTTP by which files are fetched and committed."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from net import without_proxies

COMMIT = "1" * 40


@dataclass
class Hub:
    """Repositories by name, each its files; `refuse` answers every request with a status and an X-Error-Code.

    `token`: nothing is written without it. `asked` holds method and path of each request, `tokens` what each had.
    `broken` ends the connection when a commit is sent.
    """

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    commit: str = COMMIT
    refuse: tuple[int, str] | None = None
    token: str = "hf_secret"
    broken: bool = False
    may_write: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self._refused():
            return None
        parts = [unquote(each) for each in urlsplit(self.path).path[1:].split("/", 4)]
        if len(parts) < 5 or parts[2] != "resolve":
            return self._answer(404)  # what else its newer versions ask for
        owner, name, _, revision, file = parts
        files = self.hub.repositories.get(f"{owner}/{name}")
        if files is None:
            return self._answer(404, code="RepoNotFound")
        if revision not in ("main", self.hub.commit):
            return self._answer(404, code="RevisionNotFound")
        if file not in files:
            return self._answer(404, code="EntryNotFound")
        digest = hashlib.sha256(files[file]).hexdigest()
        self._answer(200, files[file], **{"ETag": f'"{digest}"', "X-Repo-Commit": self.hub.commit})
        return None

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._refused():
            return None
        path = urlsplit(self.path).path
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._answer(401)
        if not self.hub.may_write:
            return self._answer(403)
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        _, _, _, owner, name, what, _ = path.split("/")
        if what == "preupload":
            wanted = [each["path"] for each in json.loads(body)["files"]]
            plain = [{"path": each, "uploadMode": "regular", "shouldIgnore": False} for each in wanted]
            return self._json({"files": plain})
        if self.hub.broken:
            self.close_connection = True
            return self.connection.close()
        for line in body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                value = entry["value"]
                self.hub.repositories[f"{owner}/{name}"][value["path"]] = base64.b64decode(value["content"])
        url = f"{self.hub.url}/{owner}/{name}/commit/{self.hub.commit}"
        return self._json({"success": True, "commitOid": self.hub.commit, "commitUrl": url, "hookOutput": ""})

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked.get('organization', 'me')}/{asked['name']}"
        if name in self.hub.repositories:
            return self._json({"error": "You already created this repository", "url": f"{self.hub.url}/{name}"}, 409)
        self.hub.repositories[name] = {}
        if asked.get("private") or asked.get("visibility") == "private":
            self.hub.private.add(name)
        return self._json({"url": f"{self.hub.url}/{name}"})

    def _refused(self) -> bool:
        self.hub.asked.append((self.command, self.path))
        self.hub.tokens.append(self.headers.get("Authorization", ""))
        if self.hub.refuse is not None:
            self._answer(self.hub.refuse[0], code=self.hub.refuse[1])
        return self.hub.refuse is not None

    def _json(self, value: object, status: int = 200) -> None:
        self._answer(status, json.dumps(value).encode(), **{"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes = b"", code: str = "", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"X-Error-Code": code} if code else {} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def hub_serving(monkeypatch: pytest.MonkeyPatch, cache: str, **how: Any) -> Iterator[Hub]:
    """Serve a `Hub`, which huggingface_hub asks in place of the real one, with its cache in a folder of the test."""
    constants = pytest.importorskip("huggingface_hub.constants")
    without_proxies(monkeypatch)
    hub = Hub(**how)
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        listening.daemon_threads = True
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        hub.url = f"http://127.0.0.1:{listening.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        pattern = hub.url + "/{repo_id}/resolve/{revision}/{filename}"  # as $HF_ENDPOINT makes it, before its import
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", pattern)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", cache)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", f"{cache}/token")
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub
        listening.shutdown()
        thread.join(5)
