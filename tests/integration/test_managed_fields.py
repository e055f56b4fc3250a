"""What a change of the CRDs does to fields that the next write of a status omits (ADR 0060).

On a copy of the CRD of versions, because other tests use the real one.
"""

from __future__ import annotations

import asyncio
import copy
import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from recommender_contract.api_names import API_VERSION
from recommender_operator.api import crd
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.kube import Object, Resource
from tests.integration.operator_api_rig import kubectl
from tests.unit.recommender_operator.resources import builder_inputs

pytestmark = pytest.mark.integration

KIND, PLURAL = "VersionCopy", "versioncopies"
#: The entry of a status that is one field.
ONE_FIELD: Object = {"f:status": {}}
SINCE = {"unreadySince": "2026-01-01T00:00:00Z"}
PATIENCE = 200


class Copy:
    """A copy of the CRD of versions, and its objects in a namespace."""

    def __init__(self, kube: OfficialKube, namespace: str) -> None:
        self._kube, self._namespace = kube, namespace
        group = f"copy-{secrets.token_hex(3)}.example"
        self.resource = Resource(group, API_VERSION, PLURAL)

    def _definition(self, *, atomic: bool) -> Object:
        made = copy.deepcopy(crd.render_all()["modelversions.recommender.dev.yaml"])
        made["metadata"] = {"name": self.resource.name}
        names = {"plural": PLURAL, "singular": KIND.lower(), "kind": KIND, "listKind": f"{KIND}s"}
        made["spec"] |= {"group": self.resource.group, "names": names}
        (version,) = made["spec"]["versions"]
        for part in version["schema"]["openAPIV3Schema"]["properties"].values():
            if not atomic:
                part.pop("x-kubernetes-map-type", None)
        return made

    async def install(self, *, atomic: bool) -> None:
        """Install the CRD, and wait until a status is written by it."""
        text = json.dumps(self._definition(atomic=atomic))
        kubectl("apply", "--server-side", "-f", "-", stdin=text)
        for attempt in range(PATIENCE):
            if await self._kube.serves(self.resource) and await self._probe(attempt) == atomic:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the CRD does not take effect")

    async def _probe(self, attempt: int) -> bool:
        """Write a status that differs, and return whether it is one field."""
        await self.create("probe")
        await self.write("probe", weight=attempt % 100)
        return await self.fields("probe") == ONE_FIELD

    def _body(self, name: str, **parts: Any) -> Object:
        metadata = {"name": name, "namespace": self._namespace}
        version = f"{self.resource.group}/{self.resource.version}"
        return {"apiVersion": version, "kind": KIND, "metadata": metadata, **parts}

    async def create(self, name: str) -> None:
        spec = builder_inputs.version().spec.dump()
        await self._kube.create(self.resource, self._body(name, spec=spec))

    async def write(self, name: str, **status: Any) -> Object:
        """Apply a status as the operator does, and return the one that is stored."""
        answer = await self._kube.apply_status(self.resource, self._body(name, status=status))
        assert answer is not None
        stored: Object = answer["status"]
        return stored

    async def fields(self, name: str) -> Object:
        """Return what is recorded for the writer of the status."""
        found = await self._kube.get(self.resource, self._namespace, name)
        assert found is not None
        entries = found["metadata"]["managedFields"]
        (own,) = [each for each in entries if each.get("subresource") == "status"]
        recorded: Object = own["fieldsV1"]
        return recorded

    def remove(self) -> None:
        kubectl("delete", "crd", self.resource.name, "--wait=false")


@pytest.fixture
def copied(kube: OfficialKube, namespace: str) -> Iterator[Copy]:
    made = Copy(kube, namespace)
    yield made
    made.remove()


async def test_what_the_first_write_after_the_upgrade_omits_is_removed(copied: Copy) -> None:
    await copied.install(atomic=False)
    await copied.create("movies")
    assert await copied.write("movies", stage="Canary", **SINCE) == {"stage": "Canary", **SINCE}
    assert await copied.fields("movies") != ONE_FIELD
    await copied.install(atomic=True)
    assert await copied.write("movies", stage="Canary") == {"stage": "Canary"}
    assert await copied.fields("movies") == ONE_FIELD


async def test_what_stays_with_the_earlier_crds_is_removed_once_the_later_ones_are_back(
    copied: Copy,
) -> None:
    await copied.install(atomic=True)
    await copied.create("movies")
    await copied.write("movies", stage="Canary", **SINCE)
    await copied.install(atomic=False)
    assert await copied.write("movies", stage="Canary") == {"stage": "Canary", **SINCE}
    assert await copied.write("movies", stage="Promoted") == {"stage": "Promoted", **SINCE}
    await copied.install(atomic=True)
    assert await copied.write("movies", stage="Promoted") == {"stage": "Promoted"}
