"""Two arms compared in one metric."""

from __future__ import annotations

import dataclasses

from recommender_operator.experiments.metrics import Metric


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """A metric of both arms, and the candidate's relative difference with its interval.

    `difference` 0.1 means 10 % more than the champion's value, which is worse for a metric of
    which less is better. None: no such value (no users, or a champion's value of 0); an end of the
    interval that is None is unbounded. `always_valid`: the interval holds over all looks and there
    is no `p_value`; otherwise both are of one look at the planned number of users.
    `covariate`: the variance was reduced by what users did before (CUPED).
    """

    metric: Metric
    champion: float | None
    candidate: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    standard_error: float | None = None
    champion_users: int = 0
    candidate_users: int = 0
    always_valid: bool = False
    covariate: bool = False
