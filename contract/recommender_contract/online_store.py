"""Keys and values of the online store. The collector writes it, the transformer reads it.

All keys of a model share the hash tag `{<model>}`, so that a script may use several of them. A
user has up to four sorted sets, scored by time in milliseconds since 1970; the members of all but
the first are items:

    {<model>}:user:<id>:recent    interactions, "<item> <value> <kind and second>"
    {<model>}:user:<id>:seen      items that were shown or opened
    {<model>}:user:<id>:bought    items that were bought
    {<model>}:user:<id>:disliked  items that the user dislikes

What is popular now is in sorted sets of items, of all events and of segments:

    {<model>}:trending            the segments, a set
    {<model>}:trending:all        items, scored by the logarithm of their decayed events (`worth`)
    {<model>}:trending:<segment>  the same of a segment

Ids are numbers: a text id is replaced by its hash, as in the models.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping

from recommender_contract.ids import hashed


class Set(enum.StrEnum):
    """The sorted sets of a user."""

    RECENT = "recent"
    SEEN = "seen"
    BOUGHT = "bought"
    DISLIKED = "disliked"


# No docstring: it would describe the entries of `events.hide` in the CRD.
class Hide(enum.StrEnum):
    INTERACTED = "Interacted"
    BOUGHT = "Bought"
    DISLIKED = "Disliked"
    SEEN = "Seen"

    @property
    def set(self) -> Set:
        """The set that has these items."""
        return _SETS[self]


_SETS = {
    Hide.INTERACTED: Set.RECENT,
    Hide.BOUGHT: Set.BOUGHT,
    Hide.DISLIKED: Set.DISLIKED,
    Hide.SEEN: Set.SEEN,
}


def hidden_by_default(*, comes_again: bool) -> frozenset[Hide]:
    """Return what answers leave out unless the resource says otherwise.

    Who may get an item again wants what was bought; nobody wants what was disliked.
    """
    disliked = frozenset({Hide.DISLIKED})
    return disliked if comes_again else disliked | {Hide.INTERACTED, Hide.BOUGHT}


#: Most members of each set; the oldest go first.
LIMITS = {Set.RECENT: 100, Set.SEEN: 500, Set.BOUGHT: 500, Set.DISLIKED: 200}


def key(model: str, user: int, name: Set) -> str:
    """Return the key of a set of a user."""
    return f"{{{model}}}:user:{user}:{name}"


def member(item: int, value: float, kind: str, milliseconds: int) -> str:
    """Return the member of `recent` for an interaction.

    Equal ones of a second are one, as in the files that training reads.
    """
    return f"{item} {value:.17g} {kind}{milliseconds // 1000}"


def interaction(text: bytes) -> tuple[int, float]:
    """Return the item and the value of a member of `recent`.

    Raises:
        ValueError: the member does not have this layout.
    """
    item, value, _ = text.split(b" ", 2)
    return int(item), float(value)


#: An event counts half after this time, in seconds.
HALF_LIFE = 6 * 3600
TREND_ITEMS = 1000  # most of a sorted set; those with the least decayed events go first
#: Of all events, what graphs that read trends are told of: `trend_items` and `trend_counts`.
RANKED_TRENDS = 256
TREND_SEGMENTS = 64  # most of a model; a further one counts in `all` alone
TREND_SECONDS = 7 * 86_400  # until a set without events is forgotten
ALL = "all"


def trends(model: str) -> str:
    """Return the key of the segments, which with `:` and a segment is that of its items."""
    return f"{{{model}}}:trending"


def segment_of(values: Mapping[str, str]) -> str:
    """Return the name of the segment of these values of the features of the context."""
    return f"{hashed(chr(31).join(f'{name}={values[name]}' for name in sorted(values))):x}"


def worth(seconds: float) -> float:
    """Return the base 2 logarithm of the worth of one event at a time, in seconds since 1970.

    An event that is one half-life younger has twice the worth. As worths only grow, none has to
    be written again when time passes ("forward decay"):
    https://dimacs.rutgers.edu/~graham/pubs/papers/fwddecay.pdf
    """
    return seconds / HALF_LIFE


def decayed(score: float, now: float) -> float:
    """Return the decayed number of events of a score at the time `now`."""
    return math.exp2(min(score - worth(now), 64.0))
