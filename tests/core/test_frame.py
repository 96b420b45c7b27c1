"""Data frames are of pandas, and where that is not installed the message says so."""

import sys

import pytest

from facematch.core.errors import FacematchError
from facematch.core.frame import frame


def test_columns_and_index_are_those_given() -> None:
    found = frame({"a": [1, 2], 0: ["x", "y"]}, ["first", "second"])
    assert found.loc["second"].tolist() == [2, "y"]


def test_without_pandas_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(FacematchError, match=r"pandas is not installed(.|\n)*pip install pandas"):
        frame({})
