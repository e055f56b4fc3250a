"""Users whose lists mix those of two versions: what the header of a route says of them: pure.

docs/contracts.md defines the header. Who gets such lists depends on the user and the header
alone, so every pod decides alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from recommender_contract.headers import (
    BUCKETS,
    COPY_HEADER,
    FORWARDED_HEADER,
    INTERLEAVING_HEADER,
)
from recommender_serving.domain.types import RecommendRequest
from recommender_serving.experiments.assignment import bucket, is_version, loggable_user
from recommender_serving.experiments.parsed_headers import ParsedHeaders

_HEADER = re.compile(r"id=([0-9a-f]{8});candidate=([a-z0-9-]{1,80});users=([0-9]{1,5})(;alone=1)?")


class Interleaving(NamedTuple):
    """A candidate whose lists some users see mixed with those of the version that answers."""

    id: str  # 8 hex digits, also the salt of buckets and coins
    candidate: str
    users: int  # buckets, from 0
    alone: bool = False  # no list is mixed: all are reported as lists of nobody

    def includes(self, request: RecommendRequest) -> bool:
        """Return whether the user of a request gets such lists.

        It has to be one whom an impression can name, or nothing would be measured.
        """
        user = loggable_user(request)
        return user is not None and bucket(self.id, str(user)) < self.users


def parse_interleaving(text: str, model: str) -> Interleaving:
    """Read the header of a route of the model.

    Raises:
        ValueError: it is not as docs/contracts.md says; the message says why.
    """
    found = _HEADER.fullmatch(text)
    if found is None or not is_version(found[2], model):
        form = f"id=...;candidate=<version of {model}>;users=<buckets>[;alone=1]"
        raise ValueError(f"it is not {form}: {text[:100]!r}")
    read = Interleaving(found[1], found[2], int(found[3]), found[4] is not None)
    if not 1 <= read.users <= BUCKETS:
        raise ValueError(f"{text[:100]!r}: give 1 to {BUCKETS} buckets")
    return read


class InterleavingHeaders:
    """Reads the headers of calls to one version; `ignored` counts those that do not parse."""

    def __init__(self, model: str, version: str, ignored: Callable[[], None]) -> None:
        self._version = version
        self._parsed = ParsedHeaders(lambda text: parse_interleaving(text, model), ignored)

    def interleaving_of(self, headers: Mapping[str, str]) -> Interleaving | None:
        """Return the interleaving of a call; None for most calls.

        A copy and a forwarded request have none, so no version is asked in a circle.
        """
        text = headers.get(INTERLEAVING_HEADER)
        if text is None or FORWARDED_HEADER in headers or COPY_HEADER in headers:
            return None
        found = self._parsed.parsed(text)
        return None if found is None or found.candidate == self._version else found
