"""The simulated cluster with KServe in Knative mode, after `FakeKServe` of the unit tests."""

from __future__ import annotations

import asyncio

from recommender_operator.adapters.kinds import INFERENCE_SERVICES, REVISIONS
from recommender_operator.controller.kube import PODS, Object, Resource
from recommender_operator.controller.transport import Transport
from recommender_operator.resources import labels as marks
from tests.benchmarks.operator_cluster import Key, Serving, Simulator, uid_of
from tests.benchmarks.operator_statuses import ready
from tests.fakes.documents import copied
from tests.fakes.kserve import FakeKServe
from tests.fakes.objects import KNATIVE_CHAIN, STANDARD_CHAIN, controller, create_chain

#: Fields of the status of a predictor with the revisions that have pods.
RUNNING = ("latestCreatedRevision", "latestRolledoutRevision")


class Board:
    """What `FakeKServe` reads and writes, in place of an API server in memory."""

    def __init__(self) -> None:
        self.objects: dict[tuple[Resource, str, str], Object] = {}

    def put(self, resource: Resource, thing: Object) -> None:
        self.objects[resource, "team", thing["metadata"]["name"]] = thing

    def touch(self, resource: Resource, name: str) -> None:
        """Do nothing: the status is written to the API server."""


class KnativeSimulator(Simulator):
    """Also plays KServe and Knative for the one InferenceService of a model in Knative mode."""

    def __init__(self, transport: Transport, namespace: str) -> None:
        super().__init__(transport, namespace)
        self._board = Board()
        self._kserve = FakeKServe(self._board)  # type: ignore[arg-type]
        self._turn = asyncio.Lock()
        self._revisions: dict[str, Serving] = {}

    async def _one(self, key: Key) -> None:
        await super()._one(key)
        for service in self._children(INFERENCE_SERVICES, key):
            if marks.VERSION not in service["metadata"]["labels"]:
                async with self._turn:
                    await self._split(key, service)

    async def _split(self, key: Key, service: Object) -> None:
        """Make revisions, start and stop their pods, and report the split."""
        place = (INFERENCE_SERVICES, "team", key[1])
        self._board.objects[place] = copied(service)
        self._kserve.settle()
        status = self._board.objects[place]["status"]
        known = {name for kind, _, name in self._board.objects if kind == REVISIONS}
        for name in sorted(known - set(self._revisions)):
            self._revisions[name] = await self._revise(key, name, service)
        if status != service.get("status"):
            await self._update(INFERENCE_SERVICES, service, status)
        running = {status["components"]["predictor"].get(field) for field in RUNNING}
        for name in known - running:
            await self._stop(key, self._revisions[name])

    async def _revise(self, key: Key, name: str, service: Object) -> Serving:
        own = service["spec"]["predictor"]["labels"]
        address, server = await self._listen(key[1], own[marks.VERSION])
        of = service["metadata"]
        owners = controller("InferenceService", of["name"], of["uid"])
        above = await create_chain(
            self._kube, KNATIVE_CHAIN[:2], key[0], f"{of['name']}-predictor", owners
        )
        configuration = above[-1]["metadata"]
        metadata = {
            "name": name, "namespace": key[0], "labels": own,
            "ownerReferences": controller(
                "Configuration", configuration["name"], configuration["uid"]
            ),
        }  # fmt: skip
        await self._kube.create(
            REVISIONS,
            {"apiVersion": "serving.knative.dev/v1", "kind": "Revision", "metadata": metadata},
        )
        revision = await self._kube.get(REVISIONS, key[0], name)
        assert revision is not None
        owners = controller("Revision", name, revision["metadata"]["uid"])
        below = await create_chain(
            self._kube, STANDARD_CHAIN, key[0], f"{name}-deployment", owners
        )
        pod = await self._start(below[-1], f"{name}-pod", own, address)
        await self._update(REVISIONS, revision, ready("True"))
        return Serving([(PODS, f"{name}-pod", uid_of(pod))], server)

    async def _stop(self, key: Key, ended: Serving) -> None:
        ended.server.close()
        while ended.parts:
            resource, name, uid = ended.parts.pop()
            await self._kube.delete(resource, key[0], name, uid=uid)
