"""A cluster in memory with two people: a viewer and an editor, known by their tokens."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from recommender_console import object_details
from recommender_console.cluster import Cluster, ClusterError
from recommender_console.object_details import SeenModel, SeenVersion
from tests.unit.recommender_console import samples

VIEWER, EDITOR = "viewer-token", "editor-token"


class FakeCluster(Cluster):
    """Answers as the API server does, and keeps what was patched."""

    def __init__(self) -> None:
        self.body = copy.deepcopy(samples.MODEL)
        self.patches: list[Mapping[str, Any]] = []
        #: Raised by the next requests, one each.
        self.errors: list[ClusterError] = []
        #: Addresses of the pods of any version, and other fields in the candidate's status.
        self.pods: tuple[str, ...] = ()
        self.candidate: dict[str, Any] = {}
        self.known = {VIEWER: "viewer", EDITOR: "editor"}

    async def user(self, token: str) -> str:
        if token not in self.known:
            raise ClusterError(401, "Unauthorized")
        return self.known[token]

    async def may_patch(self, token: str, namespace: str, name: str) -> bool:
        return token == EDITOR

    async def models(self, token: str, namespace: str | None) -> tuple[list[SeenModel], bool]:
        await self._check(token)
        if namespace != "team-a":
            where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
            raise ClusterError(403, f"cannot list recommendermodels {where}")
        return [object_details.read_model(self.body)], False

    async def model(self, token: str, namespace: str, name: str) -> SeenModel:
        await self._check(token)
        if (namespace, name) != ("team-a", "movies"):
            raise ClusterError(404, f'recommendermodels "{name}" not found')
        return object_details.read_model(self.body)

    async def versions(
        self, token: str, namespace: str, model: str
    ) -> tuple[tuple[SeenVersion, ...], bool]:
        await self._check(token)
        return samples.seen_versions(**self.candidate), False

    async def addresses(self, token: str, namespace: str, version: str) -> tuple[str, ...]:
        await self._check(token)
        return self.pods

    async def patch(
        self, token: str, namespace: str, name: str, change: Mapping[str, Any]
    ) -> None:
        await self._check(token)
        if token != EDITOR:
            raise ClusterError(403, "cannot patch recommendermodels")
        if change["metadata"]["resourceVersion"] != self.body["metadata"]["resourceVersion"]:
            raise ClusterError(409, "the object has been modified")
        self.patches.append(change)

    async def close(self) -> None:
        """Nothing is open."""

    async def _check(self, token: str) -> None:
        if self.errors:
            raise self.errors.pop(0)
        await self.user(token)
