"""What a real KEDA refuses is in its conditions and in ours, and the operator scales meanwhile."""

from __future__ import annotations

import datetime
import json

from recommender_operator.adapters.traffic.keda import scaled_objects
from recommender_operator.resources.labels import Component
from tests.integration import operator_api_rig as rig
from tests.keda.scaled_model import ScaledModel
from tests.keda.test_keda_scales import BY_KEDA, LONG

TRANSFORMER, PREDICTOR = Component.TRANSFORMER, Component.PREDICTOR
#: The CRD lets this pass: a range from its end, which KEDA cannot read.
BACKWARDS = {"start": "0 20-10 * * *", "end": "0 23 * * *", "replicas": 4}
#: More than the operator waits for KEDA.
LONG_WAIT = datetime.timedelta(minutes=2)


async def reported(model: ScaledModel, *words: str) -> bool:
    """Return whether our condition is False with these words."""
    found = await model.accepted()
    return found.get("status") == "False" and all(word in found["message"] for word in words)


async def test_a_peak_that_keda_cannot_read_is_reported_and_the_operator_scales(
    model: ScaledModel,
) -> None:
    await model.create(engine="HPA", maxReplicas=6)
    # From here on KEDA has a minute, until the operator takes its ScaledObject away.
    await model.scale_by(**BY_KEDA, peaks=[BACKWARDS])

    async def refused() -> bool:
        stored = await model.scaled_object(TRANSFORMER) or {}
        return "cron" in scaled_objects.not_ready(stored)

    await model.until("KEDA's condition tells why", refused)
    assert await model.of_keda(TRANSFORMER) is None
    model.ahead += LONG_WAIT
    await model.until("the operator's autoscalers", model.by_operator)
    name = model.name(TRANSFORMER)
    await model.until("ours too", lambda: reported(model, name, "cron", "start"))
    await model.scale_by(**BY_KEDA, peaks=[LONG])
    await model.until("KEDA scales by the corrected one", model.by_keda)
    await model.until("nothing is reported", model.is_accepted)


async def test_a_deployment_that_people_scale_is_refused_by_the_webhook(
    model: ScaledModel,
) -> None:
    await model.create(engine="HPA", maxReplicas=6)
    theirs = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "theirs", "namespace": model.namespace},
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1", "kind": "Deployment",
                "name": f"{model.version}-{TRANSFORMER}",
            },
            "minReplicas": 2,
            "maxReplicas": 3,
        },
    }  # fmt: skip
    model.foreign.add("theirs")
    rig.kubectl("create", "-f", "-", stdin=json.dumps(theirs))
    await model.scale_by(**BY_KEDA)
    await model.until("it is reported", lambda: reported(model, "already managed by the hpa"))

    async def one_each() -> bool:
        own = await model.of_operator(TRANSFORMER)
        return own is not None and await model.of_keda(PREDICTOR) is not None

    await model.until("only that component keeps the operator's autoscaler", one_each)
    rig.kubectl("-n", model.namespace, "delete", "hpa", "theirs")
    model.ahead += LONG_WAIT
    await model.until("KEDA scales", model.by_keda)
    await model.until("nothing is reported", model.is_accepted)
