"""What simulated users like, and what they do with a list of items: pure.

Preferences follow from the seed and the ids alone, so two runs, or two arms, meet the same users.
A user likes a share of all items. Positions are examined less the further down they are, and an
examined item is clicked on with one probability if the user likes it, with another one if not
(the position-based model: https://arxiv.org/abs/1511.01463).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from recommender_client.values import Id

_HASHES = 2**64


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How users act. All are probabilities, but for the seed and the decay."""

    seed: int = 0
    liked: float = 0.2  # share of the items that a user likes
    click: float = 0.3  # on an examined item that the user likes
    mistake: float = 0.02  # on an examined item that the user does not like
    buy: float = 0.1  # after a click on an item that the user likes
    decay: float = 0.7  # position n, from 1, is examined with probability n^-decay

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        for name in ("liked", "click", "mistake", "buy"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: got {getattr(self, name)}; give 0 to 1")
        if not 0 <= self.decay <= 10:
            raise ValueError(f"decay: got {self.decay}; give 0 to 10")

    def likes(self, user: Id, item: Id) -> bool:
        """Return whether a user likes an item."""
        text = f"{self.seed}:{user}:{item}".encode(errors="replace")
        digest = hashlib.blake2b(text, digest_size=8).digest()
        return int.from_bytes(digest, "big") < self.liked * _HASHES

    def expected_clicks(self, user: Id, items: Sequence[Id]) -> float:
        """Return the mean number of clicks on a list."""
        return sum(
            self._examines(place) * (self.click if self.likes(user, item) else self.mistake)
            for place, item in enumerate(items, 1)
        )

    def acts(self, user: Id, items: Sequence[Id], chance: random.Random) -> list[tuple[Id, bool]]:
        """Return the items that the user clicks on, and of each whether it is bought."""
        found = []
        for place, item in enumerate(items, 1):
            likes = self.likes(user, item)
            clicks = self._examines(place) * (self.click if likes else self.mistake)
            if chance.random() < clicks:
                found.append((item, likes and chance.random() < self.buy))
        return found

    def _examines(self, place: int) -> float:
        return float(place**-self.decay)
