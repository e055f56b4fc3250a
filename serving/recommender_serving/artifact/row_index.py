"""Find the row of a raw id in little memory: pure."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence

ABSENT = -1


class RowIndex:
    """Rows of raw ids, by binary search in 12 bytes an id; a dict takes about 100."""

    def __init__(self, ids: Sequence[int]) -> None:
        """Keep the ids, in any order.

        Raises:
            ValueError: an id is listed twice.
        """
        order = sorted(range(len(ids)), key=ids.__getitem__)
        self._ids = array("q", map(ids.__getitem__, order))
        self._rows = array("i", order)
        for index in range(1, len(order)):
            if self._ids[index] == self._ids[index - 1]:
                raise ValueError(f"the id {self._ids[index]} is listed twice")

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, id_: object) -> bool:
        return isinstance(id_, int) and self.row_of(id_) != ABSENT

    @property
    def smallest(self) -> int:
        """The smallest id; there must be one."""
        return self._ids[0]

    def row_of(self, id_: int) -> int:
        """Return the row of the id, from 0; -1 if there is none."""
        index = bisect_left(self._ids, id_)
        if index < len(self._ids) and self._ids[index] == id_:
            return self._rows[index]
        return ABSENT
