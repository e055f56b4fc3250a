"""The decision on an experiment, from the moments of its phases."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence

from recommender_operator.experiments.estimates import Comparison
from recommender_operator.experiments.plan import Phase, Plan


class Kind(enum.StrEnum):
    """Promote, RollBack, Futile and Inconclusive end the experiment; only Promote promotes."""

    PROMOTE = "Promote"
    ROLL_BACK = "RollBack"
    KEEP_RUNNING = "KeepRunning"
    FUTILE = "Futile"
    INCONCLUSIVE = "Inconclusive"
    BLOCKED = "Blocked"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """`final`: the experiment is over; act on it once and read no more.

    `comparisons` are of the primary metrics, `guardrails` of the guardrails, in the plan's order.
    `sample_ratio_p` is the smallest over the phases (None: too few users for a test). `users` and
    `planned_users` are by arm, of the measured phase; `planned_users` is None until it can be
    computed. `days_left`: the estimate until the planned users and `min_days` are reached.
    """

    kind: Kind
    message: str
    final: bool = False
    comparisons: tuple[Comparison, ...] = ()
    guardrails: tuple[Comparison, ...] = ()
    sample_ratio_p: float | None = None
    users: Mapping[str, int] = dataclasses.field(default_factory=dict)
    planned_users: Mapping[str, int] | None = None
    days_left: float | None = None


def decide(plan: Plan, phases: Sequence[Phase], days: float) -> Decision:
    """Return the decision; `days` are those since the start of the last phase.

    Never raises for data that `Moments` accepted, and never promotes without them.
    """
    raise NotImplementedError
