"""Fingerprints: equal when the settings are, and the first difference by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facematch.core.errors import FacematchError
from facematch.core.fingerprint import Fingerprint, require_same

VALUES = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=3)
SETTINGS = st.dictionaries(st.sampled_from(["faces.size", "faces.margin", "network.x", "network.y"]), VALUES)


@given(settings=SETTINGS)
def test_the_order_of_settings_does_not_matter(settings: dict[str, object]) -> None:
    turned = dict(reversed(settings.items()))
    assert Fingerprint(settings).digest == Fingerprint(turned).digest  # type: ignore[arg-type]
    assert Fingerprint(settings).difference(Fingerprint(turned)) is None  # type: ignore[arg-type]


@given(ours=SETTINGS, theirs=SETTINGS)
def test_there_is_a_difference_exactly_when_a_value_differs(ours: dict[str, object], theirs: dict[str, object]) -> None:
    found = Fingerprint(ours).difference(Fingerprint(theirs))  # type: ignore[arg-type]
    differ = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    assert (found is None) == (not differ)
    if found is not None:
        key, left, right = found
        assert key in differ
        assert (left, right) == (ours.get(key), theirs.get(key))


def test_a_union_prefers_the_right_and_a_selection_keeps_prefixes() -> None:
    both = Fingerprint({"faces.size": 1, "faces.margin": 2}) | Fingerprint({"faces.size": 3, "network.x": 4})
    assert both.settings == {"faces.size": 3, "faces.margin": 2, "network.x": 4}
    assert both.only("faces.").settings == {"faces.size": 3, "faces.margin": 2}
    assert both.only("faces.size", "network").settings == {"faces.size": 3, "network.x": 4}


def test_the_error_names_the_setting_and_both_values() -> None:
    require_same(Fingerprint({"a": 1}), "ours", Fingerprint({"a": 1}), "theirs")
    with pytest.raises(FacematchError, match=r"faces\.margin is 0\.2 in ours and 0\.3 in theirs"):
        require_same(Fingerprint({"faces.margin": 0.2}), "ours", Fingerprint({"faces.margin": 0.3}), "theirs")
    with pytest.raises(FacematchError, match="a is 1 in ours and None in theirs"):
        require_same(Fingerprint({"a": 1}), "ours", Fingerprint(), "theirs")
