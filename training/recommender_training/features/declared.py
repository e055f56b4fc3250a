"""Every feature, declared once: its name, its type, where it comes from, who reads it.

`features.graph` computes them, in training and inside the exported models; docs/training.md has
`table()` of this module, which a test holds. Numbers have a block each; inside a block the order
here is the order of the model's columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recommender_training.config.training import FeatureGroup
from recommender_training.data.schema import AGE_BANDS, AGE_EDGES, MAX_AGE

#: Windows of RollingPopularity in days, each closed on the left: [t - days, t).
WINDOW_DAYS = (1, 7, 30)

_INDEX, _FLOAT = "index", "float"
_BOTH = ("ranker", "regression")
_RANKER = ("ranker",)
_ORDER = ("order of both",)


@dataclass(frozen=True)
class Attribute:
    """One categorical attribute of the users, a column of `Users.side`."""

    name: str
    #: Where the categories of a data set are: in `Users`, and in vocabulary.json. None for bands.
    listed: str | None = None
    categories: tuple[str, ...] = ()
    edges: tuple[int, ...] = ()  # of a number: the first value of each band but the lowest
    maximum: int | None = None  # of a number; larger values are unknown
    rated: bool = False  # DemographicRates has a number of it
    segments: bool = False  # the evaluation reports its categories as segments

    @property
    def buckets(self) -> int:
        """Number of buckets, that of unknown values included."""
        return len(self.categories) + 1

    @property
    def limit(self) -> int:
        """The first value that is unknown."""
        return len(self.categories) if self.maximum is None else self.maximum + 1


#: In the order of the columns of `Users.side`.
USER_ATTRIBUTES = (
    Attribute("age", None, AGE_BANDS, AGE_EDGES, MAX_AGE, rated=True, segments=True),
    Attribute("gender", "genders", rated=True, segments=True),
    Attribute("occupation", "occupations"),
)
#: Places of those that DemographicRates reads.
RATED = tuple(place for place, attribute in enumerate(USER_ATTRIBUTES) if attribute.rated)


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


def _rate(attribute: Attribute) -> Feature:
    group = f"{attribute.name} band" if attribute.edges else attribute.name
    return Feature(
        f"rate_by_{attribute.name}",
        FeatureGroup.DEMOGRAPHIC_RATES,
        _FLOAT,
        f"logit of the item's share of positives among users of the same {group}, ten events of "
        "the item's share added, less the logit of the item's",
        "0",
        _RANKER,
    )


def _side(attribute: Attribute) -> Feature:
    source = "request, else users table"
    if attribute.edges:
        source += f": band of the {attribute.name}"
    return Feature(attribute.name, "side", _INDEX, source, "0")


FEATURES = (
    Feature("user", "id", _INDEX, "user id; some are hidden in training", "0", _RANKER),
    Feature("item", "id", _INDEX, "item id; some are hidden in training", "0"),
    *(_side(attribute) for attribute in USER_ATTRIBUTES),
    Feature("genres", "side", "shares", "items table; an item's sum to one", "none"),
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
    Feature("item_age", "item_numbers", _FLOAT, "log of the years since its release", "0"),
    Feature("item_year_known", "item_numbers", _FLOAT, "whether that is known", "0"),
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
        "genre_value",
        "pair_numbers",
        _FLOAT,
        "mean value of the session's items of like genre",
        "0",
    ),
    Feature("genre_share", "pair_numbers", _FLOAT, "their share of the session", "0"),
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
    *(_rate(USER_ATTRIBUTES[place]) for place in RATED),
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


def names(block: str) -> tuple[str, ...]:
    """Names of a block's features, in the order of the model's columns."""
    return tuple(feature.name for feature in FEATURES if feature.block == block)


def ordered(groups: Iterable[FeatureGroup]) -> tuple[FeatureGroup, ...]:
    """The groups in the order of the model's columns, each once."""
    wanted = set(groups)
    return tuple(group for group in FeatureGroup if group in wanted)


def named(groups: Iterable[str]) -> tuple[FeatureGroup, ...]:
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
