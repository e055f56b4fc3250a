"""Record of one call of a client, for its line in the log."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec

from recommender_contract.events import Source
from recommender_serving.domain.types import FallReason, Forwarded, Waited

P = ParamSpec("P")


@dataclass(slots=True)
class Call:
    """A call in progress; all its instances share it."""

    protocol: str
    request_id: str = ""
    traceparent: str | None = None  # of the client, or of our own span in its trace
    users: list[int] = field(default_factory=list)
    sources: set[Source] = field(default_factory=set)
    falls: set[tuple[Source, FallReason]] = field(default_factory=set)
    slowest: dict[Waited, float] = field(default_factory=dict)  # seconds of a stage
    forwards: set[tuple[str, Forwarded]] = field(default_factory=set)  # by version
    bugs: set[str] = field(default_factory=set)  # types of errors that nobody foresaw

    @property
    def trace_id(self) -> str | None:
        """The 32 hex digits of the trace."""
        return self.traceparent[3:35] if self.traceparent else None

    def asked(self, user: int) -> None:
        """Note the user of an instance."""
        self.users.append(user)

    def answered(self, source: Source) -> None:
        """Note what answered an instance."""
        self.sources.add(source)

    def fell(self, source: Source, reason: FallReason) -> None:
        """Note a fall from a model."""
        self.falls.add((source, reason))

    def sent(self, version: str, outcome: Forwarded) -> None:
        """Note what became of a part that another version should answer."""
        self.forwards.add((version, outcome))

    def met(self, bug: Exception) -> None:
        """Note a bug that an instance met, which was answered all the same."""
        self.bugs.add(type(bug).__name__)

    def waited(self, stage: Waited, seconds: float) -> None:
        """Note the time of one call of a stage."""
        self.slowest[stage] = max(seconds, self.slowest.get(stage, 0.0))


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def current() -> Call | None:
    """Return the call that the running task belongs to."""
    return _current.get()


@contextlib.contextmanager
def entered(call: Call) -> Iterator[None]:
    """Make a call the current one of this task and of those that it starts."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


def noting(
    count: Callable[P, None], note: Callable[Concatenate[Call, P], None]
) -> Callable[P, None]:
    """Return `count`, which also notes its arguments in the current call."""

    def both(*args: P.args, **kwargs: P.kwargs) -> None:
        count(*args, **kwargs)
        call = _current.get()
        if call is not None:
            note(call, *args, **kwargs)

    return both
