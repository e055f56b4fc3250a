"""Guardrail metrics of an experiment, of requests and lists, beside what users do: pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from recommender_contract.events import MAX_SLOWER_THAN
from recommender_serving.artifact.vocabulary import Items

MAX_MILLISECONDS = 60_000
MAX_CATEGORIES = 20
_GROUP = re.compile(r"([a-z][a-z0-9_]{0,39}):([A-Za-z0-9_-]{1,1400})")


class ItemGroup(NamedTuple):
    """The items with one of these categories of a feature."""

    feature: str
    categories: frozenset[str]


class Guardrails(NamedTuple):
    """None: it is not watched.

    `slower_than`: reports say what a request took, whether it failed, and that it is slow above
    so many milliseconds. `group`: they say how many items of an answer are of the group.
    """

    slower_than: int | None = None
    group: ItemGroup | None = None


NO_GUARDRAILS = Guardrails()


def guardrails_of(requests: str | None, group: str | None) -> Guardrails:
    """Return the guardrails of these parts of the header.

    Raises:
        ValueError: they are not as docs/contracts.md says; the message says why.
    """
    return Guardrails(
        None if requests is None else _slower_than(requests),
        None if group is None else _group_of(group),
    )


def _slower_than(text: str) -> int:
    number = int(text) if re.fullmatch(r"[0-9]{1,5}", text) else 0
    if not 1 <= number <= MAX_SLOWER_THAN:
        raise ValueError(f"requests={text[:100]} is no number from 1 to {MAX_SLOWER_THAN}")
    return number


def _group_of(text: str) -> ItemGroup:
    found = _GROUP.fullmatch(text)
    if found is None:
        raise ValueError(f"group={text[:100]} is not <feature>:<base64url>")
    coded = found[2]
    try:
        categories = orjson.loads(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)))
    except (binascii.Error, ValueError):
        raise ValueError(f"group={text[:100]} is no JSON in base64url") from None
    if (
        not isinstance(categories, list)
        or not 1 <= len(categories) <= MAX_CATEGORIES
        or not all(isinstance(each, str) for each in categories)
    ):
        raise ValueError(f"group={text[:100]} is no list of 1 to {MAX_CATEGORIES} categories")
    return ItemGroup(found[1], frozenset(categories))


class ItemGroups:
    """Knows the categories of the items of one version."""

    def __init__(self, items: Items) -> None:
        self._rows = items.rows
        self._features = {each.name: each for each in items.features}

    def count(self, items: Sequence[int], group: ItemGroup) -> int | None:
        """Return how many of the items are of the group; None without its feature."""
        feature = self._features.get(group.feature)
        if feature is None:
            return None
        rows = map(self._rows.row_of, items)
        return sum(not group.categories.isdisjoint(feature.categories_of(row)) for row in rows)
