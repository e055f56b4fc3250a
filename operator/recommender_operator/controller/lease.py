"""The record of a leader election in a Lease.

The protocol is that of client-go (`tools/leaderelection`): the holder renews its record; a standby
takes the Lease if the holder has released it, or if the record has not changed for its duration,
by the standby's own clock. The times in the record are for people and never compared, so clocks
may differ.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any, Self

Object = dict[str, Any]
API_VERSION = "coordination.k8s.io/v1"

#: Shares of the lease's duration: with 10 s, the deadline is 7 s, and a retry follows every 2 s.
DEADLINE = 0.7
RETRY = 0.2


@dataclasses.dataclass(frozen=True)
class Terms:
    """Times in seconds."""

    #: Time after which a standby takes a Lease whose record has not changed.
    duration: int

    @property
    def deadline(self) -> float:
        """Time after the last renewal at which the holder stops writing."""
        return DEADLINE * self.duration

    @property
    def retry(self) -> float:
        """Pause between two tries to renew or take the Lease."""
        return RETRY * self.duration


@dataclasses.dataclass(frozen=True)
class Record:
    """The content of a Lease."""

    #: Empty if no process holds it.
    holder: str = ""
    duration: int = 0
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0

    @classmethod
    def of(cls, lease: Object) -> Self:
        """Return the record of a Lease; invalid fields count as missing."""
        spec = lease.get("spec") or {}

        def number(name: str) -> int:
            value = spec.get(name)
            return value if isinstance(value, int) else 0

        return cls(
            holder=str(spec.get("holderIdentity") or ""),
            duration=number("leaseDurationSeconds"),
            acquired=str(spec.get("acquireTime") or ""),
            renewed=str(spec.get("renewTime") or ""),
            transitions=number("leaseTransitions"),
        )

    def spec(self) -> Object:
        """Return the Lease's spec."""
        return {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": self.duration,
            "acquireTime": self.acquired,
            "renewTime": self.renewed,
            "leaseTransitions": self.transitions,
        }


class LeaseView:
    """The observations of a Lease by one process; times by its own clock, in seconds."""

    def __init__(self, identity: str, terms: Terms) -> None:
        self._identity = identity
        self._terms = terms
        self._seen: tuple[Record, float] | None = None

    def see(self, record: Record, now: float) -> None:
        """Store a record that was read."""
        if self._seen is None or self._seen[0] != record:
            self._seen = (record, now)

    @property
    def record(self) -> Record | None:
        """The last observed record."""
        return self._seen[0] if self._seen else None

    def wait(self, now: float) -> float:
        """Return the seconds until this process may take the Lease."""
        if self._seen is None:
            return 0.0
        record, since = self._seen
        if record.holder in ("", self._identity):
            return 0.0
        return max(0.0, since + self.duration - now)

    @property
    def duration(self) -> float:
        """Seconds for which the last observed record holds.

        They are the holder's own, because releases of the operator may differ.
        """
        return (self.record.duration if self.record else 0) or self._terms.duration

    def claim(self, at: datetime.datetime) -> Record:
        """Return the record to write to take or renew the Lease."""
        before = self.record or Record()
        if before.holder == self._identity:
            return dataclasses.replace(
                before, duration=self._terms.duration, renewed=_micro_time(at)
            )
        return Record(
            holder=self._identity,
            duration=self._terms.duration,
            acquired=_micro_time(at),
            renewed=_micro_time(at),
            transitions=before.transitions + (self._seen is not None),
        )


def released(record: Record, at: datetime.datetime) -> Record:
    """Return the record to write to release the Lease, so that a standby takes over at once."""
    return dataclasses.replace(record, holder="", duration=1, renewed=_micro_time(at))


def _micro_time(at: datetime.datetime) -> str:
    """Format a time as the API type MicroTime."""
    return at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
