"""Candidates before their first step, beside a champion, all with the settings of this release."""

import dataclasses
import datetime
from collections.abc import Sequence

from recommender_operator.api.spec_rollout import RolloutSpec
from recommender_operator.api.version import StepRecord, VersionStage
from recommender_operator.context import Context, Outcome
from recommender_operator.context.extension import Extension
from recommender_operator.observed import Observed, ServiceState, VersionObject
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.resources.builder_inputs import model, version

START = datetime.datetime(2026, 11, 27, tzinfo=datetime.UTC)
STABLE = "movies-00000000"


def candidate(**status: object) -> VersionObject:
    found = version()
    given = {"stage": VersionStage.CANARY, "weight": 0} | status
    return dataclasses.replace(found, status=found.status.model_copy(update=given))


def step(weight: int, ended: datetime.datetime | None = None) -> StepRecord:
    return StepRecord(weight=weight, started_at=START, ended_at=ended)


def state(
    rollout: RolloutSpec, found: VersionObject, extensions: Sequence[Extension] = ()
) -> Context:
    """Return the state of a model with this candidate, whose services are ready."""
    owner, stable = model(), version(STABLE)
    owner = dataclasses.replace(owner, spec=owner.spec.model_copy(update={"rollout": rollout}))
    promoted = stable.status.model_copy(update={"stage": VersionStage.PROMOTED})
    versions = (dataclasses.replace(stable, status=promoted), found)
    services = {each.name: ServiceState(version=each.name, ready=True) for each in versions}
    observed = Observed(model=owner, versions=versions, services=services)
    return Context(Outcome(observed, NOW, extensions))
