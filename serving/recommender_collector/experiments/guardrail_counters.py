"""How the requests of one user in one phase were served, and the items of a group: pure."""

from __future__ import annotations

from recommender_collector.domain.events import Served

#: Most requests and items of one user that count.
MOST_REQUESTS, MOST_SHOWN = 1000, 10_000
#: Requests of which it is known how they were served, those that failed, and those that were slow;
#: items of which it is known whether they are of the group, and those that are.
GuardrailCounters = list[int]
SIZE = 5


def no_counts() -> GuardrailCounters:
    """Return the numbers of a user of whom nothing is known."""
    return [0] * SIZE


def add_exposure(
    found: GuardrailCounters, served: Served | None, items: int, of_group: int | None
) -> None:
    """Add how the request of an exposure was served, and what it showed, if it says so."""
    if served is not None:
        found[0] += 1
        found[1] += served.failed
        # Who gets no answer from the own version does not get it in time either.
        found[2] += served.failed or served.milliseconds > served.slower_than
    if of_group is not None:
        found[3] += items
        found[4] += of_group


def capped(found: GuardrailCounters) -> list[int]:
    """Return the numbers that count, in the same order."""
    return _part(found[:3], MOST_REQUESTS) + _part(found[3:], MOST_SHOWN)


def _part(counts: list[int], most: int) -> list[int]:
    """Return a count and parts of it, of so many at most: of each the same part, rounded.

    Else the errors of all requests would be divided by the first ones.
    """
    total = counts[0]
    if total <= most:
        return counts
    return [(2 * each * most + total) // (2 * total) for each in counts]
