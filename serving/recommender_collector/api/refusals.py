"""Refusals that the routes of the admin port share."""

from __future__ import annotations

from collections.abc import Collection

from recommender_collector.api.request_bodies import Refused


def require_model(model: str, known: Collection[str]) -> None:
    """Raise Refused (404) for a model that is not declared."""
    if model not in known:
        names = ", ".join(sorted(known)[:10])
        raise Refused(404, f"model: got {model[:60]!r}; give one of {names}")


def unavailable(error: Exception) -> Refused:
    """Return the refusal (503) of a request for which the store does not answer."""
    return Refused(503, f"the store does not answer ({type(error).__name__}): ask again", 1)
