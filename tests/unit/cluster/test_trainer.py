"""The controllers of JobSet and Trainer run on the host; their manifests are changed for that."""

from __future__ import annotations

import pytest

from tests.cluster import groups, trainer

HOOK = {
    "name": "mpod.kb.io",
    "failurePolicy": "Fail",
    "clientConfig": {"service": {"name": "webhook-service", "path": "/mutate--v1-pod"}},
    "objectSelector": {"matchExpressions": [{"key": "jobset", "operator": "Exists"}]},
}


def test_webhooks_lead_to_the_host_process_and_stay_limited_to_the_pods_of_job_sets() -> None:
    configuration = {
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "mutating-webhook-configuration"},
        "webhooks": [dict(HOOK)],
    }
    service = {"kind": "Service", "metadata": {"name": "webhook-service"}}
    (changed,) = trainer.rewrite([configuration, service], trainer.JOB_SETS, b"CA")
    assert changed["metadata"] == {"name": "jobset.recommender.test"}
    (hook,) = changed["webhooks"]
    assert hook["clientConfig"] == {
        "url": "https://127.0.0.1:19444/mutate--v1-pod",
        "caBundle": "Q0E=",
    }
    assert hook["failurePolicy"] == "Fail"
    assert hook["objectSelector"] == HOOK["objectSelector"]


@pytest.mark.parametrize("controller", trainer.CONTROLLERS, ids=lambda each: each.name)
def test_a_controller_makes_no_certificate_and_elects_no_leader(
    controller: trainer.Controller,
) -> None:
    config = trainer.configuration(controller)
    assert config["leaderElection"] == {"leaderElect": False}
    (certificates,) = [value for key, value in config.items() if "ertManagement" in key]
    assert certificates == {"enable": False}


def test_every_port_is_used_once() -> None:
    ports = [(c.webhook_port, c.health_port) for c in trainer.CONTROLLERS]
    assert len({port for pair in ports for port in pair}) == 4


def test_trainer_is_built_only_when_asked_for_and_with_what_it_builds_upon() -> None:
    without = set(groups.cluster_groups(groups.Extras()))
    assert {groups.JOBSET, groups.TRAINER}.isdisjoint(without)
    both = set(groups.cluster_groups(groups.Extras(trainer=True))) - without
    assert both == {groups.JOBSET, groups.TRAINER}
