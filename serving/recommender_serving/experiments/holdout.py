"""Users who are kept from the model, and those whom they are compared with: pure.

docs/contracts.md defines the setting and the groups. They depend on the user and the setting
alone, so every pod of every version decides alike, and independently of every experiment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from recommender_contract.events import HELD, OTHERS, Source
from recommender_contract.headers import BUCKETS
from recommender_serving.domain.types import RecommendRequest
from recommender_serving.experiments.assignment import bucket, loggable_user

#: The others who are measured are so many times as many as the holdout: with all others, the
#: interval would be 10 % narrower at most, for up to twenty times the memory of the collector.
TIMES = 4
MAX_PERCENT = 10


class Member(NamedTuple):
    """Group of a user in the measure of a holdout."""

    measure: str  # 8 hex digits
    group: str
    cap: float  # most revenue of one user that counts

    @property
    def is_held(self) -> bool:
        """True if the model must not answer."""
        return self.group == HELD


@dataclass(frozen=True, slots=True)
class Holdout:
    """The share of the users whom the model does not answer."""

    id: str  # of the measure, 8 hex digits
    salt: str  # of the groups: they do not depend on the measure
    percent: int  # of the users
    answers: Source  # the first of the fallbacks that may answer
    cap: float

    def member(self, request: RecommendRequest) -> Member | None:
        """Return the group of the user of a request; None for most users.

        A request whose user no impression can name is not measured, so it is answered as if
        there was no holdout.
        """
        user = loggable_user(request)
        if user is None:
            return None
        place = bucket(self.salt, str(user))
        size = self.percent * BUCKETS // 100
        if place < size:
            return Member(self.id, HELD, self.cap)
        if place >= BUCKETS - TIMES * size:
            return Member(self.id, OTHERS, self.cap)
        return None
