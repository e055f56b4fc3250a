"""Sums over an arm's users: enough for means, variances and covariances.

Each user is a vector of components (answers, clicks, revenue, ...). The collector keeps, for each
arm, the number of users, the sum of each component and of the product of each pair. Moments of
disjoint users add up, so neither users nor events are ever read again.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

#: Components of a user's vector that the collector has only of experiments that watch them.
WATCHED = ("errors", "grouped", "requests", "shown", "slow")
#: The others, alphabetically.
PLAIN = (
    "answers",
    "before",
    "clicks",
    "converted",
    "dislikes",
    "dwell",
    "fallbacks",
    "purchases",
    "returned",
    "revenue",
    "sessions",
)
#: All components, alphabetically; docs/contracts.md has their caps.
COMPONENTS = tuple(sorted(PLAIN + WATCHED))
#: Components of the days of a user: what it did on its first day in the phase, and later.
DAYS = tuple(
    f"{part}.{name}"
    for part in ("first", "later")
    for name in PLAIN
    if name not in ("before", "returned")
)
#: Relative error that sums of many floats may have.
_TOLERANCE = 1e-6
#: Maximum of a count and of a sum: products of two sums must be numbers too.
MAX_COUNT, MAX_SUM = 10**15, 1e100


def pairs(names: Sequence[str]) -> list[str]:
    """Return the keys of the products: each unordered pair, squares included."""
    return ["*".join(pair) for pair in itertools.combinations_with_replacement(names, 2)]


def product_key(first: str, second: str) -> str:
    """Return the key of a pair of components: `a*b` with a <= b."""
    return "*".join(sorted((first, second)))


@dataclasses.dataclass(frozen=True)
class Moments:
    """Sums over the users of one arm; components that are absent were not measured.

    Raises:
        ValueError: a number is not finite, is negative, or contradicts another one.
    """

    users: int
    sums: Mapping[str, float]
    products: Mapping[str, float]

    def __post_init__(self) -> None:
        if isinstance(self.users, bool) or not isinstance(self.users, int):
            raise ValueError(f"users: {self.users!r} is not a number of users")
        if not 0 <= self.users <= MAX_COUNT:
            raise ValueError(f"users: not from 0 to {MAX_COUNT}")
        for field, values in (("sums", self.sums), ("products", self.products)):
            for key, value in values.items():
                if isinstance(value, bool) or not isinstance(value, int | float):
                    raise ValueError(f"{field}.{key}: {value!r} is not a number")
                if not 0 <= value <= MAX_SUM:  # NaN fails too; not shown, for it may be endless
                    raise ValueError(f"{field}.{key}: not a number from 0 to {MAX_SUM:g}")
        self._check_squares()
        self._check_pairs()

    def _check_squares(self) -> None:
        """Refuse squares below what the sum requires: users * sum(x^2) >= sum(x)^2."""
        for name, total in self.sums.items():
            square = self.products.get(product_key(name, name))
            if square is None:
                raise ValueError(f"products.{product_key(name, name)}: missing")
            if total * total > self.users * square * (1 + _TOLERANCE):
                raise ValueError(f"sums.{name}: {total:g} of {self.users} users is impossible")

    def _check_pairs(self) -> None:
        """Refuse products above what the squares allow (Cauchy and Schwarz)."""
        for key, value in self.products.items():
            first, _, second = key.partition("*")
            if first not in self.sums or second not in self.sums or first > second:
                raise ValueError(f"products.{key}: not a pair of components")
            a, b = (self.products[product_key(name, name)] for name in (first, second))
            if value * value > a * b * (1 + _TOLERANCE):
                raise ValueError(f"products.{key}: {value:g} is impossible")

    def has(self, *components: str) -> bool:
        """Return whether all components were measured."""
        return all(name in self.sums for name in components)

    def mean(self, component: str) -> float:
        """Return the mean over users; needs at least one user."""
        return self.sums[component] / self.users

    def covariance(self, first: str, second: str) -> float:
        """Return the unbiased covariance over users; needs at least two users."""
        product = self.products[product_key(first, second)]
        centred = product - self.sums[first] * self.sums[second] / self.users
        if first == second:
            centred = max(0.0, centred)
        return centred / (self.users - 1)

    def merged(self, other: Moments) -> Moments:
        """Return the moments of both sets of users, which must be disjoint."""
        return Moments(
            users=self.users + other.users,
            sums=_added(self.sums, other.sums),
            products=_added(self.products, other.products),
        )


#: Keys of the products of all components.
PRODUCTS = tuple(pairs(COMPONENTS))
_ZEROS = {"sums": dict.fromkeys(COMPONENTS, 0.0), "products": dict.fromkeys(PRODUCTS, 0.0)}
#: No users.
NONE = Moments(users=0, **_ZEROS)


def _added(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    if first.keys() != second.keys():
        raise ValueError("the moments have different components")
    return {key: first[key] + second[key] for key in first}


def parse_moments(arm: Mapping[str, Any], components: Sequence[str] = COMPONENTS) -> Moments:
    """Return the moments of one arm, or of another part, of the collector's answer.

    Where nothing is watched, the answer lacks these components, and they are 0.

    Raises:
        ValueError: a field is missing, unknown or impossible; the text names it.
    """
    for field in ("sums", "products"):
        if not isinstance(arm.get(field), Mapping):
            raise ValueError(f"{field}: not an object")
    sums, products = arm["sums"], arm["products"]
    if components == COMPONENTS and set(WATCHED).isdisjoint(sums):
        components = PLAIN
    for field, given, names in (
        ("sums", sums, components),
        ("products", products, pairs(components)),
    ):
        if wrong := set(names) ^ set(given):
            raise ValueError(f"{field}: missing or unknown: {', '.join(sorted(wrong))[:200]}")
    if components == PLAIN:
        sums, products = _ZEROS["sums"] | sums, _ZEROS["products"] | products
    return Moments(users=arm.get("users"), sums=sums, products=products)  # type: ignore[arg-type]
