"""The audit log of an API server, read for what an account asked for."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from tests.scenario import audit
from tests.scenario.audit import Right

USER = "system:serviceaccount:recommender-system:recommender-operator"
START = datetime.datetime(2026, 1, 1, 12, 0, tzinfo=datetime.UTC)
LIST_JOBS = Right("batch", "jobs", "list")
DENIED = (
    "jobs.batch \"x\" is forbidden: ValidatingAdmissionPolicy 'objects' with binding 'objects' "
    "denied request: it lacks the labels"
)


def line(verb: str, where: dict[str, str] | None, **more: Any) -> str:
    event: dict[str, Any] = {
        "stage": "ResponseComplete",
        "requestReceivedTimestamp": "2026-01-01T12:00:01.000000Z",
        "user": {"username": USER},
        "verb": verb,
        "annotations": {"authorization.k8s.io/decision": "allow"},
    }
    if where is not None:
        event["objectRef"] = where
    return json.dumps(event | more)


JOBS = {"apiGroup": "batch", "resource": "jobs", "namespace": "shop"}
STATUS = {"apiGroup": "recommender.dev", "resource": "modelversions", "subresource": "status"}
PODS = {"resource": "pods", "apiVersion": "v1"}


def test_rights_are_used_by_what_was_granted_whatever_came_of_it() -> None:
    reported = audit.use(
        [
            line("list", JOBS),
            line("list", JOBS),
            line("patch", STATUS, responseStatus={"code": 404, "message": "not found"}),
            line("watch", PODS, stage="ResponseStarted"),
        ],
        USER,
        START,
    )
    assert reported.rights == {
        LIST_JOBS,
        Right("recommender.dev", "modelversions/status", "patch"),
        Right("", "pods", "watch"),
    }
    assert reported.refused == ()


def test_an_apply_that_makes_the_object_uses_the_right_to_create() -> None:
    reported = audit.use([line("patch", JOBS, responseStatus={"code": 201})], USER, START)
    assert reported.rights == {Right("batch", "jobs", "create"), Right("batch", "jobs", "patch")}


def test_what_was_refused_is_told_once_with_the_reason_and_counts_for_no_right() -> None:
    forbidden = line(
        "get",
        {"resource": "secrets"},
        annotations={"authorization.k8s.io/decision": "forbid"},
        responseStatus={"code": 403, "message": "cannot get secrets"},
    )
    denied = line("create", JOBS, responseStatus={"code": 403, "message": DENIED})
    reported = audit.use([forbidden, forbidden, denied], USER, START)
    assert reported.rights == set()
    assert reported.refused == (
        "get secrets: cannot get secrets",
        f"create jobs (batch): {DENIED}",
    )


@pytest.mark.parametrize(
    "other",
    [
        line("list", JOBS, user={"username": USER + "-two"}),
        line("list", JOBS, requestReceivedTimestamp="2026-01-01T11:59:59.000000Z"),
        line("get", None, requestURI="/apis"),
    ],
    ids=["another account", "before", "no object"],
)
def test_what_others_did_or_what_was_before_does_not_count(other: str) -> None:
    assert audit.use([other], USER, START) == audit.Use(frozenset(), ())


RULES = [
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list", "create"]},
    {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"]},
]


def test_the_rules_of_a_role_are_taken_apart() -> None:
    assert audit.given(RULES) == {
        LIST_JOBS,
        Right("batch", "jobs", "create"),
        Right("", "pods", "get"),
        Right("", "pods/log", "get"),
    }


def test_a_right_is_superfluous_if_nothing_used_it_and_nobody_excused_it() -> None:
    excused = {Right("", "pods/log", "get"): "no Job failed"}
    found = audit.superfluous(audit.given(RULES), frozenset({LIST_JOBS}), excused)
    assert found == ["get pods", "create jobs (batch)"]


def test_an_excuse_for_a_right_that_is_not_given_is_out_of_date() -> None:
    with pytest.raises(ValueError, match="excused, but not granted: get secrets"):
        audit.superfluous(audit.given(RULES), frozenset(), {Right("", "secrets", "get"): "old"})
