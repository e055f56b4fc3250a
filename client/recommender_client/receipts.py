"""The collector's answer to sent events: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recommender_client.errors import BadAnswer, ClientError, Unavailable
from recommender_client.events import UserEvent


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that the collector does not take; sent again as it is, it is rejected again."""

    event: UserEvent
    field: str  # that is wrong
    error: str  # with the value and the remedy


@dataclass(frozen=True, slots=True)
class Receipt:
    """All but the rejected events are durable: now (`accepted`), or since before (`repeated`)."""

    accepted: int = 0
    repeated: int = 0
    rejected: tuple[Rejected, ...] = ()

    def __add__(self, other: Receipt) -> Receipt:
        return Receipt(
            self.accepted + other.accepted,
            self.repeated + other.repeated,
            self.rejected + other.rejected,
        )


class _Unfinished(ClientError):  # noqa: N818
    """An error of a `send`.

    `receipt` is what the collector said of the requests before it; `events` are all others, from
    the first of the request that failed.
    """

    def __init__(
        self, message: str, receipt: Receipt | None = None, events: Sequence[UserEvent] = ()
    ) -> None:
        super().__init__(message)
        self.receipt = receipt or Receipt()
        self.events = tuple(events)


class Undelivered(_Unfinished, Unavailable):
    """Not all events are acknowledged within the deadline and the retries.

    `events` may or may not be durable: send these same objects again, later.
    """


class InvalidEvents(_Unfinished):
    """The collector refuses a request of events as a whole; the message has the remedy."""


class BadReceipt(_Unfinished, BadAnswer):
    """An answer that no collector gives; events of its request may be durable."""


def receipt(body: object, events: Sequence[UserEvent]) -> Receipt:
    """Read the body of an answer to these events.

    Raises:
        BadAnswer: it is not what a collector answers.
    """
    try:
        found = Receipt(
            int(body["accepted"]),  # type: ignore[index]
            int(body["repeated"]),  # type: ignore[index]
            tuple(_rejected(each, events) for each in body["rejected"]),  # type: ignore[index]
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BadAnswer(f"this is not what a collector answers: {error!r}") from error
    told = found.accepted + found.repeated + len(found.rejected)
    if told != len(events):
        raise BadAnswer(f"the answer reports {told} events, but {len(events)} were sent")
    return found


def _rejected(given: Mapping[str, Any], events: Sequence[UserEvent]) -> Rejected:
    index = int(given["index"])
    if index < 0:
        raise IndexError(index)
    return Rejected(events[index], str(given["field"]), str(given["error"]))
