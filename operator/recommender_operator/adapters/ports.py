"""The narrow ports through which the operator asks the pods of a version."""

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
    """A pod as far as it can be asked. `ip` is empty before the pod has one and after its end."""

    name: str
    ip: str
    ready: bool


class SampleError(Exception):
    """No counters of a version could be read; the text says why, and is shown to people."""


class SampleProvider(Protocol):
    """Reads the cumulative counters of one version."""

    async def sample(
        self, namespace: str, version: str, pods: Sequence[PodRef], *, only: tuple[str, ...] = ()
    ) -> Sample:
        """Return the counters by pod; at least those whose names begin with one of `only`.

        A pod that does not answer is left out, as a pod that has just gone is.

        Raises:
            SampleError: no pod gave any counters.
        """
        ...


class SmokeTester(Protocol):
    """Asks one pod for recommendations, past all traffic rules."""

    async def smoke(self, pod: PodRef, now: datetime.datetime, ids: IdKinds) -> Smoke:
        """Return what was seen, stamped with `now`; never raises for what the pod does.

        `ids` are the kinds of ids that the version has to take and to answer.
        """
        ...
