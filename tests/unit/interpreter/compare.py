"""Comparison of a released result with the one that pandas gives."""

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal


def same(ours, theirs):
    if isinstance(theirs, pd.DataFrame):
        assert_frame_equal(ours, theirs, check_exact=False, rtol=1e-9)
    elif isinstance(theirs, pd.Series):
        assert_series_equal(ours, theirs, check_exact=False, rtol=1e-9)
    else:
        assert ours == pytest.approx(theirs, rel=1e-9, nan_ok=True)
