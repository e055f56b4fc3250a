"""Moments over the users of an arm: sums of what each user did, and of the products: pure.

All numbers are whole, so that sums are exact: the order of users does not matter, and what is
subtracted is gone. Money and seconds are in thousandths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from recommender_collector.domain.formats import FORMAT, Damaged, check

#: Parts of the vector of a user that experiments watch only if they are asked to: requests, those
#: that failed or took long, items that were shown, and those of a group.
WATCHED = ("errors", "grouped", "requests", "shown", "slow")
#: The others.
PLAIN = (
    "answers", "before", "clicks", "converted", "dislikes", "dwell", "fallbacks", "purchases",
    "returned", "revenue", "sessions",
)  # fmt: skip
#: All parts, in the order of the alphabet.
COMPONENTS = tuple(sorted(PLAIN + WATCHED))
#: Those that are counted for the user's first day in the phase, and for the days after it.
OF_DAYS = (
    "answers", "clicks", "converted", "dislikes", "dwell", "fallbacks", "purchases", "revenue",
    "sessions",
)  # fmt: skip
#: Of a user who saw lists of two versions: how far clicks preferred the candidate's items, or the
#: other ones, and whether there were any.
PREFERENCES = ("ahead", "behind", "clicked")
DAY_COMPONENTS = tuple(f"{part}.{name}" for part in ("first", "later") for name in OF_DAYS)
SCALE = 1000
_IN_THOUSANDTHS = ("dwell", "revenue", "ahead", "behind")
#: In the name of the cell with the moments of `DAY_COMPONENTS`, behind the arm and a space.
DAYS = "days"
Vector = tuple[int, ...]


def days_of(arm: str) -> str:
    """Return the name of the cell with the days of the users of an arm."""
    return f"{arm} {DAYS}"


class Layout:
    """The order in which the moments of some components are kept."""

    def __init__(self, names: tuple[str, ...]) -> None:
        size = len(names)
        self.names = names
        self.scales = [SCALE if each.endswith(_IN_THOUSANDTHS) else 1 for each in names]
        self.pairs = [(i, j) for i in range(size) for j in range(i, size)]
        place = {pair: place for place, pair in enumerate(self.pairs)}
        #: Place of the product of two components, of which the first is not the later one.
        self.places = [[place.get((i, j), -1) for j in range(size)] for i in range(size)]


_LAYOUTS = {
    len(names): Layout(names) for names in (COMPONENTS, PLAIN, DAY_COMPONENTS, PREFERENCES)
}
_SIZE, _PLAIN_SIZE = len(COMPONENTS), len(PLAIN)
#: Where all components have those of PLAIN, and their products.
_SUMS_OF_PLAIN = [COMPONENTS.index(name) for name in PLAIN]
_PRODUCTS_OF_PLAIN = [
    _LAYOUTS[_SIZE].places[_SUMS_OF_PLAIN[i]][_SUMS_OF_PLAIN[j]]
    for i, j in _LAYOUTS[_PLAIN_SIZE].pairs
]
_WATCHED_SUMS = [COMPONENTS.index(name) for name in WATCHED]


class UserMoments(NamedTuple):
    """Contribution of one user to the moments of a phase."""

    arm: str  # of the first impression
    mixed: bool  # seen in several arms, so the vector does not count
    vector: Vector
    disagreed: tuple[tuple[str, int], ...]  # by arm, answers of another version
    cells: tuple[tuple[str, Vector], ...] = ()  # of the arm, with what counts there too


@dataclass(slots=True)
class Moments:
    """Moments of one arm, or of another cell of it, in one phase."""

    users: int = 0
    mixed: int = 0
    disagreed: int = 0
    sums: list[int] = field(default_factory=lambda: [0] * _SIZE)
    products: list[int] = field(default_factory=lambda: [0] * len(_LAYOUTS[_SIZE].pairs))

    @classmethod
    def empty(cls, size: int) -> Moments:
        """Return those of no user, of so many components."""
        return cls(sums=[0] * size, products=[0] * len(_LAYOUTS[size].pairs))

    def add(self, share: UserMoments, sign: int) -> None:
        """Add the vector of a user (`sign` 1), or subtract it (-1)."""
        if share.mixed:
            self.mixed += sign
        else:
            self.count(share.vector, sign)

    def count(self, vector: Vector, sign: int) -> None:
        """Add the vector of a user, or subtract it."""
        self.users += sign
        places_of = _LAYOUTS[len(vector)].places
        there = [place for place, number in enumerate(vector) if number]
        for at, i in enumerate(there):
            signed = sign * vector[i]
            self.sums[i] += signed
            places = places_of[i]
            for j in there[at:]:
                self.products[places[j]] += signed * vector[j]

    def _kept(self) -> Moments:
        """Return the moments without what is not watched, as earlier releases have them."""
        if len(self.sums) != _SIZE or any(self.sums[place] for place in _WATCHED_SUMS):
            return self
        sums = [self.sums[place] for place in _SUMS_OF_PLAIN]
        products = [self.products[place] for place in _PRODUCTS_OF_PLAIN]
        return Moments(self.users, self.mixed, self.disagreed, sums, products)

    def _whole(self) -> Moments:
        """Return the moments with what is not watched: nobody has any of it."""
        if len(self.sums) != _PLAIN_SIZE:
            return self
        whole = Moments(self.users, self.mixed, self.disagreed)
        for place, number in zip(_SUMS_OF_PLAIN, self.sums, strict=True):
            whole.sums[place] = number
        for place, number in zip(_PRODUCTS_OF_PLAIN, self.products, strict=True):
            whole.products[place] = number
        return whole

    def encode(self) -> str:
        """Return the numbers as a text, which has no largest number."""
        own = self._kept()
        return " ".join(
            map(str, (FORMAT, own.users, own.mixed, own.disagreed, *own.sums, *own.products))
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
        size = next((n for n, each in _LAYOUTS.items() if len(rest) == n + len(each.pairs)), 0)
        check(size > 0, f"its moments have {len(rest)} sums")
        return cls(users, mixed, disagreed, rest[:size], rest[size:])._whole()

    def shown(self, arm: str) -> dict[str, object]:
        """Return the moments of an arm as the operator reads them, in units and seconds."""
        own = {"arm": arm, "mixed": self.mixed, "disagreed": self.disagreed}
        return own | self.shown_cell()

    def shown_cell(self) -> dict[str, object]:
        """Return the moments of another cell as the operator reads them."""
        own = self._kept()
        layout = _LAYOUTS[len(own.sums)]
        names, scales = layout.names, layout.scales
        products = {
            f"{names[i]}*{names[j]}": _unit(number, scales[i] * scales[j])
            for (i, j), number in zip(layout.pairs, own.products, strict=True)
        }
        sums = dict(zip(names, map(_unit, own.sums, scales), strict=True))
        return {"users": own.users, "sums": sums, "products": products}


def move_moments(
    former: Mapping[int, UserMoments],
    shares: Mapping[int, UserMoments],
    of: Callable[[int, str, int], Moments],
) -> None:
    """Replace what a user added to the moments of each phase.

    `of` returns those of a phase, of an arm or another cell, and of so many components.
    """
    for phase in {*former, *shares}:
        before, after = former.get(phase), shares.get(phase)
        for share, sign in ((before, -1), (after, 1)):
            if share is not None and before != after:
                of(phase, share.arm, len(share.vector)).add(share, sign)
                for cell, vector in share.cells:
                    of(phase, cell, len(vector)).count(vector, sign)
                for arm, count in share.disagreed:
                    of(phase, arm, _SIZE).disagreed += sign * count


def _unit(number: int, scale: int) -> float:
    if number >= 2**53:  # JSON of 64 bits
        return number / scale
    whole, rest = divmod(number, scale)
    return number / scale if rest else whole
