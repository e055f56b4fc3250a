"""Outcomes of predictions, as moments over users: pure.

A prediction is the probability of the declared label that an impression gave for an item. Of each
version and day there are sums over the users: predictions of one user are alike, so intervals that
take them as independent would be too short. All numbers are whole, so that sums are exact:
probabilities, labels and losses are in millionths.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from recommender_collector.domain.formats import FORMAT, Damaged, check
from recommender_collector.outcomes.prediction_segments import places_of

UNIT = 1_000_000
#: Parts of the vector of a user, in the order of the alphabet. `loss` is the log loss, `excess` is
#: the log loss beyond the one that the model itself expects, `squares` is the Brier score.
COMPONENTS = ("excess", "labels", "loss", "predicted", "predictions", "squares")
_SCALES = tuple(1 if name == "predictions" else UNIT for name in COMPONENTS)
_SIZE = len(COMPONENTS)
_PAIRS = tuple((i, j) for i in range(_SIZE) for j in range(i, _SIZE))
#: Inner ends of the ten bins of the probability, in millionths. They are closer where it is low,
#: because most shown items are not taken.
EDGES = (2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 400_000, 700_000)
BINS = len(EDGES) + 1
#: Of a bin: sums over users of its predictions, probabilities and labels; then of the squares and
#: the product of the user's predictions and gap (labels less probabilities).
BIN_SUMS = (
    "predictions", "predicted", "labels", "gap*gap", "gap*predictions", "predictions*predictions",
)  # fmt: skip
_BIN_SCALES = (1, UNIT, UNIT, UNIT * UNIT, UNIT, 1)
_NUMBERS = 1 + _SIZE + len(_PAIRS) + BINS * len(BIN_SUMS)
#: Of a segment: users, the sums of the first components, and the products that intervals need.
_PART_SIZE = COMPONENTS.index("squares")
_PART_PAIRS = ((0, 0), (0, 4), (1, 1), (1, 3), (1, 4), (3, 3), (3, 4), (4, 4))
_PART_SUMS = 1 + _PART_SIZE  # place of the first product
_PART = _PART_SUMS + len(_PART_PAIRS)


class UserOutcomes(NamedTuple):
    """Contribution of one user to the sums of a version and a day."""

    vector: tuple[int, ...]
    bins: dict[int, tuple[int, int, int]]  # predictions, probabilities and labels of each
    parts: dict[int, tuple[int, ...]]  # the vector of the predictions in each segment


def millionths(probability: float) -> int:
    """Return a probability in millionths, never 0 or 1, so that each loss is finite."""
    return min(max(round(probability * UNIT), 1), UNIT - 1)


def user_outcomes(predictions: Iterable[tuple[int, bool, int]]) -> UserOutcomes:
    """Return the share of a user.

    A prediction is a probability in millionths, its label, and the code of its segments.
    """
    vector = [0] * _SIZE
    bins: dict[int, tuple[int, int, int]] = {}
    codes: dict[int, list[int]] = {}
    for probability, label, code in predictions:
        own = codes.setdefault(code, [0] * _SIZE)
        for place, number in enumerate(_of_one(probability, label)):
            vector[place] += number
            own[place] += number
        bin_ = bisect_right(EDGES, probability)
        count, predicted, labels = bins.get(bin_, (0, 0, 0))
        bins[bin_] = (count + 1, predicted + probability, labels + label * UNIT)
    return UserOutcomes(tuple(vector), bins, _parts(codes))


def _parts(codes: dict[int, list[int]]) -> dict[int, tuple[int, ...]]:
    """Return the vectors of segments from those of codes."""
    found: dict[int, tuple[int, ...]] = {}
    for code, vector in codes.items():
        for place in places_of(code):
            before = found.get(place, (0,) * _SIZE)
            found[place] = tuple(a + b for a, b in zip(before, vector, strict=True))
    return found


def _of_one(probability: int, label: bool) -> tuple[int, ...]:
    share_ = probability / UNIT
    loss = -math.log(share_ if label else 1 - share_)
    expected = -share_ * math.log(share_) - (1 - share_) * math.log(1 - share_)
    square = (share_ - label) ** 2
    excess, loss_, squared = (round(n * UNIT) for n in (loss - expected, loss, square))
    return excess, label * UNIT, loss_, probability, 1, squared


@dataclass(slots=True)
class OutcomeSums:
    """Sums over the users of one version and one day."""

    users: int = 0
    sums: list[int] = field(default_factory=lambda: [0] * _SIZE)
    products: list[int] = field(default_factory=lambda: [0] * len(_PAIRS))
    bins: list[list[int]] = field(
        default_factory=lambda: [[0] * len(BIN_SUMS) for _ in range(BINS)]
    )
    #: Users, sums and products of the predictions of each segment that has any.
    parts: dict[int, list[int]] = field(default_factory=dict)

    def add(self, of: UserOutcomes, sign: int) -> None:
        """Add the share of a user (`sign` 1), or subtract it (-1)."""
        self.users += sign
        for place, number in enumerate(of.vector):
            self.sums[place] += sign * number
        for place, (i, j) in enumerate(_PAIRS):
            self.products[place] += sign * of.vector[i] * of.vector[j]
        for bin_, (count, predicted, labels) in of.bins.items():
            gap = labels - predicted
            numbers = (count, predicted, labels, gap * gap, gap * count, count * count)
            for place, number in enumerate(numbers):
                self.bins[bin_][place] += sign * number
        for part, vector in of.parts.items():
            known = self.parts.setdefault(part, [0] * _PART)
            products = (vector[i] * vector[j] for i, j in _PART_PAIRS)
            for place, number in enumerate((1, *vector[:_PART_SIZE], *products)):
                known[place] += sign * number
            if not known[0]:
                del self.parts[part]

    def encode(self) -> str:
        """Return the numbers as a text, which has no largest number."""
        flat = [number for each in self.bins for number in each]
        parts = [n for place, each in sorted(self.parts.items()) for n in (place, *each)]
        return " ".join(map(str, (FORMAT, self.users, *self.sums, *self.products, *flat, *parts)))

    @classmethod
    def decode(cls, text: str | bytes) -> OutcomeSums:
        """Return the sums of such a text.

        Raises:
            Damaged: the text has another format.
        """
        try:
            version, *rest = map(int, text.split())
        except ValueError:
            raise Damaged("the sums are not numbers") from None
        more = len(rest) - _NUMBERS  # an earlier release kept no segments
        is_whole = more >= 0 and more % (1 + _PART) == 0
        check(version == FORMAT and is_whole, "the sums have another format")
        parts = {
            rest[at]: rest[at + 1 : at + 1 + _PART] for at in range(_NUMBERS, len(rest), 1 + _PART)
        }
        rest = rest[:_NUMBERS]
        users, sums, rest = rest[0], rest[1 : 1 + _SIZE], rest[1 + _SIZE :]
        products, flat = rest[: len(_PAIRS)], rest[len(_PAIRS) :]
        size = len(BIN_SUMS)
        bins = [flat[i * size : (i + 1) * size] for i in range(BINS)]
        return cls(users, sums, products, bins, parts)

    def shown(self) -> dict[str, object]:
        """Return the sums as the operator reads them, without segments."""
        return _shown(self.users, self.sums, self.products, _PAIRS) | {
            "bins": [
                {
                    name: number / scale
                    for name, number, scale in zip(BIN_SUMS, each, _BIN_SCALES, strict=True)
                }
                for each in self.bins
            ],
        }

    def shown_parts(self) -> dict[int, dict[str, object]]:
        """Return those of each segment, by its number."""
        return {
            place: _shown(each[0], each[1:_PART_SUMS], each[_PART_SUMS:], _PART_PAIRS)
            for place, each in sorted(self.parts.items())
        }


def _shown(
    users: int, sums: Iterable[int], products: Iterable[int], pairs: Iterable[tuple[int, int]]
) -> dict[str, object]:
    return {
        "users": users,
        "sums": {
            name: number / scale
            for name, number, scale in zip(COMPONENTS, sums, _SCALES, strict=False)
        },
        "products": {
            f"{COMPONENTS[i]}*{COMPONENTS[j]}": number / (_SCALES[i] * _SCALES[j])
            for (i, j), number in zip(pairs, products, strict=True)
        },
    }
