"""Moments over the users of an arm: sums of what each user did, and of the products: pure.

All numbers are whole, so that sums are exact: the order of users does not matter, and what is
subtracted is gone. Money and seconds are in thousandths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from recommender_collector.domain.formats import FORMAT, Damaged, check

#: Parts of the vector of a user, in the order of the alphabet.
COMPONENTS = (
    "answers", "before", "clicks", "converted", "dislikes", "dwell", "fallbacks", "purchases",
    "returned", "revenue", "sessions",
)  # fmt: skip
SCALE = 1000
_SCALES = tuple(SCALE if name in ("dwell", "revenue") else 1 for name in COMPONENTS)
_SIZE = len(COMPONENTS)
_PAIRS = tuple((i, j) for i in range(_SIZE) for j in range(i, _SIZE))
#: Place of the product of two components, of which the first is not the later one.
_PLACE = {pair: place for place, pair in enumerate(_PAIRS)}
_PLACES = tuple(tuple(_PLACE.get((i, j), -1) for j in range(_SIZE)) for i in range(_SIZE))
Vector = tuple[int, ...]


class Share(NamedTuple):
    """What one user adds to the moments of a phase."""

    arm: str  # of the first impression
    mixed: bool  # seen in several arms, so the vector does not count
    vector: Vector
    disagreed: tuple[tuple[str, int], ...]  # by arm, answers of another version


@dataclass(slots=True)
class Moments:
    """Moments of one arm in one phase."""

    users: int = 0
    mixed: int = 0
    disagreed: int = 0
    sums: list[int] = field(default_factory=lambda: [0] * _SIZE)
    products: list[int] = field(default_factory=lambda: [0] * len(_PAIRS))

    def add(self, share: Share, sign: int) -> None:
        """Add the vector of a user (`sign` 1), or subtract it (-1)."""
        if share.mixed:
            self.mixed += sign
            return
        self.users += sign
        vector = share.vector
        there = [place for place in range(_SIZE) if vector[place]]
        for at, i in enumerate(there):
            signed = sign * vector[i]
            self.sums[i] += signed
            places = _PLACES[i]
            for j in there[at:]:
                self.products[places[j]] += signed * vector[j]

    def encode(self) -> str:
        """Return the numbers as a text, which has no largest number."""
        return " ".join(
            map(str, (FORMAT, self.users, self.mixed, self.disagreed, *self.sums, *self.products))
        )

    @classmethod
    def decode(cls, text: str | bytes) -> Moments:
        """Return the moments of such a text.

        Raises:
            Damaged: the text has another format.
        """
        try:
            version, users, mixed, disagreed, *rest = map(int, text.split())
        except ValueError:
            raise Damaged("its moments are not numbers") from None
        check(version == FORMAT, f"its moments have format {version}")
        check(len(rest) == _SIZE + len(_PAIRS), f"its moments have {len(rest)} sums")
        return cls(users, mixed, disagreed, rest[:_SIZE], rest[_SIZE:])

    def shown(self, arm: str) -> dict[str, object]:
        """Return the moments as the operator reads them, in units and seconds."""
        products = {
            f"{COMPONENTS[i]}*{COMPONENTS[j]}": _unit(number, _SCALES[i] * _SCALES[j])
            for (i, j), number in zip(_PAIRS, self.products, strict=True)
        }
        return {
            "arm": arm,
            "users": self.users,
            "mixed": self.mixed,
            "disagreed": self.disagreed,
            "sums": dict(zip(COMPONENTS, map(_unit, self.sums, _SCALES), strict=True)),
            "products": products,
        }


def move(
    former: Mapping[int, Share], shares: Mapping[int, Share], of: Callable[[int, str], Moments]
) -> None:
    """Replace what a user added to the moments of each phase; `of` returns those of an arm."""
    for phase in {*former, *shares}:
        before, after = former.get(phase), shares.get(phase)
        for share, sign in ((before, -1), (after, 1)):
            if share is not None and before != after:
                of(phase, share.arm).add(share, sign)
                for arm, count in share.disagreed:
                    of(phase, arm).disagreed += sign * count


def _unit(number: int, scale: int) -> float:
    if number >= 2**53:  # JSON of 64 bits
        return number / scale
    whole, rest = divmod(number, scale)
    return number / scale if rest else whole
