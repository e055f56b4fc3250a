"""The last clicks of users, over one run or several."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Set
from pathlib import Path

from recommender_client.values import Id

LAST = 20  # `historyLength` of a training by default


class Memory:
    """The items that each user clicked on last."""

    def __init__(self, last: int = LAST) -> None:
        self.last = last
        self._clicked: dict[Id, deque[Id]] = {}

    def of(self, user: Id) -> Set[Id]:
        """Return the items of a user."""
        return frozenset(self._clicked.get(user, ()))

    def clicked(self, user: Id, item: Id) -> None:
        """Remember a click."""
        self._clicked.setdefault(user, deque(maxlen=self.last)).append(item)

    def save(self, path: Path) -> None:
        """Write the memory to a file, for `load`."""
        pairs = [[user, list(items)] for user, items in self._clicked.items()]
        path.write_text(json.dumps(pairs), encoding="utf-8")

    def load(self, path: Path) -> None:
        """Add what a file has. ValueError: it was not written by `save`."""
        try:
            pairs = json.loads(path.read_text(encoding="utf-8"))
            for user, items in pairs:
                for item in items:
                    self.clicked(user, item)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} is no memory of clicks: {error}") from error
