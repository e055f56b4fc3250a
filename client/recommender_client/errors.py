"""What can go wrong with a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recommender_client.events import UserEvent
    from recommender_client.receipts import Receipt


class ClientError(Exception):
    """Base of all errors of this package."""


class InvalidQuery(ClientError):  # noqa: N818
    """The endpoint refuses the query; the message names field, value and remedy."""


class Unavailable(ClientError):  # noqa: N818
    """No answer within the deadline and the retries."""


class InvalidEvents(ClientError):  # noqa: N818
    """The collector refuses a request of events as a whole; the message has the remedy.

    `receipt` is what it said of the requests before, `events` are those of this request and of
    the ones that were not sent.
    """

    receipt: Receipt | None = None
    events: tuple[UserEvent, ...] = ()


class BadAnswer(ClientError):  # noqa: N818
    """An answer that is not one of the protocol, for example from another server.

    If events were sent, `receipt` is what the collector said of the requests before, and `events`
    are the others, of which those of this request may be durable.
    """

    receipt: Receipt | None = None
    events: tuple[UserEvent, ...] = ()
