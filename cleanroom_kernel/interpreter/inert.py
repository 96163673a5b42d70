"""Inert: what a handle does where pandas would read its rows. It says which of ours does the job, and asks nobody.

A table of names and advice; a name that is in no table at all is answered by Handle.__getattr__.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from cleanroom_kernel.interpreter.errors import HandleError, Unavailable
from cleanroom_kernel.interpreter.handles import Column, Frame, Handle, RowSet, method

_CONDITIONS = "Combine conditions with & | ~, and choose values with np.where or np.select."
_AGGREGATES = "Ask for an aggregate: mean(), value_counts(), groupby(…).agg(…)."
_MODEL_INPUT = "Give the handle itself to scikit-learn, NumPy's functions or room.release."
_FILES = (
    "Rows cannot be saved; aggregates are pandas objects and can, and models with room.release(model, 'file.skops')."
)
_LOOPS = "Compute whole columns: np.where, map, groupby(…).transform, or apply with a function of one value."
_ORDER = "Within a patient it works: df.groupby('patient_id')['column'].{name}()."

_SPECIAL: dict[str, tuple[str, str]] = {
    "__bool__": ("A column or table of the room has no truth value.", _CONDITIONS),
    "__float__": ("Rows are no number.", _AGGREGATES),
    "__int__": ("Rows are no number.", _AGGREGATES),
    "__index__": ("Rows are no number.", _AGGREGATES),
    "__array__": ("Rows cannot become an array.", _MODEL_INPUT),
    "__dataframe__": ("Rows cannot be exported.", _MODEL_INPUT),
    "__arrow_c_stream__": ("Rows cannot be exported.", _MODEL_INPUT),
    "__reduce_ex__": ("A handle cannot be pickled.", "It works in this session alone; run its cell again."),
}
_METHODS: dict[str, str] = {
    **dict.fromkeys(("tolist", "to_list", "to_dict", "to_records", "item", "to_numpy_array"), _AGGREGATES),
    **dict.fromkeys(("iterrows", "itertuples"), _LOOPS),
    **dict.fromkeys(
        ("to_csv", "to_parquet", "to_excel", "to_pickle", "to_json", "to_sql", "to_feather", "to_hdf", "to_stata",
         "to_html", "to_latex", "to_markdown", "to_clipboard", "to_xml", "to_orc", "to_string"), _FILES),
    **dict.fromkeys(("cumsum", "cummax", "cummin", "ffill", "bfill", "rank", "shift", "diff", "pct_change"), _ORDER),
    **dict.fromkeys(("cumprod", "rolling", "expanding", "ewm", "interpolate", "resample"), _LOOPS),
    "equals": "Compare values: (a == b).all().",
    "memory_usage": "Rows take no memory of yours.",
    **dict.fromkeys(("factorize", "argsort"), "astype('category').cat.codes numbers declared categories."),
    **dict.fromkeys(("idxmax", "idxmin", "argmax", "argmin"), "A single row stays in the room."),
    "T": "Rows stay in the room; aggregates can be transposed.",
    "transpose": "Rows stay in the room; aggregates can be transposed.",
    "at": "A single cell is one patient's.",
    "iat": "A single cell is one patient's.",
    "style": "Style an aggregate.",
}  # fmt: skip
_PROPERTIES = {"T", "at", "iat", "style"}


def _refusing(message: str, suggestion: str, error: type[HandleError]) -> Callable[..., NoReturn]:
    def refuse(self: Handle, *args: Any, **kwargs: Any) -> NoReturn:
        raise error(message, suggestion=suggestion)

    refuse.__doc__ = f"{message} {suggestion}"
    return refuse


for _name, (_message, _suggestion) in _SPECIAL.items():
    method(Column, Frame, RowSet, name=_name)(_refusing(_message, _suggestion, HandleError))
method(Column, RowSet, name="__iter__")(_refusing("A column cannot be gone through row by row.", _LOOPS, HandleError))
method(Column, name="__contains__")(_refusing("A column cannot be searched.", "(column == value).any()", HandleError))
for _name, _suggestion in _METHODS.items():
    _refusal = _refusing(
        f"{_name} needs the rows, which stay in the room.", _suggestion.format(name=_name), Unavailable
    )
    for _kind in (Column, Frame):
        if hasattr(_kind._pandas, _name) or _name in ("item", "argmax", "argmin"):
            if _name in _PROPERTIES:
                setattr(_kind, _name, property(_refusal))
            else:
                method(_kind, name=_name)(_refusal)
method(RowSet, name="tolist")(_refusing("Row labels stay in the room.", _AGGREGATES, Unavailable))
