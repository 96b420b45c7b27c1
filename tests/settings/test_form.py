"""The competition's form: shipped as it is built in, and each mistake in it named."""

from pathlib import Path

import pytest

from facematch.core.errors import FacematchError
from facematch.settings.competition import AnswerForm, CompetitionForm, Dialect, load_form

SHIPPED = Path(__file__).parents[2] / "config" / "competition.yaml"


def test_the_shipped_file_is_the_form_built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_form(SHIPPED) == CompetitionForm()
    monkeypatch.chdir(tmp_path)
    assert load_form(None) == CompetitionForm()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "competition.yaml").write_text("address: http://10.0.0.1\n")
    assert load_form(None).address == "http://10.0.0.1"


def test_both_known_dialects() -> None:
    form = CompetitionForm()
    assert form.dialect("results") == Dialect()
    assert form.dialect("retrieval").answer == AnswerForm(key="accuracy", form="score")
    assert form.best == 1000
    assert form.score(0.5, 0.75, 1.0) == 600 * 0.5 + 300 * 0.75 + 100


def test_a_form_told_on_the_day_needs_no_code(tmp_path: Path) -> None:
    path = tmp_path / "form.yaml"
    path.write_text(
        "weights: [1, 2, 0]\n"
        "dialects: {new: {path: /rank, group_key: team, names: 5, content_type: application/json, "
        "answer: {key: points, form: score}}}\n"
    )
    form = load_form(path)
    assert (form.dialect("new").group_key, form.dialect("new").names, form.best) == ("team", 5, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("weight: [1, 2, 3]", "did you mean 'weights'?"),
        ("dialects: {new: {pth: /x}}", "dialects.new.pth is not a known setting (did you mean 'path'?)"),
        ("dialects: {new: {path: x}}", "dialects.new.path"),
        ("dialects: {new: {names: 0}}", "dialects.new.names"),
        ("dialects: {new: {answer: {form: list}}}", "dialects.new.answer.form"),
        ("weights: [1, 2]", "weights"),
        ("weights: [0, 0, 0]", "three weights, none negative and not all zero"),
        ("weights: [1, -1, 2]", "three weights"),
        ("[1]", "holds list"),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "form.yaml"
    path.write_text(text)
    with pytest.raises(FacematchError) as caught:
        load_form(path)
    assert words in caught.value.message
    assert str(path) in caught.value.message


def test_an_unknown_dialect_is_named_with_the_nearest() -> None:
    with pytest.raises(FacematchError, match=r"'result' is not known \(did you mean 'results'\?\); known are results"):
        CompetitionForm().dialect("result")
    with pytest.raises(FacematchError, match="does not exist"):
        load_form(Path("nowhere.yaml"))
