"""Every feature of the models: its name, its type, where it comes from, who reads it.

`features.graph` computes them, in training and inside the exported models. `make reference`
writes `table()` into docs/reference/model-features.md. Names in capitals stand for the features
that a team declares. Numbers have a block each; inside a block the order here is the order of
the model's columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recommender_contract.resource.hyperparameters import FeatureGroup

#: Windows of RollingPopularity in days, each closed on the left: [t - days, t).
WINDOW_DAYS = (1, 7, 30)

_INDEX, _FLOAT, _SHARES = "index", "float", "index or shares"
_BOTH = ("ranker", "regression")
_RANKER = ("ranker",)
_ORDER = ("order of both",)


@dataclass(frozen=True)
class Feature:
    """One feature. `default` is its value where nothing is known."""

    name: str
    block: str
    dtype: str
    source: str
    default: str
    readers: tuple[str, ...] = _BOTH


def _rolling(days: int) -> Feature:
    span = "day" if days == 1 else f"{days} days"
    return Feature(
        f"popularity_{days}d",
        FeatureGroup.ROLLING_POPULARITY,
        _FLOAT,
        f"log of the item's events in the {span} before, relative to the mean item",
        "0 (as the mean item)",
        _RANKER,
    )


FEATURES = (
    Feature("user", "id", _INDEX, "user id; some are hidden in training", "0", _RANKER),
    Feature("item", "id", _INDEX, "item id; some are hidden in training", "0"),
    Feature("USER", "side", _SHARES, "each declared user feature: request, else users table", "0"),
    Feature(
        "CONTEXT", "side", _SHARES, "each declared context feature: request", "servedAs, or 0"
    ),
    Feature(
        "VECTOR",
        "side",
        "floats",
        "each declared embedding of users and context, found as those are",
        "zeros",
        _RANKER,
    ),
    Feature(
        "ITEM",
        "content",
        "shares",
        "each declared item feature with categories or bands; an item's sum to one",
        "none",
    ),
    Feature(
        "EMBEDDING", "content", "floats", "each declared embedding of items", "zeros", _RANKER
    ),
    Feature(
        "NUMBER",
        "content",
        "floats",
        "each declared number of items beside its band: where it lies among its bands",
        "0",
        _RANKER,
    ),
    Feature("session_items", "session", "indices", "items of the last events", "0", _RANKER),
    Feature("session_levels", "session", "indices", "their values, 1 to 5, rounded", "0", _RANKER),
    Feature("session_values", "session", "floats", "their values less the mean", "0", _RANKER),
    Feature(
        "session_recency",
        "session",
        "indices",
        "time since each: power of two of a minute",
        "0",
        _RANKER,
    ),
    Feature(
        "item_positive_rate",
        "item_numbers",
        _FLOAT,
        "logit of the share of positives of the item, ten events of the overall share added",
        "overall share",
    ),
    Feature(
        "item_popularity",
        "item_numbers",
        _FLOAT,
        "log of the item's events, relative to the mean item",
        "of no event",
    ),
    Feature("TIME_years", "item_numbers", _FLOAT, "log of the years since each item time", "0"),
    Feature("TIME_days", "item_numbers", _FLOAT, "log of the days since it", "0"),
    Feature("TIME_known", "item_numbers", _FLOAT, "whether it is known", "0"),
    Feature("session_length", "session_numbers", _FLOAT, "log of the events in it", "0"),
    Feature("session_mean_value", "session_numbers", _FLOAT, "mean value, two means added", "0"),
    Feature(
        "session_positive_rate",
        "session_numbers",
        _FLOAT,
        "logit of the share of positives, three events of the overall share added",
        "overall share",
    ),
    Feature(
        "session_value_spread", "session_numbers", _FLOAT, "deviation from the overall mean", "0"
    ),
    Feature(
        "seconds_since_last",
        "session_numbers",
        _FLOAT,
        "log of the time since the last event",
        "a year",
    ),
    Feature(
        "events_last_half_hour", "session_numbers", _FLOAT, "log of the events in 30 minutes", "0"
    ),
    Feature(
        "seconds_since_positive",
        "session_numbers",
        _FLOAT,
        "log of the time since the last positive event",
        "a year",
    ),
    Feature(
        "recent_positive",
        "session_numbers",
        _FLOAT,
        "1 / (1 + the minutes since the last positive event)",
        "of a year",
    ),
    Feature(
        "ITEM_value",
        "pair_numbers",
        _FLOAT,
        "mean value of the session's items of the same category, of each item feature",
        "0",
    ),
    Feature("ITEM_share", "pair_numbers", _FLOAT, "their share of the session", "0"),
    Feature(
        "MATCH",
        "matches",
        _FLOAT,
        "share of the item's categories that the request names, of each two features with "
        "categories of the same name; product of two embeddings of the same length",
        "0",
        _RANKER,
    ),
    Feature(
        "taste",
        "taste_numbers",
        _FLOAT,
        "expected value of the item for the session",
        "0",
        _RANKER,
    ),
    Feature("taste_item", "taste_numbers", _FLOAT, "the item's part of it", "0", _RANKER),
    Feature("taste_user", "taste_numbers", _FLOAT, "the user's part of it", "0", _RANKER),
    Feature("taste_match", "taste_numbers", _FLOAT, "the part of both", "0", _RANKER),
    Feature(
        "rate_by_USER",
        FeatureGroup.DEMOGRAPHIC_RATES,
        _FLOAT,
        "logit of the item's share of positives among users of the same value of each feature "
        "for cold start, ten events of the item's share added, less the logit of the item's",
        "0",
        _RANKER,
    ),
    *(_rolling(days) for days in WINDOW_DAYS),
    Feature("hour_sin", FeatureGroup.CALENDAR, _FLOAT, "hour of the request, UTC", "", _RANKER),
    Feature("hour_cos", FeatureGroup.CALENDAR, _FLOAT, "hour of the request, UTC", "", _RANKER),
    Feature("weekday_sin", FeatureGroup.CALENDAR, _FLOAT, "its weekday, UTC", "", _RANKER),
    Feature("weekday_cos", FeatureGroup.CALENDAR, _FLOAT, "its weekday, UTC", "", _RANKER),
    Feature("retrieval", "order", _FLOAT, "item-to-item weights of the session", "0", _ORDER),
    Feature(
        "lift",
        "order",
        _FLOAT,
        "two towers: how much likelier an item is liked than by its popularity",
        "0",
        _ORDER,
    ),
    Feature("popularity", "order", _FLOAT, "log of the item's events", "of no event", _ORDER),
)


def feature_names(block: str) -> tuple[str, ...]:
    """Names of a block's features, in the order of the model's columns."""
    return tuple(feature.name for feature in FEATURES if feature.block == block)


def ordered(groups: Iterable[FeatureGroup]) -> tuple[FeatureGroup, ...]:
    """The groups in the order of the model's columns, each once."""
    wanted = set(groups)
    return tuple(group for group in FeatureGroup if group in wanted)


def named_features(groups: Iterable[str]) -> tuple[FeatureGroup, ...]:
    """The groups that a graph reads, by name. Raises ValueError for an unknown one."""
    unknown = sorted(set(groups) - {group.value for group in FeatureGroup})
    if unknown:
        raise ValueError(f"features that this release does not know: {', '.join(unknown)}")
    return ordered(FeatureGroup(group) for group in groups)


def table() -> str:
    """All features as a table of Markdown."""
    lines = [
        "| feature | block | type | from | where nothing is known | read by |",
        "|" + "---|" * 6,
    ]
    lines += [
        f"| `{f.name}` | {f.block} | {f.dtype} | {f.source} | {f.default} | "
        f"{', '.join(f.readers)} |"
        for f in FEATURES
    ]
    return "\n".join(lines)
