"""Settings of a generated shop: sizes, share of clicks, and a change at a day."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from recommender_training.common.errors import InputError

#: Items on a page, one per slot; slots count from 1.
SLOTS = 6
#: Each slot draws from different items, so that no page shows an item twice.
MIN_ITEMS = 10 * SLOTS
#: Limits of the share of clicked impressions.
LEAST_RATE, MOST_RATE = 0.001, 0.01

#: Features by table, with whether each is categorical.
OF_IMPRESSIONS = {"device": True, "page": True, "slot_position": False}
OF_USERS = {"loyalty_tier": True, "region": True, "attribute": True}
OF_ITEMS = {"price": False, "brand": True, "categories": False, "embedding": False}
#: Features whose distribution can change.
DRIFTING = ("device", "loyalty_tier", "price", "region")


class RawFormat(enum.StrEnum):
    """Format of the raw files, with the names of the ingestion."""

    PARQUET = "Parquet"
    JSON_LINES = "JSONLines"


class Defect(enum.StrEnum):
    """Kind of error of a broken feature."""

    NULL = "Null"
    WRONG_CATEGORY = "WrongCategory"  # each category has the name of another one


@dataclass(frozen=True)
class Drift:
    """A changed distribution of `feature` in impressions from `day` on; the first day is 0."""

    feature: str
    day: int


@dataclass(frozen=True)
class Broken:
    """Wrong values of `feature` in the log from `day` on; users click as before."""

    feature: str
    day: int
    defect: Defect = Defect.NULL


@dataclass(frozen=True)
class Settings:
    """Size of the shop, and its changes. Raises InputError `InvalidShop`."""

    users: int = 20_000
    items: int = 5_000
    impressions: int = 1_000_000  # rounded up to full pages
    days: int = 28
    positive_rate: float = 0.004  # before any drift
    new_item_share: float = 0.1  # of the items, created during the log
    drift: Drift | None = None
    broken: Broken | None = None

    def __post_init__(self) -> None:
        least = {"users": 1, "items": MIN_ITEMS, "impressions": 1, "days": 1}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise _invalid(name, getattr(self, name), f"{bound} or more")
        if not LEAST_RATE <= self.positive_rate <= MOST_RATE:
            raise _invalid(
                "positive_rate", self.positive_rate, f"from {LEAST_RATE} to {MOST_RATE}"
            )
        if not 0 <= self.new_item_share <= 0.5:
            raise _invalid("new_item_share", self.new_item_share, "from 0 to 0.5")
        if self.drift is not None:
            self._check_change("drift", self.drift, DRIFTING)
        if self.broken is not None:
            every = OF_IMPRESSIONS | OF_USERS | OF_ITEMS
            self._check_change("broken", self.broken, tuple(every))
            if self.broken.defect is Defect.WRONG_CATEGORY and not every[self.broken.feature]:
                named = ", ".join(sorted(name for name, category in every.items() if category))
                raise _invalid(
                    "broken",
                    self.broken.feature,
                    f"one of {named} for the defect WrongCategory; Null allows any feature",
                )

    def _check_change(self, name: str, change: Drift | Broken, features: tuple[str, ...]) -> None:
        if change.feature not in features:
            raise _invalid(name, change.feature, f"one of {', '.join(sorted(features))}")
        if not 0 <= change.day < self.days:
            raise _invalid(f"{name} day", change.day, f"from 0 to {self.days - 1}, the last day")


def _invalid(name: str, value: object, allowed: str) -> InputError:
    return InputError("InvalidShop", f"{name}={value!r} must be {allowed}")
