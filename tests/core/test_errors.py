"""An error fits a screen and obeys no terminal, whatever names and values stand in it."""

from unicodedata import category

from hypothesis import given
from hypothesis import strategies as st

from facematch.core.errors import FacematchError

TEXTS = st.builds(lambda text, times: text * times, st.text(), st.integers(0, 2000))


@given(TEXTS, TEXTS)
def test_an_error_fits_a_screen_and_can_be_printed(message: str, hint: str) -> None:
    error = FacematchError(message, hint)
    assert len(str(error)) <= 2000
    assert {category(each) for each in str(error).replace("\n", "")}.isdisjoint(
        {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    )
    str(error).encode()


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=1400))
def test_what_fits_and_can_be_shown_stays_as_it_is(message: str) -> None:
    assert str(FacematchError(message)) == message


def test_what_a_terminal_would_obey_is_escaped_and_a_long_text_ends_in_dots() -> None:
    error = FacematchError("a\x1b[2Jb\n\udce9 " + "x" * 5000)
    assert error.message.startswith("a\\x1b[2Jb\n\\udce9 xxx")
    assert error.message.endswith("x…")
