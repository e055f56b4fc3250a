"""The fields of decisions, each with a resource and a plot in which another value matters."""

from __future__ import annotations

from typing import Any

from tests.sources import SOURCE
from tests.unit.recommender_operator.fields import lives
from tests.unit.recommender_operator.fields.lives import Life

CLICKS = {"metric": "ClickThroughRate", "smallestEffect": 0.05}
PLAN: dict[str, Any] = {
    "primary": [CLICKS, {"metric": "SlowShare", "smallestEffect": 0.1}],
    "guardrails": [
        {"metric": "RevenuePerUser", "largestLoss": 0.1},
        {"metric": "GroupExposure", "largestLoss": 0.1},
    ],
    "segments": [{"feature": "gender", "largestLoss": 0.5}],
    "itemGroup": {"feature": "genre", "categories": ["Drama"]},
    "minDays": 0,
    "maxDays": 0.02,
}
MEASURED = {"serving": {"impressions": 1}, "rollout": {"experiment": PLAN}}
MIXED = {
    "serving": {"impressions": 1},
    "rollout": {"interleaving": {"percent": 5, "users": 2000, "seconds": 1000}},
}
SHADOWED = {"rollout": {"shadow": {"share": 0.5, "minRequests": 1000, "seconds": 60}}}
DRIFT = {"retrain": {"drift": {"enabled": True, "windowSessions": 200, "consecutiveWindows": 2}}}
HOURLY = {"data": {"source": SOURCE,
                   "snapshots": {"every": "Hourly"}}}  # fmt: skip
AUC = {"metric": "auc", "min": 0.6}


def gate(**fields: Any) -> dict[str, object]:
    return {"evaluation": {"gates": [{**AUC, **fields}]}}


def served(field: str, value: object, plot: lives.Plot = lives.second) -> dict[str, Life]:
    return {f"serving.{field}": Life(plot, value)}


def _of(section: str, base: dict[str, Any], plot: lives.Plot, **values: Any) -> dict[str, Life]:
    return {f"{section}.{name}": Life(plot, value, base) for name, value in values.items()}


#: By field; a list stands for its first element.
LIVES: dict[str, Life] = {
    "evaluation.gates[].metric": Life(lives.first, "logLoss", gate()),
    "evaluation.gates[].min": Life(lives.first, 0.9, gate()),
    "evaluation.gates[].max": Life(lives.first, 0.7, gate()),
    "evaluation.gates[].championMargin": Life(lives.worse, 0.01, gate()),
    "evaluation.gates[].judgeBy": Life(lives.first, "Interval", gate()),
    "evaluation.gates[].required": Life(
        lives.second, True, {"evaluation": {"gates": [{"metric": "offPolicyGain", "min": 0}]}}
    ),
    "evaluation.onFailure": Life(lives.bad, "DeployBaseline"),
    **served("host", "shop.example"),
    **served("keepPrevious", False),
    **served("readyDeadlineSeconds", 60, lives.unready),
    "serving.autoscaling.engine": Life(
        lives.first, "KEDA", {"serving": {"autoscaling": {"maxReplicas": 3}}}
    ),
    "rollout.steps[].weight": Life(lives.second, 20),
    "rollout.promotion": Life(lives.second, "Manual"),
    "rollout.testHeader": Life(lives.second, "tester"),
    "rollout.freshChampion": Life(lives.second, True),
    **_of("rollout.shadow", SHADOWED, lives.second, share=0.1, minRequests=10, seconds=30),
    **_of("rollout.interleaving", MIXED, lives.mixed, percent=9, users=100, seconds=60),
    "rollout.interleaving.alpha": Life(lives.mixed, 0.2, MIXED),
    "rollout.analysis.provider": Life(
        lives.first, "Prometheus", {"rollout": {"analysis": {"prometheusUrl": "http://prom:9090"}}}
    ),
    "rollout.analysis.prometheusUrl": Life(lives.first, "http://prom:9090"),
    "rollout.analysis.intervalSeconds": Life(lives.second, 60),
    "rollout.analysis.stepSeconds": Life(lives.second, 100),
    "rollout.analysis.minRequests": Life(lives.second, 100000),
    "rollout.analysis.deadlineSeconds": Life(
        lives.silent, 100, {"rollout": {"analysis": {"onDeadline": "RollBack"}}}
    ),
    "rollout.analysis.onDeadline": Life(lives.silent, "RollBack"),
    "rollout.analysis.maxInterruptions": Life(lives.crashing, 1),
    **_of(
        "rollout.analysis.thresholds", {}, lives.judged, minSuccessRate=0.5, maxFallbackShare=0.5,
        maxAnomalyShare=0.5, maxLatencyP99Milliseconds=1, maxLatencyRatio=100,
        maxMissingIncrease=1,
    ),
    **_of("retrain.drift", {"retrain": {"drift": {"windowSessions": 100}}}, lives.judged,
          windowSessions=5000, alpha=1e-12),
    **_of("retrain.drift", DRIFT, lives.shifted, enabled=False, cooldownSeconds=0),
    "retrain.mode": Life(lives.shifted, "Manual", DRIFT),
    "retrain.onDrift": Life(lives.shifted, False, DRIFT),
    "retrain.afterSnapshots": Life(lives.days, 3, HOURLY),
    "retrain.lockAfterRollbacks": Life(lives.failing, 1),
    "data.snapshots.every": Life(lives.days, "Daily", HOURLY),
    "history.limit": Life(lives.several, 1),
    "deletionPolicy": Life(lives.deleted, "Delete"),
    "paused": Life(lives.first, True),
    "rollbackTo": Life(lives.second, "movies-00000000"),
    **_of(
        "rollout.experiment", MEASURED, lives.measured, weight=30, goal="NotWorse", alpha=0.1,
        power=0.9, minDays=0.01, maxDays=0.001, revenueCap=5, slowerThanMilliseconds=50,
        mode="Observe",
    ),
    **_of("rollout.experiment.primary[]", MEASURED, lives.measured, metric="ConversionRate",
          smallestEffect=0.2, baseline=0.3),
    **_of("rollout.experiment.guardrails[]", MEASURED, lives.measured, metric="DislikeRate",
          largestLoss=0.2),
    **_of("rollout.experiment.segments[]", MEASURED, lives.measured, feature="age",
          largestLoss=0.1),
    **_of("rollout.experiment.itemGroup", MEASURED, lives.measured, feature="another",
          categories=["Comedy"]),
}  # fmt: skip
#: Fields whose effect only other tests can see, and which these are.
ELSEWHERE = {
    "rollout.traffic": "another adapter writes the route: test_lifecycle.py runs both modes",
    "rollout.experiment.arms[].version": "names are digests of versions that exist: "
    "test_decide_arms.py",
}
