"""Released results are pandas objects that remember where they come from, and show what they do not show."""

import copy
import re

import msgspec
import numpy as np
import pandas as pd
import pytest

from cleanroom_kernel.interpreter import results
from cleanroom_kernel.interpreter.display import marked, notes, result_html, result_text, series_html, why_hidden
from cleanroom_kernel.interpreter.errors import CleanRoomRefusal, CleanRoomWithheld
from cleanroom_kernel.interpreter.results import NEVER, Provenance, provenance_of
from cleanroom_kernel.protocol.release import Grid, Receipt

RECEIPT = Receipt(
    number=1, question="q", output_class="frequency", title="rows", rules=("C1: minimum count", "C13: suppression"),
    units="100-999", cells=3, suppressed=1, precision="", policy="standard", expert="ada", session="s", cell="",
    time="", chain="",
)  # fmt: skip


def grid(values, suppressed=None, rows=(("a",), ("b",)), columns=("x",)):
    suppressed = suppressed or tuple(tuple(value is None for value in column) for column in values)
    return Grid(("key",), rows, columns, values, suppressed)


KEY = pd.Series(["a", "b"], name="key", dtype="str")


def test_a_suppressed_cell_is_missing_and_remembered(guarded):
    found = results.groups(grid(((5, None),)), RECEIPT, [KEY], pd.Series(dtype="int64", name="n"))
    assert found.isna().tolist() == [False, True]
    assert provenance_of(found).marks == {("b", None): "<10"}
    assert provenance_of(found).receipts == (RECEIPT,)


def test_numbers_keep_the_dtype_that_pandas_gives_them(guarded):
    template = pd.DataFrame({"n": pd.Series(dtype="int64"), "mean": pd.Series(dtype="float64")})
    found = results.groups(grid(((5, 6), (1, 2)), columns=("n", "mean")), RECEIPT, [KEY], template)
    assert dict(found.dtypes) == {"n": np.dtype("int64"), "mean": np.dtype("float64")}


@pytest.mark.parametrize(
    ("key", "labels", "index"),
    [
        (pd.Series([1, 2], name="k"), ((1,), (2,)), pd.Index([1, 2], name="k")),
        (pd.Series([1.0, None], name="k"), ((1,), (2,)), pd.Index([1.0, 2.0], name="k")),
        (pd.Series([True, False], name="k"), ((False,), (True,)), pd.Index([False, True], name="k")),
        (
            pd.Series(pd.cut(pd.Series([1, 9]), [0, 5, 10]), name="k"),
            (("(0, 5]",), ("(5, 10]",)),
            pd.CategoricalIndex(pd.cut(pd.Series([1, 9]), [0, 5, 10]), name="k"),
        ),
    ],
)
def test_labels_have_the_type_of_the_key(guarded, key, labels, index):
    found = results.groups(grid(((1, 2),), rows=labels), RECEIPT, [key], pd.Series(dtype="int64"))
    pd.testing.assert_index_equal(found.index, index)


def test_dates_and_durations_come_back_as_such(guarded):
    assert results.number(86_400_000_000, pd.Timestamp("2020-01-01")) == pd.Timestamp("1970-01-02")
    assert results.number(3_600_000_000, pd.Timedelta(0)) == pd.Timedelta(hours=1)
    assert results.number(None, pd.Timestamp("2020-01-01")) is pd.NaT


def test_where_a_result_comes_from_survives_pandas(guarded):
    found = results.groups(grid(((5, None),)), RECEIPT, [KEY], pd.Series(dtype="int64", name="n"))
    for derived in (found.sort_values(), found * 2, found.to_frame(), found.head(1), copy.deepcopy(found)):
        assert provenance_of(derived).receipts == (RECEIPT,)


def test_suppressed_cells_show_a_sign_and_others_their_numbers():
    table = pd.DataFrame({"n": [1200.0, np.nan], "mean": [1.25, 2.5]}, index=["a", "b"])
    known = Provenance((RECEIPT,), {("b", "n"): "<10"})
    text = repr(marked(table, known))
    assert re.search(r"a\s+1200\s+1.25", text)
    assert re.search(r"b\s+<10\s+2.50", text)


def test_a_missing_number_that_was_not_suppressed_stays_missing():
    series = pd.Series([np.nan, np.nan], index=["a", "b"])
    assert repr(marked(series, Provenance((), {("a", None): NEVER}))).count("NaN") == 1


def test_a_number_that_took_the_place_of_a_suppressed_cell_is_shown():
    series = pd.Series([3.0], index=["a"])
    assert marked(series, Provenance((), {("a", None): "<10"})).tolist() == [3.0]


def test_one_line_says_how_many_cells_are_not_shown_and_where_the_rules_are():
    (line,) = notes(Provenance((RECEIPT,), {}))
    assert line.startswith("1 cell is not shown")
    assert "too few patients" in line
    assert "room.receipts[-1]" in line
    assert notes(Provenance((), {})) == []


def test_an_ordinary_table_is_shown_as_ever():
    table = pd.DataFrame({"a": [1]})
    assert result_text(table) == repr(table)
    assert result_html(table) == table._repr_html_()


# -- what is not shown, as HTML ---------------------------------------------------------------------------------------
def suppressed(*, of=pd.DataFrame):
    known = Provenance((RECEIPT,), {("b", "n" if of is pd.DataFrame else None): "<10"})
    table = pd.DataFrame({"n": [1200.0, np.nan], "text": ["<10", "plain"]}, index=["a", "b"])
    result = table if of is pd.DataFrame else table["n"]
    result.attrs["cleanroom"] = known
    return result


def test_a_suppressed_cell_is_hatched_says_the_rules_on_hover_and_why_to_a_screen_reader():
    page = result_html(suppressed())
    (cell,) = re.findall(r"<td class=.*?</td>", page)
    assert "repeating-linear-gradient" in cell
    assert 'title="Not shown: too few patients, or it would give away another cell.' in cell
    assert 'aria-label="not shown: too few patients' in cell
    assert cell.endswith(">&lt;10</span></td>")


def test_what_only_looks_like_a_sign_is_not_hatched():
    page = result_html(suppressed())
    assert "<td>&lt;10</td>" in page
    assert "\ue000" not in page


def test_a_series_is_hatched_where_a_value_is_suppressed_and_text_as_ever_where_none_is():
    page = series_html(suppressed(of=pd.Series))
    assert page.startswith("<pre")
    assert len(re.findall(r'<span class="crk-Suppressed"[^>]*title="Not shown[^>]*><span role="img"', page)) == 1
    lines = re.sub("<[^>]*>", "", page).replace("&lt;", "<").split("\n")
    assert len({len(line) for line in lines[:2]}) == 1  # values end in one column, as pandas prints them
    assert series_html(pd.Series([1.0, np.nan])) is None


def test_the_rules_on_hover_are_those_of_the_receipt_that_hide_single_cells():
    receipt = msgspec.structs.replace(
        RECEIPT, rules=("S7: labels", "C1: few", "C3a: conditions", "C7: digits", "C13: others")
    )
    words = why_hidden(Provenance((receipt,), {}))
    assert "C1, C3a, C13" in words
    assert "which one is not told" in words
    assert "C7" not in words


# -- under the standard policy ----------------------------------------------------------------------------------------
def test_too_few_patients_are_withheld(guarded):
    with pytest.raises(CleanRoomWithheld):
        guarded.room["stays"].query("age > 98 and ward == 'north'").los.mean()


def test_an_endpoint_is_refused_with_what_to_ask_instead(guarded):
    with pytest.raises(CleanRoomRefusal) as caught:
        guarded.room["stays"].age.max()
    assert "quantile" in caught.value.suggestion


def test_describe_leaves_out_endpoints_and_gives_the_rest(guarded):
    found = guarded.room["stays"][["age", "los"]].describe()
    assert list(found.index) == ["count", "mean", "std", "min", "25%", "50%", "75%", "max"]
    assert found.loc[["min", "max"]].isna().all(axis=None)
    assert found.drop(["min", "max"]).notna().all(axis=None)
    assert provenance_of(found).marks["min", "age"] == NEVER


def test_counts_are_rounded_as_the_policy_says(guarded):
    stays, table = guarded.room["stays"], guarded.tables["stays"]
    assert len(stays) % 5 == 0
    assert abs(len(stays) - len(table)) <= 5
    assert stays.shape == (len(stays), len(table.columns))


def test_a_date_is_released_to_the_day_that_it_is(guarded):
    ours, theirs = guarded.room["stays"].admitted, guarded.tables["stays"].admitted
    for name in ("mean", "median"):
        found = getattr(ours, name)()
        assert abs(found - getattr(theirs, name)()) < pd.Timedelta(days=12)
        assert found == found.normalize()


def test_a_cross_table_marks_what_it_does_not_show(guarded):
    stays = guarded.room["stays"]
    rare = stays.assign(group=np.where(stays.age == 33, "rare", "usual"))
    table = pd.crosstab(rare.group, rare.died)
    assert not table.loc["usual"].isna().any() or provenance_of(table).marks
    for cell, value in table.stack().items():
        if pd.isna(value):
            assert cell in provenance_of(table).marks


def test_bins_of_quantiles_are_open_where_endpoints_are_not_shown(guarded):
    counts = pd.qcut(guarded.room["stays"].age, 4).value_counts().sort_index()
    assert counts.index[0].left == -np.inf
    assert counts.index[-1].right == np.inf


def test_a_number_of_bins_uses_the_declared_bounds(guarded):
    assert [interval.right for interval in pd.cut(guarded.room["stays"].age, 4).cat.categories] == [25, 50, 75, 100]


def test_dummies_have_all_declared_categories_or_all_released_labels(guarded):
    stays = guarded.room["stays"]
    assert list(pd.get_dummies(stays[["ward"]]).columns) == ["ward_north", "ward_south", "ward_west"]
    assert list(pd.get_dummies(stays[["code"]], prefix="c").columns) == ["c_E11", "c_I21", "c_I50", "c_V10", "c_V22"]


def test_info_goes_on_without_counts_where_they_are_withheld(guarded, capsys):
    stays = guarded.room["stays"]
    stays[stays.age > 99].info()
    assert "los" in capsys.readouterr().out
