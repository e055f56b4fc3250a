"""CEL rules of the gates of `spec.evaluation`: limits that go together with the metric."""

from __future__ import annotations

from recommender_operator.api.spec_gates import (
    MAY_LACK,
    WITH_CHAMPION_DIFFERENCE,
    WITH_INTERVAL,
    GateMetric,
)


def _names(metrics: frozenset[GateMetric]) -> tuple[str, str]:
    """Return the metrics as a CEL list, and as text."""
    names = [metric.value for metric in GateMetric if metric in metrics]
    return "[" + ", ".join(f"'{name}'" for name in names) + "]", ", ".join(names)


_INTERVALS, _INTERVALS_TEXT = _names(WITH_INTERVAL)
_DIFFERENCES, _DIFFERENCES_TEXT = _names(WITH_CHAMPION_DIFFERENCE)
_OPTIONAL, _OPTIONAL_TEXT = _names(MAY_LACK)

GATE = (
    (
        "has(self.min) || has(self.max) || has(self.championMargin)",
        "a gate requires at least one of min, max and championMargin",
    ),
    (
        "!has(self.min) || !has(self.max) || self.min <= self.max",
        "min of a gate must not be above its max",
    ),
    (
        "!has(self.judgeBy) || self.judgeBy == 'Value' || "
        f"!(has(self.min) || has(self.max)) || self.metric in {_INTERVALS}",
        "judgeBy Interval or BeyondChance with min or max requires a metric with an interval: "
        f"{_INTERVALS_TEXT}",
    ),
    (
        "!has(self.judgeBy) || self.judgeBy == 'Value' || "
        f"!has(self.championMargin) || self.metric in {_DIFFERENCES}",
        "judgeBy Interval or BeyondChance with championMargin requires a metric that is compared "
        f"with the champion on the same rows: {_DIFFERENCES_TEXT}",
    ),
    (
        f"!has(self.required) || self.metric in {_OPTIONAL}",
        f"required applies to {_OPTIONAL_TEXT}: without a value of another metric a version "
        "always fails",
    ),
    (
        "!has(self.championMargin) || self.metric != 'offPolicyGain'",
        "offPolicyGain is a difference to the champion: set min instead of championMargin",
    ),
    (
        "!has(self.max) || self.metric != 'offPolicyGain'",
        "offPolicyGain is a gain, of which no version has too much: set min instead of max",
    ),
)
