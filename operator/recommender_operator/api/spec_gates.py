"""The offline gates of a spec: their metrics, directions and evaluation.

The names of the metrics are those of the training report (`docs/contracts.md`).
"""

from __future__ import annotations

import enum

from pydantic import Field

from recommender_contract.resource.base import ApiModel


class GateMetric(enum.StrEnum):
    # Responses.
    AUC = "auc"
    PR_AUC = "prAuc"
    LOG_LOSS = "logLoss"
    NORMALISED_ENTROPY = "normalisedEntropy"
    CALIBRATION_ERROR = "calibrationError"
    CALIBRATION_RATIO = "calibrationRatio"
    # Lists.
    PRECISION_AT_10 = "precisionAt10"
    RECALL_AT_10 = "recallAt10"
    NDCG_AT_10 = "ndcgAt10"
    COVERAGE_AT_10 = "coverageAt10"
    NOVELTY_AT_10 = "noveltyAt10"
    EXPOSURE_GINI_AT_10 = "exposureGiniAt10"
    # Against the logistic regression of the same run.
    AUC_MINUS_BASELINE = "aucMinusBaseline"
    LOG_LOSS_MINUS_BASELINE = "logLossMinusBaseline"
    NDCG_AT_10_MINUS_BASELINE = "ndcgAt10MinusBaseline"
    # Against the best of the simple recommenders of the same run (`recommender_contract.peers`).
    NDCG_AT_10_MINUS_BEST_PEER = "ndcgAt10MinusBestPeer"
    # Segments of users and groups of items.
    WORST_SEGMENT_AUC = "worstSegmentAuc"
    WORST_SEGMENT_AUC_MINUS_BASELINE = "worstSegmentAucMinusBaseline"
    SEGMENT_AUC_DIFFERENCE = "segmentAucDifference"
    SEGMENT_LOG_LOSS_DIFFERENCE = "segmentLogLossDifference"
    LEAST_EXPOSURE_RATIO_AT_10 = "leastExposureRatioAt10"
    EXPOSURE_GAP_AT_10 = "exposureGapAt10"
    # At explored places, against the champion (without one: against the draw).
    OFF_POLICY_GAIN = "offPolicyGain"
    # The exported graph that serves.
    MODEL_MEGABYTES = "modelMegabytes"
    MODEL_LATENCY_P99_MILLISECONDS = "modelLatencyP99Milliseconds"


#: Metrics for which lower is better; for all others but those of NEARER_ONE, higher is better.
LOWER_IS_BETTER = frozenset(
    {
        GateMetric.LOG_LOSS,
        GateMetric.NORMALISED_ENTROPY,
        GateMetric.CALIBRATION_ERROR,
        GateMetric.EXPOSURE_GINI_AT_10,
        GateMetric.LOG_LOSS_MINUS_BASELINE,
        GateMetric.SEGMENT_AUC_DIFFERENCE,
        GateMetric.SEGMENT_LOG_LOSS_DIFFERENCE,
        GateMetric.EXPOSURE_GAP_AT_10,
        GateMetric.MODEL_MEGABYTES,
        GateMetric.MODEL_LATENCY_P99_MILLISECONDS,
    }
)
#: Metrics for which nearer to 1 is better.
NEARER_ONE = frozenset({GateMetric.CALIBRATION_RATIO})
#: Metrics with an interval in the report: `<metric>Low` and `<metric>High`.
WITH_INTERVAL = frozenset(
    {
        GateMetric.AUC,
        GateMetric.LOG_LOSS,
        GateMetric.NDCG_AT_10,
        GateMetric.AUC_MINUS_BASELINE,
        GateMetric.LOG_LOSS_MINUS_BASELINE,
        GateMetric.NDCG_AT_10_MINUS_BASELINE,
        GateMetric.NDCG_AT_10_MINUS_BEST_PEER,
        GateMetric.WORST_SEGMENT_AUC,
        GateMetric.WORST_SEGMENT_AUC_MINUS_BASELINE,
        GateMetric.LEAST_EXPOSURE_RATIO_AT_10,
        GateMetric.OFF_POLICY_GAIN,
    }
)
#: Differences to the champion at explored places, of which a test window may have too few.
AT_EXPLORED_PLACES = frozenset({GateMetric.OFF_POLICY_GAIN})
#: Metrics that a test window may not have: then a version passes unless the gate is `required`.
MAY_LACK = AT_EXPLORED_PLACES | {GateMetric.NDCG_AT_10_MINUS_BEST_PEER}
#: Metrics that are differences to the logistic regression of the same run.
AGAINST_BASELINE = frozenset(
    {
        GateMetric.AUC_MINUS_BASELINE,
        GateMetric.LOG_LOSS_MINUS_BASELINE,
        GateMetric.NDCG_AT_10_MINUS_BASELINE,
        GateMetric.WORST_SEGMENT_AUC_MINUS_BASELINE,
    }
)
#: Metrics with a paired difference to the champion in the report: `<metric>MinusChampion`.
WITH_CHAMPION_DIFFERENCE = frozenset({GateMetric.AUC, GateMetric.LOG_LOSS, GateMetric.NDCG_AT_10})


class JudgeBy(enum.StrEnum):
    VALUE = "Value"
    INTERVAL = "Interval"
    BEYOND_CHANCE = "BeyondChance"


class Gate(ApiModel):
    metric: GateMetric = Field(description="Offline metric on the test window.")
    min: float | None = Field(default=None, description="Fails below this value.")
    max: float | None = Field(default=None, description="Fails above this value.")
    champion_margin: float | None = Field(
        default=None,
        ge=0,
        description="Fails if worse than the champion's value by more than this.",
    )
    judge_by: JudgeBy = Field(
        default=JudgeBy.VALUE,
        description="Value compares the measured value; the champion's value is the one measured "
        "at its training. Interval compares the worse end of the 95 % interval: min with the low "
        "end, max with the high end, championMargin with the worse end of the paired difference "
        "to the champion on the same rows. A missing interval fails. BeyondChance compares the "
        "better ends, so it fails only what chance does not explain. A missing interval passes.",
    )
    required: bool | None = Field(
        default=None,
        description="Of offPolicyGain and ndcgAt10MinusBestPeer: true fails a version without an "
        "estimate, as gates on other metrics do. Otherwise such a gate is not evaluated, and "
        "passes, unless offPolicyGain compares with another champion or with none.",
    )


class OnFailure(enum.StrEnum):
    REJECT = "Reject"
    DEPLOY_BASELINE = "DeployBaseline"


class EvaluationSpec(ApiModel):
    gates: tuple[Gate, ...] = Field(
        default=(
            Gate(
                metric=GateMetric.NDCG_AT_10_MINUS_BEST_PEER,
                min=0,
                judge_by=JudgeBy.BEYOND_CHANCE,
            ),
            Gate(
                metric=GateMetric.LOG_LOSS_MINUS_BASELINE,
                max=0,
                judge_by=JudgeBy.BEYOND_CHANCE,
            ),
        ),
        min_length=1,
        max_length=20,
        description="Gates that a version must pass before it is published; if absent, its "
        "lists must not lose to the best simple recommender beyond chance, nor its log loss to "
        "the logistic regression.",
    )
    on_failure: OnFailure = Field(
        default=OnFailure.REJECT,
        description="What to do if a version fails a gate. Reject: nothing. DeployBaseline: the "
        "logistic regression on the same data becomes a separate version, must pass the same "
        "gates except differences to the baseline, and is rolled out.",
    )
