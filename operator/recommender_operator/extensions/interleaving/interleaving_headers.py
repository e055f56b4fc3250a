"""The header of an interleaving between route and transformers (`docs/contracts.md`).

The transformer that answers a request mixes its list with that of the candidate.
"""

from __future__ import annotations

#: Buckets of one percent of the users.
_PER_PERCENT = 100
#: End of a header while no list is mixed: all are reported as lists of nobody.
_ALONE = ";alone=1"


def header(id_: str, candidate: str, percent: int) -> str:
    """Return the value of the header for a percent of the users."""
    return f"id={id_};candidate={candidate};users={percent * _PER_PERCENT}"


def alone(header_: str) -> str:
    """Return the value by which the same users get lists of one version, reported as nobody's."""
    return header_ + _ALONE


def is_alone(header_: str) -> bool:
    """Return whether the value says that no list is mixed."""
    return header_.endswith(_ALONE)
