"""Count the items of a list that are of a group: pure."""

from __future__ import annotations

from collections.abc import Sequence

from recommender_serving.artifact.vocabulary import Items
from recommender_serving.domain.watches import ItemGroup


class Grouping:
    """Knows the categories of the items of one version."""

    def __init__(self, items: Items) -> None:
        self._rows = items.rows
        self._features = {each.name: each for each in items.features}

    def count(self, items: Sequence[int], group: ItemGroup) -> int | None:
        """Return how many of the items are of the group; None without its feature."""
        feature = self._features.get(group.feature)
        if feature is None:
            return None
        rows = map(self._rows.of, items)
        return sum(not group.categories.isdisjoint(feature.of(row)) for row in rows)
