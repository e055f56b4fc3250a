"""Headers of REST, of requests and answers; gRPC has the same as metadata."""

from __future__ import annotations

ID_HEADER = "x-request-id"
DEADLINE_HEADER = "x-deadline-ms"  # how long the client waits; gRPC has its own
MAX_DEADLINE_MS = 60_000
VERSION_HEADER = "x-recommender-version"
SOURCE_HEADER = "x-recommender-source"
#: Of an experiment, set by the route.
EXPERIMENT_HEADER = "x-recommender-experiment"
#: Of a forwarded request: the version that received it from the route.
FORWARDED_HEADER = "x-recommender-forwarded"
#: Of a forwarded part of a v1 call: the places of its instances in the call.
PLACES_HEADER = "x-recommender-places"
#: Of the answer to a forwarded request: the milliseconds that it took (`answer;dur=1.25`).
TIMING_HEADER = "server-timing"
