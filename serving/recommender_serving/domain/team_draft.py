"""Team draft: one list of two versions, and which of them gave each item: pure.

Source: F. Radlinski, M. Kurup and T. Joachims, How does clickthrough data reflect retrieval
quality?, CIKM 2008.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from recommender_contract.events import NEITHER, TEAMS

#: An item as clients know it, and its score.
Scored = tuple[int | str, float]
_DIGEST_BYTES = 64
_ROUNDS = 8 * _DIGEST_BYTES


class Draft(NamedTuple):
    """A list, best first. An item has the score of the version that gave it.

    So scores need not fall along the list.
    """

    items: tuple[int | str, ...]
    scores: tuple[float, ...]
    teams: str  # a letter for each item


def team_draft(own: Sequence[Scored], theirs: Sequence[Scored], length: int, salt: str) -> Draft:
    """Return at most `length` items of two rankings, each with every item once.

    Like captains who choose teams: in each round a coin decides who chooses first, and each
    ranking gives its best item that is not in the list yet. The salt decides the coins. So both
    give as many items, up to one in the last round if `length` is odd. From the first round on
    that is not complete whoever chooses first, items belong to neither team: else one of them
    would have the better place more often.
    """
    mixing = _Mixing((own, theirs))
    for first in _coins(salt):
        left = length - len(mixing.picked)
        if left <= 0 or not mixing.is_complete(left):
            break
        mixing.pick(first, TEAMS[first])
        if left > 1:
            mixing.pick(1 - first, TEAMS[1 - first])
    for side in (0, 1):
        while len(mixing.picked) < length and mixing.pick(side, NEITHER):
            pass
    return Draft(
        tuple(item for (item, _), _ in mixing.picked),
        tuple(score for (_, score), _ in mixing.picked),
        "".join(team for _, team in mixing.picked),
    )


class _Mixing:
    """A list that grows, and how far each ranking is used."""

    def __init__(self, rankings: tuple[Sequence[Scored], Sequence[Scored]]) -> None:
        self.picked: list[tuple[Scored, str]] = []
        self._rankings = rankings
        self._starts = [0, 0]  # nothing before is free
        self._taken: set[int | str] = set()

    def is_complete(self, left: int) -> bool:
        """Return whether both can give an item for so many places, whoever chooses first."""
        own, theirs = self._free(0), self._free(1)
        if not own or not theirs:
            return False
        return left == 1 or own[0][0] != theirs[0][0] or len(own) == len(theirs) == 2

    def pick(self, side: int, team: str) -> bool:
        """Add the best free item of a ranking, and return whether there was one."""
        found = self._free(side)[:1]
        for each in found:
            self._taken.add(each[0])
            self.picked.append((each, team))
        return bool(found)

    def _free(self, side: int) -> list[Scored]:
        """Return the best two items of a ranking that are not in the list, or fewer."""
        ranking, start = self._rankings[side], self._starts[side]
        while start < len(ranking) and ranking[start][0] in self._taken:
            start += 1
        self._starts[side] = start
        left = (each for each in ranking[start:] if each[0] not in self._taken)
        return list(itertools.islice(left, 2))


def _coins(salt: str) -> Iterator[int]:
    """Yield 0 or 1 for each round; half of all salts have either, in each round."""
    digest = hashlib.blake2b(salt.encode(errors="replace"), digest_size=_DIGEST_BYTES).digest()
    bits = int.from_bytes(digest, "big")
    for place in range(_ROUNDS):
        yield bits >> place & 1
