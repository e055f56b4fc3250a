"""A new leader looks first at what somebody waits for."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.adapters.model_caches import Urgency, urgency_of

ABORT = {"recommender.dev/abort": "token-1"}


def model(status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "movies", "generation": 2, **metadata}, "status": status or {}}


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(model({"observedGeneration": 1}), id="changed"),
        pytest.param(model(), id="new"),
        pytest.param({"metadata": {"name": "movies", "generation": 1}}, id="without a status"),
        pytest.param(
            model({"observedGeneration": 2}, deletionTimestamp="2026-01-01T00:00:00Z"),
            id="deleted",
        ),
        pytest.param(model({"observedGeneration": 2}, annotations=ABORT), id="asked to abort"),
        pytest.param(
            model(
                {
                    "observedGeneration": 2,
                    "candidate": "movies-v2",
                    "handled": [{"action": "abort", "token": "token-0"}],
                },
                annotations=ABORT,
            ),
            id="asked again",
        ),
    ],
)
def test_a_model_that_somebody_changed_or_asked_about_is_first(found: dict[str, Any]) -> None:
    assert urgency_of(found) is Urgency.ASKED


def test_a_model_with_a_candidate_goes_before_one_that_rests() -> None:
    status = {"observedGeneration": 2, "handled": [{"action": "abort", "token": "token-1"}]}
    others = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    resting = model(status, annotations={**ABORT, **others})
    moving = model({**status, "candidate": "movies-v2"}, annotations=ABORT)
    assert urgency_of(resting) is Urgency.RESTING
    assert urgency_of(moving) is Urgency.MOVING
