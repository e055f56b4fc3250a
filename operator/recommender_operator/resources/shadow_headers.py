"""The headers of a shadow phase between route and transformers (`docs/contracts.md`).

The transformer that answers a request sends a copy to the candidate that the route names.
"""

from __future__ import annotations

#: Set by the route in the phase, and removed otherwise, so that no client can set it.
HEADER = "x-recommender-shadow"
#: Set by the transformer that sends a copy; no client may set it either.
COPY = "x-recommender-copy"
#: A share is a number of so many requests.
OF = 10_000


def header(candidate: str, share: float) -> str:
    """Return the value of the header for a share of the requests."""
    return f"{candidate}:{max(1, round(share * OF))}"
