"""Several releases of the operator: a model is managed by one of them, and moved by a label."""

from __future__ import annotations

import pathlib

import pytest

from recommender_operator.adapters.kinds import EVENTS, MODELS
from recommender_operator.adapters.objects.finalizer import FINALIZER
from recommender_operator.adapters.objects.owned_writes import OwnedObjects
from recommender_operator.controller.client import OfficialKube
from tests.integration import operator_api_rig as rig
from tests.integration.operator_process import Process, delete_model, status_of, until
from tests.integration.operator_replicas import LEASE

pytestmark = pytest.mark.integration


async def test_only_one_of_two_releases_manages_a_model_and_a_label_moves_it_to_the_other(
    kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    def process(name: str, instance: str = "") -> Process:
        return Process(
            rig.kubeconfig(), tmp_path, namespace,
            name=name, namespace=namespace, lease_name=name, lease_seconds=LEASE,
            instance=instance, look_seconds=10,
        )  # fmt: skip

    first, second, blue = process("first"), process("second"), process("blue", "blue")

    async def claimed_by(name: str) -> bool:
        claim = (await status_of(kube, namespace)).get("operator") or {}
        return claim.get("release") == f"{namespace}/{name}"

    await kube.create(MODELS, rig.manifest(namespace))
    with first.running():
        await until("a claim", lambda: claimed_by("first"), first)
        with second.running(), blue.running():

            async def refused() -> bool:
                page = second.read(second.metrics, "/metrics")[1]
                return "recommender_operator_foreign_models 1.0" in page

            async def posted() -> bool:
                found = await kube.list(EVENTS, namespace, {})
                return "OtherRelease" in {event["reason"] for event in found}

            await until("a refusal", refused, second)
            await until("its Event", posted, second)
            assert await claimed_by("first")
            assert second.text.count(f"the release {namespace}/first manages this model") == 1
            requested = {
                "labels": {"recommender.dev/instance": "blue"},
                "annotations": {"recommender.dev/abort": "token-1"},
            }
            await kube.patch(MODELS, namespace, "movies", {"metadata": requested})
            await until("the move", lambda: claimed_by("blue"), blue)

            async def handled() -> bool:
                done = (await status_of(kube, namespace)).get("handled") or []
                return any(entry["token"] == "token-1" for entry in done)

            await until("the request to be handled", handled, blue)
            assert "the claim is removed" in first.text
            page = second.read(second.metrics, "/metrics")[1]
            assert "recommender_operator_foreign_models 0.0" in page


async def test_a_release_writes_nothing_to_a_model_that_another_release_manages(
    kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    process = Process(
        rig.kubeconfig(), tmp_path, namespace, namespace=namespace, lease_seconds=LEASE,
    )  # fmt: skip
    theirs = {"release": "elsewhere/operator", "instance": ""}
    raw = await kube.create(MODELS, rig.manifest(namespace))
    assert raw is not None
    before = await OwnedObjects(kube).write_status(MODELS, raw, {"operator": theirs})
    assert before is not None
    with process.running():

        async def refused() -> bool:
            page = process.read(process.metrics, "/metrics")[1]
            return "recommender_operator_foreign_models 1.0" in page

        await until("a refusal", refused, process)
        # A second model shows that the operator and Kopf have reached this point.
        second = {**rig.manifest(namespace), "metadata": {"name": "own", "namespace": namespace}}
        await kube.create(MODELS, second)

        async def held() -> bool:
            own = await kube.get(MODELS, namespace, "own")
            return own is not None and own["metadata"].get("finalizers") == [FINALIZER]

        await until("the finalizer of its own model", held, process)
        after = await kube.get(MODELS, namespace, "movies")
        assert after == before
        uid = before["metadata"]["uid"]
        assert await kube.delete(MODELS, namespace, "movies", uid=uid)
        # It has no finalizer.
        assert await kube.get(MODELS, namespace, "movies") is None
        await delete_model(kube, namespace, "own")

        async def gone() -> bool:
            return await kube.get(MODELS, namespace, "own") is None

        await until("its own model to go", gone, process)
