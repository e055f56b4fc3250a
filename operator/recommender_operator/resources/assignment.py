"""The header by which a route assigns users to versions (`docs/contracts.md`).

The transformer that receives a request computes the bucket of its user, and forwards the request
if the bucket is one of the candidate's.
"""

from __future__ import annotations

import dataclasses
import re

#: Set by the route during an experiment, and removed otherwise, so that no client can set it.
HEADER = "x-recommender-experiment"
#: Set by the transformer that forwards a request; no client may set it either.
FORWARDED = "x-recommender-forwarded"
#: Number of buckets of users; a percent of the users has a hundredth of them.
BUCKETS = 10_000
_PER_PERCENT = BUCKETS // 100
_FORM = re.compile(
    r"id=(?P<id>[0-9a-f]{8});phase=(?P<phase>\d{1,2});cap=(?P<cap>[0-9.e+-]{1,30});"
    r"arms=(?P<version>[a-z0-9-]{1,253}):0-(?P<end>\d{1,5})"
    r"(?:;segments=(?P<segments>[a-z0-9_,]{1,200}))?"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Assignment:
    """A constant share of the users for a candidate: the buckets from 0.

    A ramp only widens it, so no user returns to the champion.
    """

    id: str
    phase: int
    #: Maximum revenue of one user that counts.
    cap: float
    candidate: str
    percent: int
    #: Features that divide the users.
    segments: tuple[str, ...] = ()

    @property
    def header(self) -> str:
        """The value of the header."""
        arm = f"{self.candidate}:0-{self.percent * _PER_PERCENT}"
        cap = repr(float(self.cap)).removesuffix(".0")  # the shortest that is exact
        segments = f";segments={','.join(self.segments)}" if self.segments else ""
        return f"id={self.id};phase={self.phase};cap={cap};arms={arm}{segments}"


def parse(header: str) -> Assignment | None:
    """Return the assignment of a header; None if it is empty or no header of this operator."""
    found = _FORM.fullmatch(header)
    if found is None:
        return None
    percent, rest = divmod(int(found["end"]), _PER_PERCENT)
    try:
        cap = float(found["cap"])
    except ValueError:
        return None
    if rest or not 0 < percent < 100:
        return None
    return Assignment(
        id=found["id"],
        phase=int(found["phase"]),
        cap=cap,
        candidate=found["version"],
        percent=percent,
        segments=tuple(filter(None, (found["segments"] or "").split(","))),
    )
