"""The gates of a recalibrated version.

Its network and the order of its lists are those of another version, so the results of that one
are its own. A gate that was added or changed since is evaluated on the metrics of that version. No
probability of the test window is measured again, which says less about what is served than the
labels do. One gate is its own: what the new calibration gains.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recommender_contract.resource.recalibration import Recalibration
from recommender_operator.api.spec import AT_EXPLORED_PLACES, Gate
from recommender_operator.api.version import GateResult
from recommender_operator.lifecycle import gates as rules
from recommender_operator.lifecycle.gates import Metrics

#: Log loss that the calibration saves on served labels that it was not fitted to.
GAIN = "servedLogLossGain"


def evaluate(
    made: Recalibration,
    gates: Iterable[Gate],
    metrics: Metrics,
    passed: Sequence[GateResult],
) -> tuple[GateResult, ...]:
    """Return the results: that of the gain, then those of the gates of the spec.

    Args:
        metrics: those of the other version.
        passed: results of the other version.
    """
    return (_gain(made), *(_inherited(made, gate, metrics, passed) for gate in gates))


def _gain(made: Recalibration) -> GateResult:
    return GateResult(
        metric=GAIN,
        value=made.gain,
        low=made.gain_low,
        high=made.gain_high,
        minimum=0.0,
        threshold="low end above 0",
        passed=made.gain_low > 0,
        message=f"{made.ratio:.2f} positive labels for each expected one in the window before "
        f"{made.through:%Y-%m-%d} as served, {made.ratio_after:.2f} with the new calibration",
    )


def _inherited(
    made: Recalibration, gate: Gate, metrics: Metrics, passed: Sequence[GateResult]
) -> GateResult:
    for result in passed:
        if result.passed and rules.is_of(gate, result):
            message = f"the result of {made.of}, whose network and lists it has"
            return result.model_copy(update={"message": message})
    # A margin to the champion is kept, as it has the champion's network.
    limits = gate.model_copy(update={"champion_margin": None})
    has_limits = gate.min is not None or gate.max is not None
    if gate.metric in AT_EXPLORED_PLACES or not has_limits:
        return GateResult(
            metric=gate.metric.value,
            value=metrics.get(gate.metric.value),
            minimum=gate.min,
            maximum=gate.max,
            threshold="none: it compares with the champion, whose network and lists it has",
            passed=True,
        )
    return rules.evaluate(limits, metrics, None)
