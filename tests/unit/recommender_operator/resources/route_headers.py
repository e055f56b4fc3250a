"""Headers that the route sets or removes on each request."""

from __future__ import annotations

from recommender_contract import headers

OURS = {
    headers.EXPERIMENT_HEADER,
    headers.FORWARDED_HEADER,
    headers.SHADOW_HEADER,
    headers.COPY_HEADER,
    headers.INTERLEAVING_HEADER,
}
