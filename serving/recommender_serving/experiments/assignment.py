"""Assignment of users to versions while an experiment runs: pure.

docs/contracts.md defines the header and the bucket, with test values, so that others can compute
them too. Everything here depends on the user and the header alone, so every pod decides alike.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from dataclasses import dataclass
from typing import NamedTuple

from recommender_contract.bands import UNKNOWN
from recommender_contract.events import MAX_SEGMENT
from recommender_contract.headers import BUCKETS
from recommender_serving.domain.bands import Bands, value_of
from recommender_serving.domain.features import Feature, Features, Value
from recommender_serving.domain.types import NOBODY, SMOKE_USER, RecommendRequest
from recommender_serving.experiments.guardrails import NO_GUARDRAILS, Guardrails, guardrails_of

MAX_HEADER = 2560  # characters
MAX_ARMS = 8
# A cap has up to 17 digits, as the shortest decimal that is exactly a double.
_HEADER = re.compile(
    r"id=([0-9a-f]{8});phase=([0-9]{1,2})"
    r";cap=([0-9]{1,17}(?:\.[0-9]{1,21})?(?:e[+-]?[0-9]{1,3})?)"
    r";arms=([^;]+)(?:;segments=([^;]+))?(?:;withdrawn=([^;]+))?(?:;requests=([^;]+))?"
    r"(?:;group=([^;]+))?"
)
_ARM = re.compile(r"([a-z0-9-]{1,80}):([0-9]{1,5})-([0-9]{1,5})")
_SEGMENTS = re.compile(r"[a-z][a-z0-9_]{0,39}(?:,[a-z][a-z0-9_]{0,39}){0,2}")
_VERSION = re.compile(r"-[0-9a-f]{8}")


class Arm(NamedTuple):
    """The users of a candidate: those of the buckets `first <= bucket < end`."""

    version: str
    first: int
    end: int


class Assignment(NamedTuple):
    """Arm and segments of a user of an experiment, whatever answers the request."""

    experiment: str
    phase: int
    cap: float  # most revenue of one user that counts
    arm: str  # the version that should answer
    segments: tuple[tuple[str, str], ...] = ()  # features that divide the users, and their values


@dataclass(frozen=True, slots=True)
class Experiment:
    """One phase of an experiment: the ranges of its candidates are constant."""

    id: str
    phase: int
    cap: float
    arms: tuple[Arm, ...]
    segments: tuple[str, ...] = ()  # features that divide the users
    #: Candidates that answer nobody any more: the receiver does, but their users count as theirs.
    withdrawn: tuple[str, ...] = ()
    guardrails: Guardrails = NO_GUARDRAILS

    def candidate_of(self, user: str) -> str | None:
        """Return the candidate that a user sees; None for whatever receives the request."""
        place = bucket(self.id, user)
        return next((arm.version for arm in self.arms if arm.first <= place < arm.end), None)

    def assignment(self, user: str, receiver: str) -> Assignment:
        """Return the assignment of a user, if `receiver` got the request from the route."""
        arm = self.candidate_of(user) or receiver
        return Assignment(self.id, self.phase, self.cap, arm)

    def segments_of(
        self, request: RecommendRequest, features: Features, bands: Bands
    ) -> tuple[tuple[str, str], ...]:
        """Return the values of a request for the features that divide the users.

        A text is as it came, and a number is in one of `bands`, those of the receiver: versions
        may know other categories and have other bands, and the same user must be in the same
        segment whichever version answers.
        """
        given, now = request.features, request.timestamp
        return tuple(
            (name, _banded(features.get(name), given.get(name), bands.get(name, ()), now))
            for name in self.segments
        )


def _banded(
    feature: Feature | None, value: Value | None, edges: tuple[float, ...], now: int
) -> str:
    return value_of(feature, value, edges, now) or segment(value)


def segment(value: Value | None) -> str:
    """Return the segment of a text; UNKNOWN of anything else."""
    is_text = isinstance(value, str) and 0 < len(value) <= MAX_SEGMENT and value.isprintable()
    return value if is_text else UNKNOWN  # type: ignore[return-value]


def bucket(experiment: str, user: str) -> int:
    """Return the bucket of a user; the id of the experiment is the salt."""
    digest = hashlib.blake2b(f"{experiment}:{user}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def randomization_unit(request: RecommendRequest) -> str | None:
    """Return by what a request is assigned; None for one that is in no experiment.

    The id of the user, else that of the session. The smoke inference tests a version, so it is
    never answered by another one.
    """
    if request.user_text is not None:
        return None if request.user_text == SMOKE_USER else request.user_text
    if request.user_id != NOBODY:
        return str(request.user_id)
    return None if request.session_id is None else f"session:{request.session_id}"


def is_version(name: str, model: str) -> bool:
    """Return whether a name is one of a version of the model."""
    return name.startswith(model) and bool(_VERSION.fullmatch(name[len(model) :]))


def parse_experiment(text: str, model: str) -> Experiment:
    """Read the header of a route of the model.

    Raises:
        ValueError: it is not as docs/contracts.md says; the message says why.
    """
    found = _HEADER.fullmatch(text) if len(text) <= MAX_HEADER else None
    if found is None:
        form = (
            "id=...;phase=...;cap=...;arms=...[;segments=...][;withdrawn=...][;requests=...]"
            "[;group=...]"
        )
        raise ValueError(f"it is not {form}: {text[:100]!r}")
    cap = float(found[3])
    if not (math.isfinite(cap) and cap > 0):
        raise ValueError(f"the cap {found[3]} is not positive")
    arms = tuple(_arm(each, model) for each in found[4].split(","))
    if len(arms) > MAX_ARMS or len({arm.version for arm in arms}) < len(arms):
        raise ValueError(f"give at most {MAX_ARMS} candidates, each once")
    taken = sorted((arm.first, arm.end) for arm in arms if arm.first < arm.end)
    if any(end > first for (_, end), (first, _) in itertools.pairwise(taken)):
        raise ValueError("a bucket has two candidates")
    if found[5] is not None and not _SEGMENTS.fullmatch(found[5]):
        raise ValueError(f"the segments {found[5][:100]!r} are not up to 3 names of features")
    segments = tuple(found[5].split(",")) if found[5] else ()
    withdrawn = tuple(found[6].split(",")) if found[6] else ()
    if not {arm.version for arm in arms}.issuperset(withdrawn):
        raise ValueError(f"{found[6][:100]!r} withdraws what is no candidate")
    guardrails = guardrails_of(found[7], found[8])
    return Experiment(found[1], int(found[2]), cap, arms, segments, withdrawn, guardrails)


def _arm(text: str, model: str) -> Arm:
    found = _ARM.fullmatch(text)
    if found is None or not is_version(found[1], model):
        raise ValueError(f"{text[:100]!r} is not <version of {model}>:<from>-<to>")
    arm = Arm(found[1], int(found[2]), int(found[3]))
    if not arm.first <= arm.end <= BUCKETS:
        raise ValueError(f"{text[:100]!r}: give buckets from 0 to {BUCKETS}")
    return arm


MOST_ID = 10**18 - 1  # of users and items


def loggable_user(request: RecommendRequest) -> int | str | None:
    """Return the user of an impression; None if there is none, or one whom no log knows."""
    user = request.user_id if request.user_text is None else request.user_text
    if user == SMOKE_USER or (isinstance(user, int) and not 0 <= user <= MOST_ID):
        return None
    return user
