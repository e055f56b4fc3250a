"""Lines of the list of erasures, from which lakes learn whom to erase: pure."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from recommender_collector.domain.events import Id
from recommender_collector.domain.store_updates import number
from recommender_contract import erasures


def user_digest(user: Id) -> str:
    """Return the digest of a user as 32 hex digits."""
    return erasures.digest(number(user))


def line_of(user: Id, milliseconds: int) -> bytes:
    """Return the erasure of a user at a time as one line of JSON."""
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    time = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return orjson.dumps({"user": user_digest(user), "time": time})
