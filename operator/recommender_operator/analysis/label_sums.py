"""Outcomes of a version's predictions: the collector's sums over users, checked and added up.

docs/contracts.md has the answer. Sums add up over days; a user of a day is one cluster.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: Most days of an answer.
MAX_DAYS = 1000
#: Days since 1970 are below it: until the year 2243.
DAY_LIMIT = 100_000
BINS = 10
_SUMS = ("excess", "labels", "loss", "predicted", "predictions")
_PRODUCTS = (
    "excess*excess", "excess*predictions", "labels*labels", "labels*predicted",
    "labels*predictions", "predicted*predicted", "predicted*predictions",
    "predictions*predictions",
)  # fmt: skip
_BIN = (
    "predictions", "predicted", "labels", "gap*gap", "gap*predictions", "predictions*predictions",
)  # fmt: skip
_LIMIT = 1e15
#: A collector lets events come 30 days late, and labels two weeks.
_LATEST = 100 * 86_400


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ratio:
    """A mean over predictions, with the variance of its estimate over users."""

    mean: float
    variance: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Labels:
    """Sums over the users of some days."""

    users: int
    sums: Mapping[str, float]
    bins: tuple[Mapping[str, float], ...]  # none of a segment

    @property
    def expected(self) -> float:
        """Positive labels that the model expects."""
        return self.sums["predicted"]

    @property
    def loss(self) -> float:
        """Mean log loss, in nats."""
        return self.sums["loss"] / self.sums["predictions"]

    def excess(self) -> Ratio:
        """Return the mean log loss beyond the one that the model expects of itself."""
        of = self.sums
        return _ratio(
            self.users, of["excess"], of["excess*excess"], of["excess*predictions"],
            of["predictions"], of["predictions*predictions"],
        )  # fmt: skip

    def gap(self) -> Ratio:
        """Return the mean of label less probability."""
        of = self.sums
        square = of["labels*labels"] - 2 * of["labels*predicted"] + of["predicted*predicted"]
        return _ratio(
            self.users, of["labels"] - of["predicted"], square,
            of["labels*predictions"] - of["predicted*predictions"],
            of["predictions"], of["predictions*predictions"],
        )  # fmt: skip

    def gap_of(self, bin_: int) -> Ratio:
        """Return the same of the predictions in a bin."""
        of = self.bins[bin_]
        return _ratio(
            self.users, of["labels"] - of["predicted"], of["gap*gap"], of["gap*predictions"],
            of["predictions"], of["predictions*predictions"],
        )  # fmt: skip


def _ratio(
    users: int, total: float, square: float, product: float, count: float, counts: float
) -> Ratio:
    """Return the ratio of two sums over users; its variance by the delta method."""
    mean = total / count
    spread = max(0.0, square - 2 * mean * product + mean * mean * counts)
    return Ratio(mean=mean, variance=spread / count**2 * users / max(1, users - 1))


def added(days: Iterable[Labels]) -> Labels:
    """Return the sums of some days together."""
    every = list(days)
    return Labels(
        users=sum(day.users for day in every),
        sums={name: math.fsum(day.sums[name] for day in every) for name in (*_SUMS, *_PRODUCTS)},
        bins=tuple(
            {name: math.fsum(day.bins[place][name] for day in every) for name in _BIN}
            for place in range(BINS)
        )
        if all(day.bins for day in every)
        else (),
    )


def read_days(body: Mapping[str, Any], version: str) -> dict[int, Labels]:
    """Return the days of an answer that have users, by number, in order.

    Raises:
        ValueError: the answer is not one about this version; the text names the field.
    """
    if body.get("version") != version:
        raise ValueError("version: not the requested one")
    days = body.get("days")
    if not isinstance(days, Sequence) or len(days) > MAX_DAYS:
        raise ValueError(f"days: not a list of at most {MAX_DAYS}")
    found: dict[int, Labels] = {}
    for place, day in enumerate(days):
        at = f"days[{place}]"
        if not isinstance(day, Mapping):
            raise ValueError(f"{at}: not an object")
        number, users = number_of(day, at), _whole(day, "users", at)
        labels = _labels(day, users, at)
        if users and labels.sums["predictions"] > 0:
            found[number] = labels
    return dict(sorted(found.items()))


def number_of(day: Mapping[str, Any], at: str) -> int:
    """Return the number of a day.

    Raises:
        ValueError: it is none; the text names the field.
    """
    number = _whole(day, "day", at)
    if number >= DAY_LIMIT:
        raise ValueError(f"{at}.day: out of range")
    return number


def read_part(body: Mapping[str, Any], at: str) -> Labels:
    """Return the sums of a segment, which have no bins.

    Raises:
        ValueError: they are not valid; the text names the field.
    """
    return Labels(users=_whole(body, "users", at), sums=_sums(body, at), bins=())


def closes_after(body: Mapping[str, Any]) -> int | None:
    """Return after how many seconds no event changes a day any more.

    None: the collector is of an earlier release, which does not say it.

    Raises:
        ValueError: it is no such number; the text names the field.
    """
    if "closesAfterSeconds" not in body:
        return None
    found = _whole(body, "closesAfterSeconds", "answer")
    if found > _LATEST:
        raise ValueError("answer.closesAfterSeconds: out of range")
    return found


def _labels(day: Mapping[str, Any], users: int, at: str) -> Labels:
    bins = day.get("bins")
    if not isinstance(bins, Sequence) or len(bins) != BINS:
        raise ValueError(f"{at}.bins: not a list of {BINS}")
    return Labels(
        users=users,
        sums=_sums(day, at),
        bins=tuple(_numbers(each, _BIN, f"{at}.bins[{n}]") for n, each in enumerate(bins)),
    )


def _sums(body: Mapping[str, Any], at: str) -> dict[str, float]:
    return {
        **_numbers(body.get("sums"), _SUMS, f"{at}.sums"),
        **_numbers(body.get("products"), _PRODUCTS, f"{at}.products"),
    }


def _numbers(body: object, names: Sequence[str], at: str) -> dict[str, float]:
    if not isinstance(body, Mapping):
        raise ValueError(f"{at}: not an object")
    found = {}
    for name in names:
        value = body.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{at}.{name}: not a number")
        if not abs(value) <= _LIMIT:
            raise ValueError(f"{at}.{name}: out of range")
        found[name] = float(value)
    return found


def _whole(body: Mapping[str, Any], field: str, at: str) -> int:
    value = body.get(field)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LIMIT:
        raise ValueError(f"{at}.{field}: not a count")
    return value
