"""Trainings of several workers against a real API server with the kinds of Trainer and JobSet.

A script plays Trainer; the end-to-end tests run the real one.
"""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
import yaml

from recommender_operator.adapters.kinds import JOBS, MODELS, TRAIN_JOBS, TRAINING_RUNTIMES
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.kube import PODS
from recommender_operator.resources import train_jobs
from tests.cluster import api
from tests.integration import operator_account as account
from tests.integration import operator_api_rig as rig
from tests.integration.test_operator_lifecycle import SPEC, Life
from tests.unit.recommender_operator.resources import test_train_jobs as builders
from tests.unit.recommender_operator.resources.builder_inputs import model

pytestmark = pytest.mark.integration

CRDS = (
    "trainjobs.trainer.kubeflow.org",
    "trainingruntimes.trainer.kubeflow.org",
    "jobsets.jobset.x-k8s.io",
)
WORKERS: dict[str, Any] = {**SPEC, "training": {"workers": 2}}


def install_trainer() -> None:
    rig.kubeconfig()
    for group in ("jobset", "trainer"):
        for file in api.crd_paths()[group]:
            rig.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(file))
    api.kubectl_for(rig.kubeconfig()).wait_served(CRDS)


def remove_trainer() -> None:
    rig.kubeconfig()
    rig.kubectl("delete", "crd", *CRDS, "--ignore-not-found", "--timeout=60s")


@pytest.fixture
async def life(tmp_path: pathlib.Path, kube: OfficialKube, namespace: str) -> Any:
    """An operator with the rights of the chart, and the script."""
    operator = rig.open_kube(account.clusterwide_config(tmp_path))
    yield Life(operator, kube, namespace, None)
    await operator.close()


async def condition(life: Life, kind: str) -> dict[str, Any]:
    status = (await life.model()).get("status") or {}
    return next((c for c in status.get("conditions", []) if c["type"] == kind), {})


async def groups(life: Life) -> list[str]:
    found = await life.admin.list(TRAIN_JOBS, life.namespace, {})
    return sorted(thing["metadata"]["name"] for thing in found)


async def until_training(life: Life) -> None:
    for _ in range(20):
        if await groups(life):
            return
        await life.look()
    raise AssertionError(await life.model())


async def test_the_condition_reports_a_missing_trainer_and_training_starts_once_it_is_installed(
    life: Life,
) -> None:
    remove_trainer()
    assert await life.admin.create(MODELS, rig.manifest(life.namespace, **WORKERS))
    for _ in range(12):
        await life.look()
    reported = await condition(life, "Trained")
    assert (reported["status"], reported["reason"]) == ("False", "PlatformMissing")
    assert all(name in reported["message"] for name in CRDS)
    assert "set training.workers to 1" in reported["message"]
    assert life.deaths == 0
    install_trainer()
    await life.until(lambda status, _: status.get("stage") == "Serving")
    assert len(await groups(life)) == 1
    assert (await condition(life, "Trained"))["status"] == "True"


async def test_a_training_of_two_workers_is_published_and_serves(life: Life) -> None:
    install_trainer()
    assert await life.admin.create(MODELS, rig.manifest(life.namespace, **WORKERS))
    await life.until(lambda status, _: status.get("stage") == "Serving")
    (version,) = await life.versions()
    end = await life.end_state()
    assert await groups(life) == [f"{version}-train-0"]
    # The Job of the JobSet has no label of the operator's own Jobs.
    assert await life.admin.list(JOBS, life.namespace, {"recommender.dev/job-kind": "train"}) == []
    assert end["artifacts"][version]["path"].startswith("artifacts/movies/")
    pods = await life.admin.list(PODS, life.namespace, {"recommender.dev/job-kind": "train"})
    assert len(pods) == 2


async def test_a_worker_that_runs_out_of_memory_fails_the_version_and_is_named(life: Life) -> None:
    install_trainer()
    assert await life.admin.create(MODELS, rig.manifest(life.namespace, **WORKERS))
    await life.until(lambda _, versions: bool(versions))
    life.script.starved = set(await life.versions())
    await life.until(lambda status, _: status.get("stage") == "Failed")
    reported = await condition(life, "Trained")
    assert reported["reason"] == "OOMKilled"
    assert "raise the memory" in reported["message"]


async def test_a_changed_spec_deletes_the_group(life: Life) -> None:
    install_trainer()
    life.script.trains = False
    assert await life.admin.create(MODELS, rig.manifest(life.namespace, **WORKERS))
    await until_training(life)
    (old,) = await groups(life)
    seed = {"spec": {"training": {"seed": 18}}}
    await life.admin.patch(MODELS, life.namespace, "movies", seed)
    await life.look()
    assert old not in await groups(life)
    runtimes = await life.admin.list(TRAINING_RUNTIMES, life.namespace, {})
    assert old not in [thing["metadata"]["name"] for thing in runtimes]
    life.script.trains = True
    await life.until(lambda status, _: status.get("stage") == "Serving")
    assert old not in await groups(life)


def test_the_server_knows_every_field_of_the_manifests(namespace: str) -> None:
    install_trainer()
    for manifest in (
        builders.runtime(),
        train_jobs.train_job(model(), builders.group(), 1),
    ):
        manifest["metadata"]["namespace"] = namespace
        text = yaml.safe_dump(manifest)
        rig.kubectl(
            "create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text
        )  # fmt: skip
        misspelt = yaml.safe_dump({**manifest, "spec": {**manifest["spec"], "trainerr": {}}})
        with pytest.raises(api.ClusterError, match="trainerr"):
            rig.kubectl(
                "create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=misspelt
            )  # fmt: skip
