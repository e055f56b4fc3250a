"""A real API server rejects settings of autoscaling that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.crd_rig import Json, Server, changed, installed, refusal

pytestmark = pytest.mark.integration

PEAK = {"start": "0 18 * * 1-5", "end": "0 23 * * MON-FRI", "replicas": 4}
BY_KEDA: dict[str, Any] = {"maxReplicas": 4, "engine": "KEDA", "peaks": [PEAK]}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with installed() as server:
        yield server


def body(scaling: Json, traffic: str = "Gateway") -> Json:
    found = changed("serving", {"autoscaling": scaling})
    found["metadata"]["name"] = "by-keda"
    found["spec"].setdefault("rollout", {})["traffic"] = traffic
    return found


def test_peaks_of_keda_are_accepted_with_their_time_zone(server: Server) -> None:
    created = server.create(body(BY_KEDA), dry_run="All")
    (peak,) = created["spec"]["serving"]["autoscaling"]["peaks"]
    assert peak == {**PEAK, "timeZone": "UTC"}


@pytest.mark.parametrize(
    ("scaling", "message"),
    [
        ({"engine": "HPA"}, "peaks requires serving.autoscaling.engine KEDA"),
        ({"engine": "Other"}, "Unsupported value"),
        ({"peaks": [{**PEAK, "replicas": 5}]}, "peaks must not exceed maxReplicas"),
        ({"peaks": [{**PEAK, "end": PEAK["start"]}]}, "start and end of a peak must differ"),
        ({"peaks": [{**PEAK, "start": "18:00"}]}, "peaks[0].start"),
        ({"peaks": [{**PEAK, "start": "0 25 * * *"}]}, "peaks[0].start"),
        ({"peaks": [{**PEAK, "end": "0 0 * * 7"}]}, "peaks[0].end"),
        ({"peaks": [{**PEAK, "timeZone": "../etc"}]}, "peaks[0].timeZone"),
    ],
)
def test_a_contradiction_is_rejected_with_the_reason(
    server: Server, scaling: Json, message: str
) -> None:
    asked = body({**BY_KEDA, **scaling})
    assert message in refusal(lambda: server.create(asked, dry_run="All"))


def test_keda_requires_the_gateway(server: Server) -> None:
    asked = body(BY_KEDA, traffic="Knative")
    reported = refusal(lambda: server.create(asked, dry_run="All"))
    assert "engine KEDA requires rollout.traffic Gateway" in reported
