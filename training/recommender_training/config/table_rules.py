"""Rules of feature settings by table: users, items, context, and all of them together."""

from __future__ import annotations

from collections.abc import Sequence

from recommender_contract.features import MOST_LISTED
from recommender_training.config.feature import Feature


def only_of_users(where: str, feature: Feature) -> list[str]:
    """The settings that users or the context have, and items have not."""
    given = {
        "coldStart": feature.cold_start,
        "segments": feature.segments,
        "maxPerRow": feature.max_per_row,
    }
    return [
        f"{where}: {name} is a setting of users and context: remove it"
        for name, value in given.items()
        if value
    ]


def only_of_items(where: str, feature: Feature) -> list[str]:
    """The settings of a MultiCategorical that items have, and users or the context have not."""
    problems = []
    if feature.fairness and feature.kind == "MultiCategorical":
        problems.append(f"{where}: fairness needs one category a row: remove it")
    if "-" in (feature.separator or ""):  # categories, read again from events, would be others
        problems.append(
            f"{where}: separator={feature.separator!r} contains '-', which whitespace in a "
            "category becomes: write lists, or another separator such as '|'"
        )
    return problems


def only_of_requests(where: str, feature: Feature) -> list[str]:
    """The settings of a Timestamp that the items, whose bands are fixed, do not have."""
    given = {"edges": feature.edges, "bands": feature.bands, "fairness": feature.fairness}
    return [
        f"{where}: {name} of a Timestamp is a setting of users and context: remove it"
        for name, value in given.items()
        if value
    ]


def too_many_listed(context: Sequence[Feature]) -> list[str]:
    """The problem of lists of the context that are too long for the impressions with them."""
    listed = {
        each.name: each.length or each.most
        for each in context
        if each.length or each.kind == "MultiCategorical"
    }
    total = sum(listed.values())
    if total <= MOST_LISTED:
        return []
    longest = max(listed, key=lambda name: listed[name])
    return [
        f"context: maxPerRow and length sum to {total}, more than {MOST_LISTED}, which an event "
        f"has room for: remove a feature such as {longest} ({listed[longest]}), or shorten it"
    ]
