"""Values of environment variables that are neither numbers nor names."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from recommender_contract import environment
from recommender_contract.online_store import Hide as Hidden
from recommender_runtime.settings import SettingsError, Variable, has_address, split_url
from recommender_serving.experiments.peers import Addresses
from recommender_serving.ranking.answer_cache import Bounds

_PEER = r"((?:[A-Za-z0-9._-]|\{version\})+:[0-9]{1,5})"
_PEERS = re.compile(f"{_PEER},{_PEER}")
_SEGMENTS = re.compile(r"[a-z][a-z0-9_]{0,39}(?:,[a-z][a-z0-9_]{0,39}){0,2}")
_BOUNDS = re.compile(r"0*([1-9][0-9]{0,8}),0*([1-9][0-9]{0,8}),0*([1-9][0-9]{0,8})")


def _hide(text: str) -> frozenset[Hidden]:
    return frozenset(map(Hidden, filter(None, map(str.strip, text.split(",")))))


def _peers(text: str) -> Addresses:
    found = _PEERS.fullmatch(text)
    if found is None:
        raise ValueError
    return Addresses(found[1], found[2])


def _bounds(text: str) -> Bounds:
    found = _BOUNDS.fullmatch(text)
    if found is None:
        raise ValueError
    seconds, entries, size = map(int, found.groups())
    return Bounds(seconds=seconds, entries=entries, bytes=size * 2**20)


def _segments(text: str) -> tuple[str, ...]:
    if not _SEGMENTS.fullmatch(text):
        raise ValueError
    return tuple(text.split(","))


def _collector(url: str) -> str:
    parts = split_url(url, environment.COLLECTOR_URL)
    if parts.scheme not in ("http", "https") or not has_address(parts) or parts.path.strip("/"):
        raise ValueError
    return url


def _receiver(url: str | None) -> str | None:
    url = (url or "").strip()
    if not url:
        return None
    parts = split_url(url, environment.TRACE_ENDPOINT)
    if parts.username is not None or parts.password is not None:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT has a user or a password: give a token as "
            "OTEL_EXPORTER_OTLP_HEADERS"
        )
    if parts.scheme not in ("http", "https") or not has_address(parts):
        raise ValueError
    return url


_URL = "give http://HOST:PORT or https://..."
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Hide = Annotated[
    frozenset[Hidden] | None,
    BeforeValidator(_hide),
    Variable(
        environment.HIDE,
        f"give names among {', '.join(Hidden)}, with commas between them, or an empty text to "
        "hide nothing",
        may_be_empty=True,
    ),
]
Cache = Annotated[
    Bounds | None,
    BeforeValidator(_bounds),
    Variable(
        environment.ANSWER_CACHE,
        "give seconds, entries and MiB as three whole numbers above 0 with commas between them, "
        "such as 5,10000,64, or an empty text",
    ),
]
Peers = Annotated[
    Addresses,
    BeforeValidator(_peers),
    Variable(
        environment.PEERS,
        "give HOST:PORT of REST and of gRPC with a comma between them, and {version} for the name "
        "of a version",
    ),
]
Segments = Annotated[
    tuple[str, ...],
    BeforeValidator(_segments),
    Variable(
        environment.LABEL_SEGMENTS,
        "give up to three names of features with commas between them, such as device,tier, or an "
        "empty text",
    ),
]
Collector = Annotated[
    str | None, BeforeValidator(_collector), Variable(environment.COLLECTOR_URL, _URL)
]
TraceReceiver = Annotated[
    str | None, BeforeValidator(_receiver), Variable(environment.TRACE_ENDPOINT, _URL)
]
