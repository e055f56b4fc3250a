"""Validate which items a request wants: pure."""

from __future__ import annotations

from collections.abc import Mapping

from recommender_serving.domain.selection import ANY, Rules, Selection
from recommender_serving.protocols.request_limits import RULES, Limits
from recommender_serving.protocols.unknown_names import did_you_mean, short_list
from recommender_serving.protocols.validation import Problems

MAX_SEEDS = 20
MAX_ITEMS = 1_000  # candidates, and excluded items
MAX_VALUES = 50  # of a feature in a rule
MAX_CATEGORY = 200  # characters, as in the vocabulary


def selection_of(
    prefix: str, fields: Mapping[str, object], limits: Limits, problems: Problems
) -> Selection:
    """Return the selection of a v1 instance, or of the same fields of a v2 call.

    A category that the version does not know is valid, since another version may: no item has it.
    """
    if not any(fields.get(name) is not None for name in (*_LISTS, *RULES)):
        return ANY
    seeds, candidates, excluded = (
        _items(f"{prefix}{name}", fields.get(name), most, problems)
        for name, most in _LISTS.items()
    )
    if fields.get("candidate_items") == []:
        problems.add(f"{prefix}candidate_items", [], "give at least one item, or leave it out")
    allow, deny = (_rules(f"{prefix}{name}", fields.get(name), limits, problems) for name in RULES)
    return Selection(seeds, candidates, frozenset(excluded), allow, deny)


_LISTS = {"seed_items": MAX_SEEDS, "candidate_items": MAX_ITEMS, "excluded_items": MAX_ITEMS}


def _items(path: str, given: object, most: int, problems: Problems) -> tuple[int, ...]:
    """Return each item once."""
    if given is None:
        return ()
    if not isinstance(given, list | tuple) or len(given) > most:
        got = f"{len(given)} items" if isinstance(given, list | tuple) else given
        problems.add(path, got, f"give a list of at most {most} item ids")
        return ()
    found: dict[int, None] = {}
    for index, raw in enumerate(given):
        if problems.full:
            break
        item = problems.item(f"{path}[{index}]", raw)
        if raw is None:
            problems.add(f"{path}[{index}]", None, "give an item id")
        elif item is not None:
            found[item] = None
    return tuple(found)


def _rules(path: str, given: object, limits: Limits, problems: Problems) -> Rules:
    if given is None:
        return {}
    known = limits.item_features
    listing = f"the features of items are {short_list(known)}" if known else "items have none here"
    if not isinstance(given, Mapping):
        problems.add(path, given, f"give an object of lists of categories; {listing}")
        return {}
    rules: dict[str, frozenset[str]] = {}
    for name, values in given.items():
        if problems.full:
            break
        shown = f"{path}.{str(name)[:100]}"
        if name not in known:
            meant = did_you_mean(str(name), {each: each for each in known}, problems)
            problems.add(shown, values, f"{meant}{listing}")
        elif not isinstance(values, list | tuple) or not 1 <= len(values) <= MAX_VALUES:
            problems.add(shown, values, f"give a list of 1 to {MAX_VALUES} categories")
        else:
            rules[name] = _categories(shown, values, problems)
    return rules


def _categories(
    path: str, values: list[object] | tuple[object, ...], problems: Problems
) -> frozenset[str]:
    found: set[str] = set()
    for index, raw in enumerate(values):
        if problems.full:
            break
        value = ("false", "true")[raw] if isinstance(raw, bool) else raw
        category = problems.text(f"{path}[{index}]", value, MAX_CATEGORY)
        if raw is None:
            problems.add(f"{path}[{index}]", None, "give a category")
        elif category is not None:
            found.add(category)
    return frozenset(found)
