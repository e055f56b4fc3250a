"""The features by whose values labels are monitored; a transformer reports them."""

from __future__ import annotations

from recommender_contract.features import NAMED
from recommender_contract.resource.mapping import DataMapping


def segment_features(mapping: DataMapping | None) -> tuple[str, ...]:
    """Return the features that impressions must say beside their context.

    Every impression has the named values of its context. Numbers are reported by their bands,
    which only the version knows.
    """
    if mapping is None:
        return ()
    named = [each for each in mapping.of_context if each.kind in NAMED]
    return tuple(each.name for each in mapping.dividing if each not in named)
