"""The header of a shadow phase between route and transformers (`docs/contracts.md`).

The transformer that answers a request sends a copy to the candidate that the route names.
"""

from __future__ import annotations

from recommender_contract.headers import SHARES


def header(candidate: str, share: float) -> str:
    """Return the value of the header for a share of the requests."""
    return f"{candidate}:{max(1, round(share * SHARES))}"
