"""Headers of REST, of requests and answers; gRPC has the same as metadata."""

from __future__ import annotations

#: The id of the request, in requests and answers.
ID_HEADER = "x-request-id"
#: How long the client waits, in milliseconds; gRPC has its own.
DEADLINE_HEADER = "x-deadline-ms"
MAX_DEADLINE_MS = 60_000
#: Of an answer: the version that gave it.
VERSION_HEADER = "x-recommender-version"
#: Of an answer: model, baseline or popularity.
SOURCE_HEADER = "x-recommender-source"
#: Of testers, whose requests the candidate answers (`rollout.testHeader`).
TEST_HEADER = "x-recommender-test"
#: Set by the route during an experiment: its id and phase, and the users of each version.
EXPERIMENT_HEADER = "x-recommender-experiment"
#: Of a forwarded request: the version that received it from the route.
FORWARDED_HEADER = "x-recommender-forwarded"
#: Of a forwarded part of a v1 call: the places of its instances in the call.
PLACES_HEADER = "x-recommender-places"
#: Of a forwarded request: the bands of the receiver for numbers that divide the users.
BANDS_HEADER = "x-recommender-bands"
#: Of a forwarded request: 32 hex digits of its own, by which any answer to it is reported once.
CALL_HEADER = "x-recommender-call"
#: Set by the route before the first step of a rollout: the candidate, and how many of 10,000
#: requests it gets a copy of (`<version>:<number>`).
SHADOW_HEADER = "x-recommender-shadow"
#: Of a copy: the version that answered the user. Nobody sees its answer.
COPY_HEADER = "x-recommender-copy"
#: Set by the route while lists are interleaved: an id, the candidate, and how many of 10,000
#: buckets of users get such lists.
INTERLEAVING_HEADER = "x-recommender-interleaving"
#: Of the answer to a forwarded request: the milliseconds that it took (`answer;dur=1.25`).
TIMING_HEADER = "server-timing"
#: Set by routes and transformers alone: a route removes those that it does not set.
NOT_OF_CLIENTS = (
    EXPERIMENT_HEADER,
    FORWARDED_HEADER,
    SHADOW_HEADER,
    COPY_HEADER,
    INTERLEAVING_HEADER,
)

#: Buckets of users, by which an experiment or an interleaving divides them.
BUCKETS = 10_000
#: A share of requests in SHADOW_HEADER is a number of so many.
SHARES = 10_000


def deadline_seconds(text: str) -> float | None:
    """Return how long a client waits by its header; None if that is no number of milliseconds."""
    whole = text.isascii() and text.isdigit() and len(text) < 7
    milliseconds = int(text) if whole else 0
    return milliseconds / 1000 if 1 <= milliseconds <= MAX_DEADLINE_MS else None
