"""A namespace with one RecommenderModel, from the perspective of a user."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import json
import pathlib
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from tests.cluster.api import Cluster, ClusterError
from tests.scenario import install, room
from tests.scenario.kube import Kube, Manifest, wait_until
from tests.scenario.load import Load
from tests.scenario.traffic import TrafficWatch

JOBS_SECONDS = 600.0
CANARY_SECONDS = 600.0


def merged(base: Manifest, changes: Manifest) -> Manifest:
    """Return base merged with changes, by section; None removes a field."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def parsed_time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


@dataclasses.dataclass
class World:
    kube: Kube
    cluster: Cluster
    name: str
    spec: Manifest
    traffic: pathlib.Path
    shifted_traffic: pathlib.Path
    #: Adds the later batch of interactions to the raw data.
    add_shifted_data: Callable[[], None]
    gateway: str
    load: Load | None = None
    route: TrafficWatch | None = None
    #: The first version.
    first: str = ""

    # Actions of a user

    def apply(self, changes: Manifest | None = None, fault: Manifest | None = None) -> None:
        """Apply the base spec merged with changes; its trainings export models with the fault."""
        metadata: Manifest = {"name": self.name, "namespace": self.kube.namespace}
        if fault:
            metadata["annotations"] = {"recommender.dev/inject-fault": json.dumps(fault)}
        manifest = {
            "apiVersion": "recommender.dev/v1alpha1",
            "kind": "RecommenderModel",
            "metadata": metadata,
            "spec": merged(self.spec, changes or {}),
        }
        self.kube.apply(manifest)

    def remove(self, seconds: float = 180.0) -> None:
        """Delete the model, if it exists, and wait until all its objects are deleted."""
        if not self.kube.delete_model(self.name):
            return
        self.until(
            "the finalizer to be removed", lambda: not self.kube.has_model(self.name), seconds
        )
        self.until("its objects to be deleted", lambda: not any(self.objects().values()), seconds)

    def roll_back_to(self, version: str) -> None:
        token = f"{version}#{time.time_ns()}"
        self.kube.annotate(self.name, {"recommender.dev/rollback-to": token})

    # Observations of a user

    @property
    def status(self) -> Manifest:
        found: Manifest = self.kube.model(self.name).get("status", {})
        return found

    @property
    def host(self) -> str:
        """The host name of requests, from the status."""
        return str(self.status["url"])

    def objects(self) -> dict[str, list[str]]:
        """Return the names of the model's objects by kind."""
        return self.kube.objects_of(self.name)

    def stored(self) -> list[str]:
        """Return the files in the artifact store of the namespace: tables and versions."""
        listed = self.cluster.kubectl(
            "-n", self.kube.namespace, "exec", install.LOADER, "--", "find", "/store", "-type", "f"
        )
        return listed.split()

    @property
    def champion(self) -> str | None:
        return self.status.get("champion")

    def condition(self, kind: str) -> Manifest:
        for condition in self.status.get("conditions", []):
            if condition["type"] == kind:
                found: Manifest = condition
                return found
        return {}

    def version(self, name: str) -> Manifest:
        found: Manifest = self.kube.versions(self.name)[name]
        return found

    def decision(self, name: str) -> Manifest:
        found: Manifest = self.version(name).get("status", {}).get("decision") or {}
        return found

    def events(self, reason: str) -> list[Manifest]:
        """Return the Events of the model with a reason."""
        selector = f"involvedObject.name={self.name},reason={reason}"
        found = self._kubectl("get", "events", "--field-selector", selector, "-o", "json")
        items: list[Manifest] = json.loads(found)["items"]
        return items

    @property
    def route_splits(self) -> list[dict[str, int]]:
        """All splits since the start of the watch."""
        return [split for _, split in self.route.splits] if self.route else []

    # Waits of a user

    def until(self, what: str, condition: Callable[[], bool], seconds: float) -> float:
        met = room.watched(condition, lambda: self.kube.pods(model=self.name))
        return wait_until(what, met, self.kube.changes, seconds=seconds, explain=self.describe)

    def new_version_after(self, change: Callable[[], None], seconds: float = 180.0) -> str:
        """Return the name of the version that the change creates."""
        before = set(self.kube.versions(self.name))
        change()
        new: set[str] = set()

        def appeared() -> bool:
            new.update(set(self.kube.versions(self.name)) - before)
            return bool(new)

        self.until("a new ModelVersion", appeared, seconds)
        return new.pop()

    def until_decided(self, version: str, seconds: float = JOBS_SECONDS + CANARY_SECONDS) -> str:
        """Return the outcome of a version once it has one."""
        self.until(f"a decision about {version}", lambda: bool(self.decision(version)), seconds)
        return str(self.decision(version)["outcome"])

    def until_settled(self, seconds: float = 120.0) -> None:
        """Wait for a champion with all requests, without a candidate."""

        def settled() -> bool:
            status = self.status
            moving = status.get("candidate") or status.get("routePendingSince")
            return bool(status.get("champion")) and not moving

        self.until("a champion with all requests and no candidate", settled, seconds)

    def until_routed(self, seconds: float = 120.0) -> None:
        """Wait until the Gateway applies a new route, which it does soon after it accepts it."""

        def routed() -> bool:
            try:
                self.answer()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code != HTTPStatus.NOT_FOUND
            return True

        self.until("an answer through the new route", routed, seconds)

    # The load

    def start_load(self, rate: float) -> None:
        self.load = Load(self.gateway, self.host, self.traffic, rate)

    def answer(self, instance: Manifest | None = None) -> Manifest:
        """Send one request, like a user; raise an error without an answer."""
        if instance is None:
            instance = json.loads(self.traffic.read_text(encoding="utf-8").splitlines()[0])
        request = urllib.request.Request(
            f"{self.gateway}/v1/models/recommender:predict",
            data=json.dumps({"instances": [instance]}).encode(),
            headers={"Host": self.host, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=15) as response:
            found: Manifest = json.load(response)["predictions"][0]
        return found

    @property
    def failed_requests(self) -> int:
        return int(self.load.total["failed"]) if self.load else 0

    def requests_of(self, version: str) -> int:
        return int(self.load.total["versions"].get(version, 0)) if self.load else 0

    # Debugging

    def describe(self) -> str:
        """Return the state of the objects, for the message of a failure."""
        # A report that is cut keeps its start.
        texts = [*self._outcomes(), self._kubectl("describe", "recommendermodel", self.name)]
        texts.append(
            self._kubectl("get", "modelversions,jobs,inferenceservices,pods", "-o", "wide")
        )
        texts += self._last_words()
        if self.load:
            texts.append("load: " + json.dumps(self.load.total))
        whole = "\n".join(texts)
        return whole if len(whole) <= 12000 else f"{whole[:6000]}\n...\n{whole[-6000:]}"

    def _outcomes(self) -> list[str]:
        """Return the last steps, the interruptions and the decision of each version, newest first.

        The decision tells why a version was not promoted.
        """
        shown = ("stage", "decision", "interruptions")
        found = sorted(self.kube.versions(self.name).items(), reverse=True)
        return [
            f"{name}: {json.dumps({key: status.get(key) for key in shown})}, "
            f"steps: {json.dumps(status.get('steps', [])[-2:])}"
            for name, status in ((name, each.get("status", {})) for name, each in found)
        ]

    def _last_words(self) -> list[str]:
        """Return the logs of restarted containers before their restart."""
        return [
            f"{pod.metadata.name}, {one.name}, before its restart ({one.last_state}):\n"
            + self._kubectl("logs", pod.metadata.name, "-c", one.name, "--previous", "--tail=30")
            for pod in self.kube.pods(model=self.name)
            for one in pod.status.container_statuses or []
            if one.restart_count
        ]

    def _kubectl(self, *arguments: str) -> str:
        try:
            return self.cluster.kubectl("-n", self.kube.namespace, *arguments, timeout=60)
        except ClusterError as error:  # part of the description
            return str(error)


def numbers_of(version: Manifest) -> dict[str, Any]:
    """Return the numbers of a version's decision, flat, for a table."""
    status = version.get("status", {})
    metrics = status.get("metrics", {})
    numbers: dict[str, Any] = {
        key: round(metrics[key], 4) for key in ("auc", "logLoss", "ndcgAt10") if key in metrics
    }
    for gate in status.get("gates", []):
        if not gate["passed"]:
            numbers[f"gate {gate['metric']}"] = f"{gate.get('value')} against {gate['threshold']}"
    for step in status.get("steps", []):
        numbers[f"step {step['weight']}"] = {
            "verdict": step["verdict"],
            **{
                metric["metric"]: {
                    "value": metric.get("value"),
                    "stable": metric.get("stableValue"),
                    "threshold": metric["threshold"],
                    "n": metric.get("sampleSize"),
                    "verdict": metric["verdict"],
                }
                for metric in step.get("metrics", [])
            },
        }
    return numbers
