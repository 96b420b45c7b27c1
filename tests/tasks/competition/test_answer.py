"""Answers in both dialects, and everything that is not one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facematch.settings.competition import AnswerForm, CompetitionForm, Dialect
from facematch.tasks.competition.answer import AnswerError, ServerAnswer, gist
from facematch.tasks.competition.answer import parse_answer as parse

FORM = CompetitionForm()


def parse_answer(text: str, dialect: str, form: CompetitionForm = FORM) -> ServerAnswer:
    return parse(text, form, dialect)


PUBLISHED = '{"results": [0.11214953271028037, 0.21495327102803738, 0.3177570093457944]}'


def test_the_published_answer() -> None:
    answer = parse_answer(PUBLISHED, "results")
    assert (answer.top1, answer.top5, answer.top10) == (12 / 107, 23 / 107, 34 / 107)
    assert answer.score == pytest.approx((600 * 12 + 300 * 23 + 100 * 34) / 107)
    assert answer.dialect == "results"


def test_the_other_dialect_gives_the_score_alone() -> None:
    assert parse_answer('{"accuracy": 812.5}', "retrieval") == ServerAnswer("retrieval", None, None, None, 812.5)


def test_an_answer_in_the_other_dialect_is_accepted_and_named() -> None:
    assert parse_answer('{"accuracy": 1000}', "results").dialect == "retrieval"
    assert parse_answer('{"results": [1, 1, 1]}', "retrieval").dialect == "results"


@pytest.mark.parametrize("dialect", ["results", "retrieval"])
def test_the_dialect_asked_for_wins_when_both_are_there(dialect: str) -> None:
    assert parse_answer('{"accuracy": 1, "results": [0, 0, 0], "more": null}', dialect).dialect == dialect


def test_rounding_may_leave_the_range_by_a_hair() -> None:
    assert parse_answer('{"accuracy": 1000.0000000001}', "retrieval").score == pytest.approx(1000)
    assert parse_answer('{"results": [0, 0, 1.0000000000000002]}', "results").top10 == pytest.approx(1)


@given(st.tuples(*[st.floats(0, 1)] * 3))
def test_any_three_shares_come_through(shares: tuple[float, float, float]) -> None:
    answer = parse_answer(json.dumps({"results": shares}), "results")
    assert (answer.top1, answer.top5, answer.top10) == shares
    assert 0 <= answer.score <= 1000.0001


def test_an_answer_in_a_form_told_on_the_day() -> None:
    points = Dialect(path="/rank", answer=AnswerForm(key="points", form="score"))
    form = CompetitionForm(weights=(5, 3, 2), dialects={"new": points, "results": Dialect()})
    assert parse_answer('{"points": 7.5}', "new", form).score == 7.5
    assert parse_answer('{"results": [0.5, 0.5, 1]}', "new", form).score == 5 * 0.5 + 3 * 0.5 + 2
    with pytest.raises(AnswerError, match=r"out of range \(0 to 10\)"):
        parse_answer('{"points": 11}', "new", form)
    with pytest.raises(AnswerError, match="neither the key 'points' nor 'results'") as caught:
        parse_answer('{"accuracy": 5}', "new", form)
    assert '{"points": score} or {"results": [top1, top5, top10]}' in caught.value.hint
    with pytest.raises(AnswerError, match="has not the key 'points'"):
        parse_answer("{}", "new", CompetitionForm(dialects={"new": points}))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"), ("<p>", "html"), ("x", "not-json"), ("{}", "wrong-form"), ('{"accuracy": NaN}', "not-finite"),
        ('{"accuracy": 1001}', "out-of-range"),
    ],
)  # fmt: skip
def test_each_kind_has_its_word(text: str, kind: str) -> None:
    with pytest.raises(AnswerError) as caught:
        parse_answer(text, "results")
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("Server busy, try later\nsecond line", "is not JSON: Server busy, try later"),
        ('{"results": [0.1, 0.2', "is not JSON"),
        ("[" * 100_000, "is refused, since its lists are nested"),
        ('{"accuracy": 5, "more": ' + "[" * 40 + "]" * 40 + "}", "is refused, since its lists are nested"),
        ("[0.1, 0.2, 0.3]", "is not a JSON object"),
        ("7", "is not a JSON object"),
        ("{}", "has neither the key 'results' nor 'accuracy'"),
        ('{"error": "unknown group"}', "unknown group"),
        ('{"results": [0.1, 0.2]}', "not a list of three numbers"),
        ('{"results": {"top1": 0.1}}', "not a list of three numbers"),
        ('{"results": [0.1, 0.2, "0.3"]}', "has '0.3' in 'results', not a number"),
        ('{"results": [0.1, 0.2, true]}', "has True in 'results', not a number"),
        ('{"accuracy": null}', "has None in 'accuracy', not a number"),
        ('{"accuracy": NaN}', "not finite (nan)"),
        ('{"results": [0, Infinity, 0]}', "not finite (inf)"),
        ('{"accuracy": -Infinity}', "not finite (-inf)"),
        ('{"accuracy": 1e999}', "not finite (inf)"),
        ('{"accuracy": 1000.1}', "has 1000.1 in 'accuracy', out of range (0 to 1000)"),
        ('{"accuracy": -0.5}', "out of range"),
        ('{"accuracy": 1' + "0" * 400 + "}", "is refused, since it holds a whole number of 401 digits"),
        ('{"accuracy": 1' + "0" * 5_000 + "}", "is refused, since it holds a whole number of 5,001 digits"),
        ('{"results": [11.2, 21.5, 31.8]}', "has 11.2 in 'results', out of range (0 to 1)"),
        ("<!DOCTYPE html>\n<html><body><h1>Bad day</h1></body></html>", "an HTML page instead of a score: Bad day"),
        ('<?xml version="1.0"?><p>no</p>', "an HTML page instead of a score: no"),
    ],
)
@pytest.mark.parametrize("dialect", ["results", "retrieval"])
def test_each_wrong_answer_has_its_own_words(text: str, words: str, dialect: str) -> None:
    with pytest.raises(AnswerError) as caught:
        parse_answer(text, dialect)
    assert words in caught.value.message
    assert len(caught.value.message) < 500
    assert "may have scored the submission" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n\n  first \nsecond", "first"),
        ("<html><head><style>p{}</style><script>x<1</script></head><p>a &amp; b<br>c</p>", "a & b c"),
        ("<html><title>502 Bad Gateway</title><h1>Bad Gateway</h1></html>", "502 Bad Gateway"),
        ("<title>502 Bad Gateway</title><h1>502 Bad Gateway</h1><hr>nginx/1.2", "502 Bad Gateway nginx/1.2"),
        ("<!-- hidden\n<p>no</p> --><p>seen</p>", "seen"),
        ("<script>never closed", ""),
        ("\x1b[31mred\x07", "[31mred"),
        ("", ""),
    ],
)
def test_the_gist_is_what_a_person_needs(text: str, expected: str) -> None:
    assert gist(text) == expected


@given(st.text(st.sampled_from("<>!-/ascript\n\x1b"), max_size=60), st.integers(1, 20))
def test_the_gist_is_short_one_line_and_harmless(text: str, limit: int) -> None:
    short = gist(text, limit)
    assert len(short) <= limit
    assert short.isprintable()


def test_the_gist_of_a_hostile_page_is_found_in_time() -> None:
    for part in ("<!--", "<script>", "<"):
        assert len(gist(part * 1_000_000)) <= 200
