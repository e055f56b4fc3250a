"""Users who are kept from the model, and those whom they are compared with: pure.

docs/contracts.md defines the setting and the groups. They depend on the user and the setting
alone, so every pod of every version decides alike, and independently of every experiment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field, with_config

from recommender_contract.events import HELD, OTHERS, Source
from recommender_contract.headers import BUCKETS
from recommender_serving.domain.settings_json import STRICT_JSON
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


def _fallback(name: str) -> Source:
    """Return the source of a name in the resource."""
    if name not in ("Baseline", "Popularity"):
        raise ValueError("give Baseline or Popularity")
    return Source(name.lower())


@with_config(STRICT_JSON)
@dataclass(frozen=True, slots=True)
class Holdout:
    """The share of the users whom the model does not answer."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]  # of the measure, 8 hex digits
    # Of the groups: they do not depend on the measure.
    salt: Annotated[str, Field(pattern=r"^holdout-[0-9a-f]{8}$")]
    percent: Annotated[int, Field(ge=1, le=MAX_PERCENT)]  # of the users
    # The first of the fallbacks that may answer.
    answers: Annotated[Source, BeforeValidator(_fallback)]
    cap: Annotated[float, Field(gt=0, le=1e9)]

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
