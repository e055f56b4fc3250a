"""CEL rules of `spec.serving.autoscaling`: bounds, and what only one engine can do."""

from __future__ import annotations

SPEC = (
    (
        "!has(self.serving) || !has(self.serving.autoscaling) || "
        "!has(self.serving.autoscaling.engine) || self.serving.autoscaling.engine != 'KEDA' || "
        "!has(self.rollout) || !has(self.rollout.traffic) || self.rollout.traffic != 'Knative'",
        "serving.autoscaling.engine KEDA requires rollout.traffic Gateway: Knative scales its "
        "pods itself",
    ),
)
SERVING = (
    (
        "!has(self.autoscaling) || (!has(self.replicas) || self.autoscaling.maxReplicas >= "
        "self.replicas) && (!has(self.transformerReplicas) || "
        "self.autoscaling.maxReplicas >= self.transformerReplicas)",
        "serving.autoscaling.maxReplicas must not be below replicas or transformerReplicas, "
        "which are the minimum",
    ),
)
AUTOSCALING = (
    (
        "!has(self.peaks) || self.peaks.size() == 0 || has(self.engine) && self.engine == 'KEDA'",
        "serving.autoscaling.peaks requires serving.autoscaling.engine KEDA",
    ),
    (
        "!has(self.peaks) || self.peaks.all(p, p.replicas <= self.maxReplicas)",
        "replicas of serving.autoscaling.peaks must not exceed maxReplicas",
    ),
)
PEAK = (("self.start != self.end", "start and end of a peak must differ"),)
