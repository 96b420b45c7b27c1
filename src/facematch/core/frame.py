"""Values as data frames of pandas, where that is installed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from facematch.core.errors import FacematchError

if TYPE_CHECKING:
    import pandas


def frame(columns: Mapping[Any, Any], index: Any = None) -> "pandas.DataFrame":
    """Return a data frame of columns of one length. Raises FacematchError where pandas is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise FacematchError("pandas is not installed, which data frames are of.", "pip install pandas") from error
    return pandas.DataFrame(columns, index=index)
