"""Answers as CloudEvents of the type dev.recommender.impression: pure.

docs/events.md describes their fields; tests let the collector read them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from recommender_serving.domain.features import Features, Place, Value
from recommender_serving.domain.types import Answer, RecommendRequest

TYPE = "dev.recommender.impression"
CONTENT_TYPE = "application/cloudevents-batch+json"
MOST_ITEMS = 500  # that the collector takes of an impression
MOST_USER = 10**18 - 1
MOST_LABEL = 128  # characters
#: The user of the operator's smoke inference, if ids are texts. (Of numbers it is -1.)
SMOKE_USER = "smoke.recommender.dev"
_HASHES = 2**64


class Shown(NamedTuple):
    """One answer; less than an event, because many may wait."""

    user: int | str
    items: Sequence[int] | Sequence[str]  # as clients know them
    at: float  # seconds since 1970
    path: str
    request: str | None
    session: str | None
    context: dict[str, Value]


class Origin(NamedTuple):
    """What the impressions of a process have in common; `source` is its own."""

    model: str
    version: str
    source: str


def shown(
    request: RecommendRequest,
    answer: Answer,
    items: Sequence[int] | Sequence[str],
    id_: str,
    at: float,
    features: Features,
) -> Shown | None:
    """Return the impression of an answer; None without an item, or a user whom the log knows."""
    user = request.user_id if request.user_text is None else request.user_text
    if not items or user == SMOKE_USER or (isinstance(user, int) and not 0 <= user <= MOST_USER):
        return None
    context = {
        name: value
        for name, value in request.features.items()
        if features[name].place is Place.CONTEXT
    }
    return Shown(
        user, items[:MOST_ITEMS], at, answer.source.value, _label(id_),
        _label(request.session_id), context,
    )  # fmt: skip


def _label(text: str | None) -> str | None:
    """Return a text that the collector takes as an id; None for another one."""
    if text and len(text) <= MOST_LABEL and text.isascii() and text.isprintable():
        return text
    return None


def sampled(id_: str, share: float) -> bool:
    """Return whether a request is in a share of all; its id decides, on every pod alike."""
    digest = hashlib.blake2b(id_.encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * _HASHES


def bodies(
    impressions: Iterable[tuple[int, Shown]], origin: Origin, most_bytes: int
) -> Iterator[tuple[int, bytes]]:
    """Yield the number of impressions and the body of each request, at most so large.

    An impression has the number that makes its id; sent again with it, it counts once.
    """
    texts: list[bytes] = []
    size = 2  # the brackets
    for number, each in impressions:
        text = orjson.dumps(_cloud_event(number, each, origin))
        if texts and size + len(text) > most_bytes:
            yield len(texts), b"[" + b",".join(texts) + b"]"
            texts, size = [], 2
        texts.append(text)
        size += len(text) + 1
    if texts:
        yield len(texts), b"[" + b",".join(texts) + b"]"


def _cloud_event(number: int, of: Shown, origin: Origin) -> Mapping[str, Any]:
    at = datetime.fromtimestamp(of.at, UTC).isoformat(timespec="milliseconds")
    data = {
        "model": origin.model, "user": of.user, "items": of.items, "request": of.request,
        "session": of.session, "context": of.context or None, "version": origin.version,
        "path": of.path,
    }  # fmt: skip
    return {
        "specversion": "1.0",
        "type": TYPE,
        "source": origin.source,
        "id": str(number),
        "time": at,
        # The user is the one that the models know.
        "data": {name: value for name, value in data.items() if value is not None}
        | {"hashed": True},
    }
