"""The real command with a real API server, with only the rights of the chart."""

from __future__ import annotations

import pathlib
import re
import signal
import sys

import pytest

from recommender_operator.adapters.kinds import EVENTS, INFERENCE_SERVICES, MODELS, VERSIONS
from recommender_operator.controller.client import OfficialKube
from recommender_operator.observed import JobKind
from tests.integration import operator_account as account
from tests.integration import operator_api_rig as rig
from tests.integration.operator_process import PACKAGE, Process, delete_model, status_of, until
from tests.scripted import ScriptedCluster

pytestmark = pytest.mark.integration
JOB_OF_STAGE = {
    "CheckingData": JobKind.CHECK,
    "Training": JobKind.TRAIN,
    "Publishing": JobKind.PUBLISH,
}


#: How asyncio ends the traceback of a watch that was closed in its middle.
_CLOSING = "generator didn't stop after athrow()"


def own_lines(log: str, namespace: str) -> str:
    """Return the log without the lines about namespaces of other tests.

    And without the traceback of a watch of Kopf in whose middle the process was stopped.
    """
    spaces = re.compile(r"\b(?:it|rules)-[0-9a-f]{8}\b")
    lines = [
        line
        for line in log.splitlines()
        if set(spaces.findall(line)) <= {namespace} and _CLOSING not in line
    ]
    return "\n".join(lines)


@pytest.mark.parametrize("mode", ["clusterwide", "namespaced"])
async def test_a_model_completes_its_jobs_though_the_operator_is_killed_in_each_stage(
    mode: str, kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    wide = mode == "clusterwide"
    of = account.clusterwide() if wide else account.namespaced(namespace)
    script = ScriptedCluster(kube, namespace=namespace)
    process = Process(of.config(tmp_path), tmp_path, "" if wide else namespace, of=of)
    # The Job of a stage ends only after the operator has died in that stage.
    script.endless = set(JOB_OF_STAGE.values())
    deaths: list[str] = []
    with process.running():
        await kube.create(MODELS, rig.manifest(namespace))

        async def deployed() -> bool:
            # The stage of the version: the model's status repeats it when its looks pause.
            stage = ""
            for version in await kube.list(VERSIONS, namespace, {}):
                # The pods of the service never start, because nothing runs them.
                script.broken.add(version["metadata"]["name"])
                stage = (version.get("status") or {}).get("stage", "")
            if stage and stage not in deaths:
                deaths.append(stage)
                process.end(signal.SIGKILL)
                process.start()
                if stage in JOB_OF_STAGE:
                    script.endless.remove(JOB_OF_STAGE[stage])
                return False
            await script.step()
            services = await kube.list(INFERENCE_SERVICES, namespace, {})
            return stage == "Deploying" and len(services) == 1

        await until("an InferenceService", deployed, process)
        assert {"CheckingData", "Training", "Publishing", "Deploying"} <= set(deaths)

        async def healthy() -> bool:
            return process.read(process.health, "/healthz")[0] == 200

        await until("a healthy process", healthy, process)
        page = process.read(process.metrics, "/metrics")[1]
        assert "recommender_operator_reconcile_duration_seconds_count" in page
        await delete_model(kube, namespace)

        async def gone() -> bool:
            return await kube.get(MODELS, namespace, "movies") is None

        await until("the finalizer to go", gone, process)
        assert process.end(signal.SIGTERM) == 0
    reasons = {event["reason"] for event in await kube.list(EVENTS, namespace, {})}
    # A process that crashes may lose one Event, but never all of them.
    assert reasons & {"VersionCreated", "CheckingData", "Training", "Publishing", "Deploying"}
    reported = own_lines(process.text, namespace)
    assert "orbidden" not in reported
    assert "Traceback" not in reported
    for version in await kube.list(VERSIONS, namespace, {}):
        assert version["status"]["stage"] == "Deploying"


async def test_a_model_created_while_the_operator_was_down_is_reconciled(
    kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    await kube.create(MODELS, rig.manifest(namespace))
    process = Process(account.clusterwide_config(tmp_path), tmp_path, namespace)
    with process.running():

        async def known() -> bool:
            return bool((await status_of(kube, namespace)).get("conditions"))

        await until("a status", known, process)


async def test_a_request_by_annotation_wakes_the_operator_and_is_recorded(
    kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    await kube.create(MODELS, rig.manifest(namespace))
    process = Process(account.clusterwide_config(tmp_path), tmp_path, namespace)
    with process.running():
        requested = {"metadata": {"annotations": {"recommender.dev/abort": "token-1"}}}
        await kube.patch(MODELS, namespace, "movies", requested)

        async def handled() -> bool:
            done = (await status_of(kube, namespace)).get("handled") or []
            return any(entry["token"] == "token-1" for entry in done)

        await until("the request to be handled", handled, process)


def test_the_command_reports_that_there_is_no_cluster(tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "nothing", tmp_path, "")
    process.command = (sys.executable, "-m", PACKAGE, "run")
    process.start()
    assert process.wait() == 3
    assert "set KUBECONFIG" in process.text
