"""The port for counters of a version's pods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.observed import Sample


class SampleError(Exception):
    """No counters of a version could be read; people see the message."""


class SampleProvider(Protocol):
    """Reads the cumulative counters of a version."""

    async def sample(
        self, namespace: str, version: str, pods: Sequence[PodRef], *, only: tuple[str, ...] = ()
    ) -> Sample:
        """Return the counters by pod; at least those whose names begin with one of `only`.

        `version` may be the name of a version's fresh deployment, whose pods count as the version.

        A pod that does not answer is omitted, or has empty counters.

        Raises:
            SampleError: no pod returned counters.
        """
        ...
