"""Turns: who may do heavy work now, such as a fit, so that one expert's searches do not hold up everybody else's.

Promise: at most so many work at a time. Experts are served in turn, whatever each of them has waiting: the one who has
fewest at work, and among these who was served longest ago. Who is gone holds no turn.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable

_MOST_REMEMBERED = 1000  # experts


class Turns:
    def __init__(self, most: int) -> None:
        self._most = most
        self._working: dict[Hashable, str] = {}  # who -> expert
        self._waiting: dict[str, deque[tuple[Hashable, Callable[[], None]]]] = {}
        self._served: OrderedDict[str, int] = OrderedDict()  # expert -> when last, counted in turns
        self._count = 0

    def want(self, who: Hashable, expert: str, give: Callable[[], None]) -> None:
        """`give` is called when it is `who`'s turn, perhaps at once. Who has or awaits one already gets no second."""
        if who in self._working or any(who == other for line in self._waiting.values() for other, _ in line):
            return
        self._waiting.setdefault(expert, deque()).append((who, give))
        self._deal()

    def over(self, who: Hashable) -> None:
        """`who` has done, or is gone."""
        self._working.pop(who, None)
        left = {expert: deque(one for one in line if one[0] != who) for expert, line in self._waiting.items()}
        self._waiting = {expert: line for expert, line in left.items() if line}
        self._deal()

    def _deal(self) -> None:
        while self._waiting and len(self._working) < self._most:
            at_work = Counter(self._working.values())
            expert = min(self._waiting, key=lambda name: (at_work[name], self._served.get(name, 0)))
            who, give = self._waiting[expert].popleft()
            if not self._waiting[expert]:
                del self._waiting[expert]
            self._note(expert)
            self._working[who] = expert
            give()

    def _note(self, expert: str) -> None:
        self._count += 1
        self._served[expert] = self._count
        self._served.move_to_end(expert)
        if len(self._served) > _MOST_REMEMBERED:
            self._served.popitem(last=False)
