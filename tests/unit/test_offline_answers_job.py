"""The sample of a scheduled Job that answers requests, as docs/offline-answers.md tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from recommender_training.cli import dispatch, main

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / "manifests" / "offline-answers" / "cronjob.yaml"
CRON: dict[str, Any] = yaml.safe_load(PATH.read_text(encoding="utf-8"))["spec"]
JOB: dict[str, Any] = CRON["jobTemplate"]["spec"]
POD: dict[str, Any] = JOB["template"]["spec"]
(CONTAINER,) = POD["containers"]


def test_the_command_understands_its_arguments_and_finds_its_folders() -> None:
    given = main.parser().parse_args(CONTAINER["args"])
    mounts = {mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    paths = (given.artifact, given.requests, given.output)
    assert {f"/{path.parts[1]}" for path in paths} < mounts
    assert given.workers == int(CONTAINER["resources"]["requests"]["cpu"])


def test_what_no_retry_helps_is_not_retried() -> None:
    (rule,) = JOB["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"] == {"operator": "In", "values": [dispatch.INVALID_INPUT]}
    assert POD["restartPolicy"] == "Never"  # which a podFailurePolicy requires


def test_it_cannot_change_the_artifact_and_meets_the_restricted_standard() -> None:
    store = next(each for each in CONTAINER["volumeMounts"] if each["name"] == "store")
    assert store["readOnly"] is True
    assert POD["automountServiceAccountToken"] is False
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
