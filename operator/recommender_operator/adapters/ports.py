"""The ports for counters and smoke inference of a version's pods."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Protocol

from recommender_operator.api.spec_mapping import IdKinds
from recommender_operator.api.version import Smoke
from recommender_operator.observed import Sample


@dataclasses.dataclass(frozen=True, kw_only=True)
class PodRef:
    """Name and address of a pod. `ip` is empty before the pod has one, and after it terminates."""

    name: str
    ip: str
    ready: bool


class SampleError(Exception):
    """No counters of a version could be read; people see the message."""


class SampleProvider(Protocol):
    """Reads the cumulative counters of a version."""

    async def sample(
        self, namespace: str, version: str, pods: Sequence[PodRef], *, only: tuple[str, ...] = ()
    ) -> Sample:
        """Return the counters by pod; at least those whose names begin with one of `only`.

        A pod that does not answer is omitted, or has empty counters.

        Raises:
            SampleError: no pod returned counters.
        """
        ...


class SmokeTester(Protocol):
    """Requests recommendations directly from a pod."""

    async def smoke(self, pod: PodRef, now: datetime.datetime, ids: IdKinds) -> Smoke:
        """Return the result, with the time `now`; errors of the pod are results too.

        `ids` are the types of ids that the version must accept and return.
        """
        ...
