"""Tastes of simulated users: pure, and the same in every process for the same seed."""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass

from recommender_client.values import Id

DIMENSIONS = 4
_BYTES = 8


@dataclass(frozen=True, slots=True)
class Tastes:
    """The chance that a user clicks on an item that he or she looks at.

    Each user and each item has a vector of standard normal numbers that depends on the seed and
    the id alone, so no list of users or items is needed, and several processes agree.
    """

    seed: int = 1
    click_rate: float = 0.1  # of a user and an item whose vectors are orthogonal
    spread: float = 1.5  # standard deviation of the log odds; 0: all items are alike

    def __post_init__(self) -> None:
        if not 0 < self.click_rate < 1:
            raise ValueError(f"click_rate: got {self.click_rate}; give a number between 0 and 1")
        if not (math.isfinite(self.spread) and self.spread >= 0):
            raise ValueError(f"spread: got {self.spread}; give a number of at least 0")

    def chance(self, user: Id, item: Id) -> float:
        """Return the chance of a click, between 0 and 1."""
        pairs = zip(
            _vector(self.seed, "user", user), _vector(self.seed, "item", item), strict=True
        )
        product = sum(u * i for u, i in pairs) / math.sqrt(DIMENSIONS)
        odds = math.log(self.click_rate / (1 - self.click_rate)) + self.spread * product
        return 1 / (1 + math.exp(-odds))


@functools.lru_cache(maxsize=200_000)
def _vector(seed: int, kind: str, id_: Id) -> tuple[float, ...]:
    """Return standard normal numbers by the method of Box and Muller (1958)."""
    text = f"{seed}:{kind}:{id_}".encode()
    digest = hashlib.blake2b(text, digest_size=_BYTES * DIMENSIONS).digest()
    uniform = [
        (int.from_bytes(digest[at : at + _BYTES], "big") + 0.5) / 2 ** (8 * _BYTES)
        for at in range(0, len(digest), _BYTES)
    ]
    normal: list[float] = []
    for first, second in zip(uniform[::2], uniform[1::2], strict=True):
        radius = math.sqrt(-2 * math.log(first))
        normal += [
            radius * math.cos(2 * math.pi * second),
            radius * math.sin(2 * math.pi * second),
        ]
    return tuple(normal)
