"""The largest events that are legal: impressions of 500 text items, in requests of 1 MiB."""

from __future__ import annotations

import itertools
import string
import time

from recommender_collector.domain.events import Event
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_contract.events import MAX_BODY, MAX_ITEMS, Kind

#: The shortest ids of different items, so that a request has the most of them.
ITEMS = tuple(
    first + second
    for first, second in itertools.islice(
        itertools.product(string.ascii_letters + string.digits, repeat=2), MAX_ITEMS
    )
)
USER, ID = "user-------", "event-------"


def impressions(number: int, size: int = MAX_BODY) -> Lines:
    """Return the lines of request `number`: as many impressions as `size` bytes have, of a user.

    Each request has its own user and its own ids.
    """
    now = int(time.time() * 1000)
    line = line_of(Event(ID, Kind.IMPRESSION, USER, ITEMS, now))
    user = f"u{number:010d}".encode()
    found = []
    for place in range(size // (len(line) + 1)):
        id_ = f"e{number:06d}.{place:04d}"
        text = line.replace(USER.encode(), user).replace(ID.encode(), id_.encode())
        found.append(Line(digest(id_), text))
    return Lines.of(found)


def purchase(number: int) -> Lines:
    """Return the line of a purchase."""
    now = int(time.time() * 1000)
    bought = Event(f"p{number}", Kind.PURCHASE, f"buyer{number}", ("tea",), now, 1.0)
    return Lines.of([Line(digest(bought.id), line_of(bought))])
