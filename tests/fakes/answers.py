"""Fake answers of serving pods: their counters and the smoke inference."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from recommender_contract.resource.mapping import IdKinds
from recommender_operator.adapters.counters.sample_provider import SampleError
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.api.version import Smoke
from recommender_operator.observed import Sample


class FakeSamples:
    """Counters by version; a version without an entry raises SampleError."""

    def __init__(self) -> None:
        self.counters: dict[str, Sample] = {}
        self.requested: list[str] = []

    async def sample(
        self, namespace: str, version: str, pods: Sequence[PodRef], *, only: tuple[str, ...] = ()
    ) -> Sample:
        self.requested.append(version)
        if version not in self.counters:
            raise SampleError(f"no pod of {version} answered")
        return self.counters[version]


class FakeSmoke:
    """Gives the same answer for every pod."""

    def __init__(self, *, passed: bool = True) -> None:
        self.passed = passed
        self.requested: list[str] = []
        self.ids: list[IdKinds] = []

    async def smoke(self, pod: PodRef, now: datetime.datetime, ids: IdKinds) -> Smoke:
        self.requested.append(pod.name)
        self.ids.append(ids)
        return Smoke(passed=self.passed, message=f"{pod.name} was asked", at=now)
