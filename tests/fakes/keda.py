"""KEDA, over the API server in memory: it makes an autoscaler of each ScaledObject."""

from __future__ import annotations

from recommender_operator.adapters.kinds import AUTOSCALERS, SCALED_OBJECTS
from tests.fakes.kube import FakeKube


def make_autoscaler(kube: FakeKube, name: str) -> None:
    """Make KEDA's own autoscaler of a ScaledObject."""
    made = kube.find(SCALED_OBJECTS, name)["metadata"]
    owner = {
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": name,
        "uid": made["uid"], "controller": True,
    }  # fmt: skip
    metadata = {"name": name, "namespace": "team", "labels": made["labels"]}
    kube.put(AUTOSCALERS, {"metadata": {**metadata, "ownerReferences": [owner]}})


async def step(kube: FakeKube) -> None:
    """Make the autoscalers that are missing, and delete those without a ScaledObject."""
    wanted, found = set(kube.names(SCALED_OBJECTS)), set(kube.names(AUTOSCALERS))
    for name in wanted - found:
        make_autoscaler(kube, name)
    for name in found - wanted:
        metadata = kube.find(AUTOSCALERS, name)["metadata"]
        if any(owner["kind"] == "ScaledObject" for owner in metadata["ownerReferences"]):
            await kube.delete(AUTOSCALERS, "team", name, uid=metadata["uid"])
