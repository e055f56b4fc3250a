"""Errors of a call."""

from __future__ import annotations


class ClientError(Exception):
    """Base of all errors of this package."""


class InvalidQuery(ClientError):  # noqa: N818
    """The endpoint refuses the query; the message names field, value and remedy."""


class Unavailable(ClientError):  # noqa: N818
    """No answer within the deadline and the retries."""


class BadAnswer(ClientError):  # noqa: N818
    """An answer that is not one of the protocol, for example from another server."""
