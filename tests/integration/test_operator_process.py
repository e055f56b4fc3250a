"""The real command against a real API server, with no more rights than the chart gives."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from recommender_operator import handlers
from recommender_operator.adapters.kube import (
    EVENTS,
    INFERENCE_SERVICES,
    JOBS,
    MODELS,
    VERSIONS,
)
from recommender_operator.adapters.official import OfficialKube
from recommender_operator.health import StaleError
from recommender_operator.reconcile import Key
from tests.integration import operator_account as account
from tests.integration import operator_api_rig as rig
from tests.scripted import ScriptedCluster

pytestmark = pytest.mark.integration
SECONDS = 90.0
WITH_JOBS = {"CheckingData", "Training", "Publishing"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """`recommender-operator run`, which can be killed and started again."""

    def __init__(self, config: pathlib.Path, folder: pathlib.Path, namespace: str) -> None:
        self.health, self.metrics = free_port(), free_port()
        self.log = folder / "operator.log"
        self._environment = {
            # The policies know the images and the Gateway that the chart sets.
            **account.clusterwide().environment,
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(config),
            "RECOMMENDER_NAMESPACE": account.SYSTEM,
            "RECOMMENDER_WATCH_NAMESPACES": namespace,
            "RECOMMENDER_HEALTH_PORT": str(self.health),
            "RECOMMENDER_METRICS_PORT": str(self.metrics),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "recommender_operator", "run"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log
            )

    def end(self, how: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        code = self._process.wait(timeout=30)
        self._process = None
        return code

    def read(self, port: int, path: str) -> tuple[int, str]:
        try:
            url = f"http://127.0.0.1:{port}{path}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    @property
    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    @contextlib.contextmanager
    def running(self) -> Iterator[Process]:
        self.start()
        try:
            yield self
        finally:
            if self._process is not None:
                self.end(signal.SIGKILL)


async def until(what: str, condition: Callable[[], Awaitable[bool]], process: Process) -> None:
    try:
        async with asyncio.timeout(SECONDS):
            while not await condition():
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"{what}: not in {SECONDS} s\n{process.text[-6000:]}") from None


async def delete_model(kube: OfficialKube, namespace: str) -> None:
    found = await kube.get(MODELS, namespace, "movies")
    assert found is not None
    assert await kube.delete(MODELS, namespace, "movies", uid=found["metadata"]["uid"])


async def status_of(kube: OfficialKube, namespace: str) -> dict[str, Any]:
    found = await kube.get(MODELS, namespace, "movies")
    return (found or {}).get("status") or {}


def own_lines(log: str, namespace: str) -> str:
    """Return the log without what is said of the namespaces that other tests have left."""
    spaces = re.compile(r"\b(?:it|rules)-[0-9a-f]{8}\b")
    lines = [line for line in log.splitlines() if set(spaces.findall(line)) <= {namespace}]
    return "\n".join(lines)


@pytest.mark.parametrize("mode", ["clusterwide", "namespaced"])
async def test_the_command_carries_a_model_through_its_jobs_and_dies_in_each_phase(
    mode: str, kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    if mode == "clusterwide":
        config = account.clusterwide_config(tmp_path)
    else:
        config = account.namespaced_config(tmp_path, namespace)
    script = ScriptedCluster(kube, namespace=namespace)
    process = Process(config, tmp_path, namespace if mode == "namespaced" else "")
    deaths: list[str] = []
    with process.running():
        await kube.create(MODELS, rig.manifest(namespace))

        async def deployed() -> bool:
            stage = (await status_of(kube, namespace)).get("stage", "")
            if stage and stage not in deaths:
                deaths.append(stage)
                process.end(signal.SIGKILL)
                process.start()
                return False
            # The pods of the service never start: nothing is there to answer.
            for version in await kube.list(VERSIONS, namespace, {}):
                script.broken.add(version["metadata"]["name"])
            # The Job of a stage ends only after the operator has died in that stage.
            jobs = await kube.list(JOBS, namespace, {})
            if len(jobs) <= len(set(deaths) & WITH_JOBS):
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
    # A process that dies may leave an Event unsaid, but never all of them.
    assert reasons & {"VersionCreated", "CheckingData", "Training", "Publishing", "Deploying"}
    told = own_lines(process.text, namespace)
    assert "orbidden" not in told
    assert "Traceback" not in told
    for version in await kube.list(VERSIONS, namespace, {}):
        assert version["status"]["stage"] == "Deploying"


async def test_a_model_made_while_the_operator_was_away_is_taken_up(
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
        asked = {"metadata": {"annotations": {"recommender.dev/abort": "token-1"}}}
        await kube.patch(MODELS, namespace, "movies", asked)

        async def handled() -> bool:
            done = (await status_of(kube, namespace)).get("handled") or []
            return any(entry["token"] == "token-1" for entry in done)

        await until("the request to be handled", handled, process)


class Deaf:
    """An engine whose workers stand still."""

    def __init__(self) -> None:
        self.woken: list[Key] = []
        self.stale = False

    def wake(self, key: Key) -> None:
        self.woken.append(key)

    def watched(self, key: Key, generation: int) -> None: ...

    async def is_finished(self, uid: str, timeout: float) -> bool:
        return True

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def check(self) -> dict[str, float]:
        if self.stale:
            raise StaleError("the watch has missed a change")
        return {"watch": 0.0}


async def test_the_probe_fails_when_the_operator_stands_still_though_the_process_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, namespace: str, kube: OfficialKube
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(account.clusterwide_config(tmp_path)))
    await kube.create(MODELS, rig.manifest(namespace))
    engine, stop, port = Deaf(), asyncio.Event(), free_port()
    task = asyncio.create_task(
        handlers.run(engine, namespaces=(), resync=60.0, health_port=port, stop=stop)
    )
    try:
        async with asyncio.timeout(SECONDS):
            while Key(namespace, "movies") not in engine.woken or await _code(port) != 200:
                await asyncio.sleep(0.1)
            engine.stale = True
            # Kopf keeps an answer for ten seconds.
            while await _code(port) != 500:
                await asyncio.sleep(0.5)
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)
    await delete_model(kube, namespace)
    bare: dict[str, Any] = {"metadata": {"finalizers": []}}
    await kube.patch(MODELS, namespace, "movies", bare)


async def _code(port: int) -> int:
    def ask() -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    return await asyncio.to_thread(ask)


def test_without_a_cluster_the_command_says_so(tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path / "nothing", tmp_path, "")
    process.start()
    assert process._process is not None
    assert process._process.wait(timeout=30) == 3
    assert "set KUBECONFIG" in process.text
