"""POST to the collector, in a thread: no answer waits for it."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

SECONDS = 3.0  # of one step of a request
PATH = "/v1/events"
#: Statuses and failures that another attempt may not meet; the ids make a repeat harmless.
#: A rotated key may not have arrived at the collector, or here.
TRANSIENT = frozenset({401, 408, 429, 500, 502, 503, 504})


class CollectorBusy(Exception):  # noqa: N818 - a state, not an error
    """The collector does not take events now; `seconds` is when it asks to be tried again."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class CollectorRefuses(Exception):  # noqa: N818 - a state, not an error
    """Another attempt would be refused as well."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How many events are durable and rejected, and why the first one was."""

    durable: int
    rejected: int
    error: str = ""


def post(
    url: str, content_type: str, body: bytes, keys: Callable[[], Sequence[bytes]] = tuple
) -> Receipt:
    """Send events over a connection of their own, so that the pods of a Service take turns.

    The first of `keys`, if there is one, says who sends them.

    Raises:
        CollectorBusy, CollectorRefuses: see there.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        headers = {"content-type": content_type}
        if found := keys():
            headers["authorization"] = f"Bearer {found[0].decode()}"
        connection.request("POST", PATH, body, headers)
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise CollectorBusy(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()
    detail = f"status {response.status}: {content[:200].decode(errors='replace')}"
    if response.status in TRANSIENT:
        retry_after = response.getheader("retry-after", "")
        raise CollectorBusy(
            detail, float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
        )
    try:
        found = orjson.loads(content)
        rejected = found["rejected"]
        durable = int(found["accepted"]) + int(found["repeated"])
        error_ = str(rejected[0]["error"]) if rejected else ""
    except (ValueError, KeyError, TypeError) as error:
        raise CollectorRefuses(detail) from error
    return Receipt(durable, len(rejected), error_)
