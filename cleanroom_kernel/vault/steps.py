"""Steps: how far a task is, and within it a search or a forest, told from inside scikit-learn while it works.

Promise: what is counted and how many there will be follows from the estimator's description; nothing depends on rows.
Only the outermost counts: a search over forests tells of its fits and not of their trees.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

Tell = Callable[[str, int, int], None]

# What scikit-learn calls once for each piece of work, and how many pieces there are by its arguments. A release that
# names one of them otherwise leaves the time as the only news; a test says so.
COUNTED: dict[tuple[str, str], tuple[str, Callable[[tuple[Any, ...], dict[str, Any]], int]]] = {
    ("sklearn.model_selection._search", "_fit_and_score"): (
        "fits",
        lambda args, kwargs: kwargs["split_progress"][1] * kwargs["candidate_progress"][1],
    ),
    ("sklearn.ensemble._forest", "_parallel_build_trees"): ("trees", lambda args, kwargs: args[6]),
}


class Steps:
    """Counts the pieces of one task at a time; `begin` before each."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.begin()

    def begin(self) -> None:
        self._what, self._done = "", 0

    def tell(self, what: str, done: int, total: int) -> None:
        """What a task counts itself, besides what scikit-learn does within it."""
        self._what = self._what or what
        self._tell(what, done, total)

    def install(self) -> None:
        for (module, name), (what, total) in COUNTED.items():
            place = importlib.import_module(module)
            setattr(place, name, self._counting(getattr(place, name), what, total))

    def _counting(self, function: Any, what: str, total: Callable[[tuple[Any, ...], dict[str, Any]], int]) -> Any:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._what = self._what or what
            result = function(*args, **kwargs)
            if self._what == what:
                self._done += 1
                # How many rounds a search by halves has depends on how many rows there are: the first alone is told.
                if self._done <= (pieces := total(args, kwargs)):
                    self._tell(what, self._done, pieces)
            return result

        return call
