"""The header by which a route assigns users to versions (`docs/contracts.md`).

The transformer that receives a request computes the bucket of its user, and forwards the request
if the bucket is one of the candidate's.
"""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
import re
from collections.abc import Sequence

from recommender_contract.headers import BUCKETS

#: A percent of the users has a hundredth of the buckets.
_PER_PERCENT = BUCKETS // 100
_FORM = re.compile(
    r"id=(?P<id>[0-9a-f]{8});phase=(?P<phase>\d{1,2});cap=(?P<cap>[0-9.e+-]{1,30});"
    r"arms=(?P<arms>[a-z0-9:,-]{1,900})"
    r"(?:;segments=(?P<segments>[a-z0-9_,]{1,200}))?"
    r"(?:;withdrawn=(?P<withdrawn>[a-z0-9,-]{1,600}))?"
    r"(?:;requests=(?P<requests>\d{1,5}))?"
    r"(?:;group=(?P<feature>[a-z0-9_]{1,40}):(?P<categories>[A-Za-z0-9_-]{1,1400}))?"
)
_ARM = re.compile(r"(?P<version>[a-z0-9-]{1,253}):(?P<first>\d{1,5})-(?P<end>\d{1,5})")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Further:
    """A version that has as many users as the candidate, from a place of its own.

    `first` is the percent at which its range begins. If it is `withdrawn`, whatever receives the
    requests of its users answers them, but they still count as its own: in a phase no user may be
    seen in two arms.
    """

    version: str
    first: int
    withdrawn: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """The items with one of these categories of a feature."""

    feature: str
    categories: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Assignment:
    """A constant share of the users for a candidate: the buckets from 0.

    A ramp only widens it, so no user returns to the champion. Each further version has as many
    buckets from its own place, which leaves room for the ramp of the one before it.
    """

    id: str
    phase: int
    #: Maximum revenue of one user that counts.
    cap: float
    candidate: str
    percent: int
    #: Features that divide the users.
    segments: tuple[str, ...] = ()
    further: tuple[Further, ...] = ()
    #: Milliseconds above which a request is slow; None: nothing is reported of requests.
    slower_than: int | None = None
    #: The group whose items are counted; None: none are.
    group: Group | None = None

    @property
    def elsewhere(self) -> int:
        """Percent of the users that neither the candidate nor the receiver answers."""
        return self.percent * sum(not each.withdrawn for each in self.further)

    @property
    def header(self) -> str:
        """The value of the header."""
        places = [(self.candidate, 0), *((each.version, each.first) for each in self.further)]
        arms = ",".join(
            f"{name}:{first * _PER_PERCENT}-{(first + self.percent) * _PER_PERCENT}"
            for name, first in places
        )
        cap = repr(float(self.cap)).removesuffix(".0")  # the shortest that is exact
        segments = f";segments={','.join(self.segments)}" if self.segments else ""
        gone = ",".join(each.version for each in self.further if each.withdrawn)
        withdrawn = f";withdrawn={gone}" if gone else ""
        requests = "" if self.slower_than is None else f";requests={self.slower_than}"
        group = "" if self.group is None else f";group={_coded(self.group)}"
        users = f"id={self.id};phase={self.phase};cap={cap};arms={arms}{segments}{withdrawn}"
        return f"{users}{requests}{group}"


def parse(header: str) -> Assignment | None:
    """Return the assignment of a header; None if it is empty or no header of this operator."""
    found = _FORM.fullmatch(header)
    if found is None:
        return None
    try:
        cap = float(found["cap"])
        ranges = list(map(_range, found["arms"].split(",")))
        group = _group(found["feature"], found["categories"])
    except ValueError:
        return None
    (candidate, _, percent), *others = ranges
    if not _fit(ranges):
        return None
    gone = _listed(found["withdrawn"])
    return Assignment(
        id=found["id"],
        phase=int(found["phase"]),
        cap=cap,
        candidate=candidate,
        percent=percent,
        segments=_listed(found["segments"]),
        further=tuple(
            Further(version=name, first=first, withdrawn=name in gone) for name, first, _ in others
        ),
        slower_than=int(found["requests"]) if found["requests"] else None,
        group=group,
    )


def _coded(group: Group) -> str:
    """Return a group for a header, whose categories may have any characters."""
    text = json.dumps(group.categories, ensure_ascii=False, separators=(",", ":"))
    coded = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return f"{group.feature}:{coded}"


def _group(feature: str | None, coded: str | None) -> Group | None:
    """Return the group of a header; None if it has none.

    Raises:
        ValueError: it is no group of this operator.
    """
    if feature is None or coded is None:
        return None
    found = json.loads(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)))
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError(coded)
    return Group(feature=feature, categories=tuple(found))


def served(header: str) -> frozenset[str]:
    """Return the versions to which a header sends users; none if it is no header of ours."""
    users = parse(header)
    if users is None:
        return frozenset()
    return frozenset(
        {users.candidate, *(each.version for each in users.further if not each.withdrawn)}
    )


def _range(text: str) -> tuple[str, int, int]:
    """Return version, start and width of an arm, in percent.

    Raises:
        ValueError: it is none, or its buckets are no whole percent.
    """
    found = _ARM.fullmatch(text)
    if found is None or int(found["first"]) % _PER_PERCENT or int(found["end"]) % _PER_PERCENT:
        raise ValueError(text)
    first, end = int(found["first"]) // _PER_PERCENT, int(found["end"]) // _PER_PERCENT
    return found["version"], first, end - first


def _fit(ranges: Sequence[tuple[str, int, int]]) -> bool:
    """Return whether ranges begin with one from 0, are as wide as it, and share no bucket."""
    width = ranges[0][2]
    if ranges[0][1] != 0 or not 0 < width < 100 or any(each[2] != width for each in ranges):
        return False
    firsts = sorted(first for _, first, _ in ranges)
    apart = all(here + width <= there for here, there in itertools.pairwise(firsts))
    return apart and firsts[-1] + width < 100 and len({each[0] for each in ranges}) == len(ranges)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(filter(None, (text or "").split(",")))
