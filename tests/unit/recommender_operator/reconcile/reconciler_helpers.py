"""Decisions and views that the tests of a reconcile share."""

from __future__ import annotations

import datetime
from typing import Any

from recommender_operator import actions as do
from recommender_operator.observed import Observed
from tests.unit.recommender_operator.operator_rig import Rig


def always(**changes: Any) -> Any:
    """Return a `decide` that keeps the status, with changes to the decision."""

    def decide(observed: Observed, _now: datetime.datetime) -> do.Decision:
        values: dict[str, Any] = {"actions": (), "status": observed.model.status}
        return do.Decision(**(values | changes))

    return decide


def status_writes(rig: Rig) -> int:
    return sum(1 for write in rig.kube.writes if write[:2] == ("status", "recommendermodels"))
