"""Facts, and models that have them."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from recommender_operator.api.conditions import ConditionType
from recommender_operator.api.status import Condition, RecommenderModelStatus
from recommender_operator.api.version import ModelVersionStatus, VersionDecision, VersionStage
from recommender_operator.notifications.facts import Fact, FactKind
from recommender_operator.notifications.receivers import Receiver, ReceiverType
from recommender_operator.observed import ModelObject, VersionObject
from tests.fakes.kube import NOW
from tests.unit.recommender_operator.resources import builder_inputs

AT = NOW - datetime.timedelta(minutes=2)
CONSOLE = "https://recommenders.example.com"
VERSION = "movies-0123abcd"
SLACK = Receiver(name="ops", type=ReceiverType.SLACK)
WEBHOOK = Receiver(name="ci", type=ReceiverType.WEBHOOK)
ALERTS = Receiver(name="alerts", type=ReceiverType.ALERTMANAGER)


def fact(**values: Any) -> Fact:
    given: dict[str, Any] = {
        "id": "decision/uid-version/7",
        "kind": FactKind.ROLLED_BACK,
        "namespace": "team",
        "model": "movies",
        "version": VERSION,
        "reason": "AnalysisFailed",
        "message": "at 20 %: errorRate 0.08 > 0.02",
        "at": AT,
    }
    return Fact(**(given | values))


def model(*conditions: Condition, **status: Any) -> ModelObject:
    found = RecommenderModelStatus(conditions=conditions, **status)
    return dataclasses.replace(builder_inputs.model(), status=found)


def version(**status: Any) -> VersionObject:
    made = builder_inputs.version(VERSION)
    return dataclasses.replace(made, status=ModelVersionStatus(**status))


def decided(stage: VersionStage, at: datetime.datetime = AT) -> VersionObject:
    decision = VersionDecision(
        outcome=stage.value, reason="AnalysisFailed", message="worse", at=at, sequence=7
    )
    return version(stage=stage, decision=decision)


def condition(
    kind: ConditionType, reason: str, status: Any = "True", at: datetime.datetime = AT
) -> Condition:
    return Condition(
        type=kind, status=status, reason=reason, message="because", last_transition_time=at
    )
