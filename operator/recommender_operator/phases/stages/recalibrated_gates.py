"""The gates of a recalibrated version.

Its network and the order of its lists are those of a version that has passed its gates, so these
are not evaluated again; neither is a probability of the test window, which says less about what
is served than the labels do. One gate is its own: what the new calibration gains.
"""

from __future__ import annotations

from collections.abc import Iterable

from recommender_operator.api.recalibration import Recalibration
from recommender_operator.api.spec import Gate
from recommender_operator.api.version import GateResult
from recommender_operator.phases.stages.gates import Metrics

#: Log loss that the calibration saves on served labels that it was not fitted to.
GAIN = "servedLogLossGain"


def evaluate(
    made: Recalibration, gates: Iterable[Gate], metrics: Metrics
) -> tuple[GateResult, ...]:
    """Return the results: that of the gain, then those of the gates of the spec."""
    return (_gain(made), *(_inherited(made, gate, metrics) for gate in gates))


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


def _inherited(made: Recalibration, gate: Gate, metrics: Metrics) -> GateResult:
    return GateResult(
        metric=gate.metric.value,
        value=metrics.get(gate.metric.value),
        threshold=f"none: {made.of} has passed it, and network and lists are the same"[:253],
        passed=True,
    )
