"""A reference to a pod, and the port for smoke inference."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Protocol

from recommender_contract.resource.mapping import IdKinds
from recommender_operator.api.version import Smoke


@dataclasses.dataclass(frozen=True, kw_only=True)
class PodRef:
    """Name and address of a pod. `ip` is empty before the pod has one, and after it terminates."""

    name: str
    ip: str
    ready: bool


class SmokeTester(Protocol):
    """Requests recommendations directly from a pod."""

    async def smoke(self, pod: PodRef, now: datetime.datetime, ids: IdKinds) -> Smoke:
        """Return the result, with the time `now`; errors of the pod are results too.

        `ids` are the types of ids that the version must accept and return.
        """
        ...
