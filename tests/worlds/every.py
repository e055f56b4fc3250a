"""The worlds by name. None of their terms is a feature of the product."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.worlds.generators import (
    day_life,
    groceries,
    marketplace,
    rare_purchases,
    search,
    second_order,
    series,
    seventy_clicks,
    taste_clusters,
)
from tests.worlds.world import World

#: Makes a world of a seed and a size, `small` or `full`.
Generator = Callable[[int, str], World]

WORLDS: Mapping[str, Generator] = {
    "second-order": second_order.generate,
    "day-life": day_life.generate,
    "groceries": groceries.generate,
    "rare-purchases": rare_purchases.generate,
    "series": series.generate,
    "marketplace": marketplace.generate,
    "search": search.generate,
    "seventy-clicks": seventy_clicks.generate,
    "taste-clusters": taste_clusters.generate,
}

SIZES = ("small", "full")
