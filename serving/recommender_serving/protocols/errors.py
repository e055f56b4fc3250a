"""Errors of a call that its client sees; each protocol has its own status for them."""

from __future__ import annotations


class CallError(Exception):
    """A call that gets no answer; the message is for the client."""


class InvalidRequest(CallError):  # noqa: N818 - it is the request that is invalid
    """A request violates the schema; `instances` is the number of rejected instances."""

    def __init__(self, message: str, instances: int = 1) -> None:
        super().__init__(message)
        self.instances = instances


class UnknownModel(CallError):  # noqa: N818
    """No such model, or no such version of it."""


class NotReady(CallError):  # noqa: N818
    """A probe finds the server not ready for traffic."""


class TooLarge(CallError):  # noqa: N818
    """A body is larger than a request may be."""


class TooSlow(CallError):  # noqa: N818
    """A body did not arrive in time."""


class Busy(CallError):  # noqa: N818
    """The server holds as much as it may; the client may try again."""
