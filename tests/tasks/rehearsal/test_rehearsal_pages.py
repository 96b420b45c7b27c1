"""The rehearsal server's pages: what they show, to whom, and what strangers cannot make of them."""

import base64
import hashlib
import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from facematch.tasks.competition.submission import Submission
from facematch.tasks.rehearsal.board import PhotoNumbers
from facematch.tasks.rehearsal.server import create_app
from rehearsal_helpers import TRUTH, WRONG, Local, submission


@pytest.fixture
def client() -> Local:
    return Local(create_app(TRUTH))


class TestOwnGroup:
    def test_only_its_missed_queries_are_shown(self) -> None:
        client = Local(create_app(TRUTH, own="us"))
        for group in ("us", "others"):
            client.post("/results/", content=submission(group).payload())
        own = client.get("/groups/us").text
        assert "1 of 4 queries have no right photo among their ten." in own
        assert "q3.jpg" in own
        assert "q2.jpg" not in own
        assert "q3.jpg" not in client.get("/groups/others").text
        assert "(you)" in client.get("/").text

    def test_right_answers_do_not_leave_this_machine(self, tmp_path: Path) -> None:
        (tmp_path / "query").mkdir()
        PillowImage.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "query" / "q3.jpg")
        app = create_app(TRUTH, own="us", photos=PhotoNumbers(tmp_path / "query", None))
        for address, seen in (("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True),
                              ("10.0.0.9", False), ("2001:db8::1", False), ("testclient", False)):  # fmt: skip
            client = Local(app, address)
            client.post("/results/", content=submission().payload())
            page = client.get("/groups/us")
            assert page.status_code == 200
            assert ("g3.jpg" in page.text) == seen
            assert ("only in a browser on the server" in page.text) != seen
            assert (client.get("/photos/0").status_code == 200) == seen

    def test_without_an_own_group_no_photo_is_served(self, tmp_path: Path) -> None:
        PillowImage.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "q3.jpg")
        assert Local(create_app(TRUTH, photos=PhotoNumbers(tmp_path, None))).get("/photos/0").status_code == 404

    def test_its_name_is_told_as_it_is_sent(self) -> None:
        client = Local(create_app(TRUTH, own=" us\t"))
        client.post("/results/", content=submission(" us\t").payload())
        assert "(you)" in client.get("/").text
        assert "q3.jpg" in client.get("/groups/us").text

    @pytest.mark.parametrize("name", ["\ud800.jpg", "n" * 1_000_000, "\x1b[2J<i>", "../../etc/passwd", ""])
    def test_any_name_can_be_answered(self, name: str) -> None:
        client = Local(create_app(TRUTH, own="us"))
        payload = json.dumps({"groupname": "us\udfff", "images": {"q3.jpg": [name]}})
        assert client.post("/results/", content=payload).status_code == 200
        page = client.get("/groups/us")
        assert page.status_code == 200
        assert len(page.text) < 20_000
        assert "\x1b" not in page.text
        assert "<i>" not in page.text

    def test_nothing_missed_is_said(self) -> None:
        client = Local(create_app(TRUTH, own="us"))
        images = {query: (*right, *WRONG[:9]) for query, right in TRUTH.items()}
        client.post("/results/", content=Submission("us", images).payload())
        assert "every query has a right photo among its ten" in client.get("/groups/us").text


class TestPage:
    def test_it_tells_what_this_is(self, client: Local) -> None:
        page = client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "ground truth of 4 queries" in page.text
        assert "http://localhost:8000/results/" in page.text
        assert "http://localhost:8000/retrieval/" in page.text
        assert "None yet." in page.text

    def test_groups_stand_by_their_best_score(self, client: Local) -> None:
        for group, queries in (("poor", 1), ("good", 3), ("good", 1), ("fair", 2), ("tie", 2)):
            images = dict(list(submission().images.items())[:queries])
            client.post("/results/", content=Submission(group, images).payload())
        text = client.get("/").text
        assert re.findall(r'href="/groups/(\w+)"', text) == ["good", "fair", "tie", "poor"]
        assert "375.0" in text
        assert "0.250 / 0.500 / 0.750" in text
        assert "4 groups, 5 submissions" in text

    def test_what_strangers_wrote_is_escaped_and_bounded(self, client: Local) -> None:
        client.post("/results/", content=submission("<script>alert('x')</script>&{queries}").payload())
        client.post("/results/", content=submission("n" * 5000).payload())
        page = client.get("/")
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;{queries}" in page.text
        assert f"{'n' * 79}…" in page.text
        assert "n" * 80 not in page.text

    @pytest.mark.parametrize(
        "group", ["a/b", "%2e", "?x", "ünï", "a b", "<b>", "'\"", "#", "a//b", ".", "..", "a/../b", ""]
    )
    def test_a_group_of_any_name_has_its_page(self, client: Local, group: str) -> None:
        client.post("/results/", content=submission(group).payload())
        (link,) = re.findall(r'href="(/groups/[^"]*)"', client.get("/").text)
        assert re.fullmatch(r"/groups/[^/]+", link)  # one segment, which a browser does not fold away
        assert link not in ("/groups/.", "/groups/..")
        page = client.get(link)
        assert page.status_code == 200
        assert "<b>" not in page.text

    def test_it_needs_nothing_from_outside(self, client: Local) -> None:
        client.post("/results/", content=submission().payload())
        for path in ("/", "/groups/us"):
            page = client.get(path)
            assert not re.search(r"<iframe\b|\bsrc=[\"']?(?!/)|url\(", page.text)
            (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page.text)
            policy = html.unescape(policy)
            assert policy.startswith("default-src 'none'; img-src 'self' data:; connect-src 'self'; ")
            assert all(f"{each} 'none'" in policy for each in ("base-uri", "form-action"))
            assert "unsafe" not in policy
            for kind, tag in (("style", "style"), ("script", "script")):
                (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
                digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
                assert f"{kind}-src 'sha256-{digest}'" in policy
            assert page.headers["content-security-policy"] == "frame-ancestors 'none'"

    def test_an_unknown_group(self, client: Local) -> None:
        answer = client.get("/groups/nobody")
        assert (answer.status_code, answer.text.startswith("No such group")) == (404, True)

    def test_a_history_is_told_in_words(self, client: Local) -> None:
        for queries in (1, 3):
            images = dict(list(submission().images.items())[:queries])
            client.post("/results/", content=Submission("us", images).payload())
        for path in ("/", "/groups/us"):
            text = client.get(path).text
            (title, desc) = re.search(r'aria-labelledby="(\S+) (\S+)"', text).groups()  # type: ignore[union-attr]
            assert f'<title id="{title}">Scores of us</title>' in text
            assert f'<desc id="{desc}">2 submissions, the latest 375.0; from 0 at the foot to 1000' in text
        assert (
            "Best 375.0 (top-1 0.250, top-5 0.500, top-10 0.750),\nlatest 375.0 of 1000."
            in client.get("/groups/us").text
        )

    def test_a_row_keeps_its_place_for_the_keyboard(self, client: Local) -> None:
        found = []
        for queries in (1, 3):
            images = dict(list(submission().images.items())[:queries])
            client.post("/results/", content=Submission("us", images).payload())
            found += re.findall(r'<a id="(group-\d+)"', client.get("/").text)
        assert found[0] == found[1]

    def test_the_version_grows_with_each_submission(self, client: Local) -> None:
        assert client.get("/version").text == "0"
        client.post("/results/", content=submission().payload())
        assert client.get("/version").text == "1"
        assert 'data-version="1"' in client.get("/").text

    def test_the_ground_truth_stays_inside(self, client: Local) -> None:
        client.post("/results/", content=submission().payload())
        for path in ("/", "/groups/us", "/version"):
            assert "g0.jpg" not in client.get(path).text
        for path in ("/ground_truth.json", "/photos/0", "/photos/-1", "/photos/x", f"/photos/{'9' * 5000}",
                     "/photos/%2e%2e%2fground_truth.json", "/static/x", "/groups/%2e%2e/x"):  # fmt: skip
            answer = client.get(path)
            assert answer.status_code == 404
            assert answer.headers["content-type"].startswith("text/plain")
