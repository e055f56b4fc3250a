"""The API server for the stories, with the official client."""

from __future__ import annotations

import datetime
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import kubernetes
import kubernetes.client
import kubernetes.config
import kubernetes.watch
from kubernetes.dynamic import DynamicClient

from tests.scenario.changes import WATCH_SECONDS, Changes, Watch

GROUP = "recommender.dev"
VERSION = "v1alpha1"
OWN_PLURALS = ("recommendermodels", "modelversions")
Manifest = dict[str, Any]
#: Kinds of objects that the operator creates for a model, without pods.
KINDS = (
    (f"{GROUP}/{VERSION}", "ModelVersion"),
    ("batch/v1", "Job"),
    ("serving.kserve.io/v1beta1", "InferenceService"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("policy/v1", "PodDisruptionBudget"),
    ("v1", "ConfigMap"),
)


class Kube:
    """One namespace of one cluster."""

    def __init__(self, kubeconfig: pathlib.Path, namespace: str) -> None:
        configuration = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        self.api = kubernetes.client.ApiClient(configuration)
        self.namespace = namespace
        self.core = kubernetes.client.CoreV1Api(self.api)
        self.batch = kubernetes.client.BatchV1Api(self.api)
        self.custom = kubernetes.client.CustomObjectsApi(self.api)
        self.changes = Changes(
            [*(self._watch_of(plural) for plural in OWN_PLURALS), self._pods_watched]
        )

    def _watch_of(self, plural: str) -> Watch:
        def watched() -> Iterable[object]:
            listing = self.custom.list_namespaced_custom_object
            return self._stream(listing, GROUP, VERSION, self.namespace, plural)

        return watched

    def _pods_watched(self) -> Iterable[object]:
        return self._stream(self.core.list_namespaced_pod, self.namespace)

    def _stream(self, listing: Callable[..., object], *where: str) -> Iterator[object]:
        """Yield the changes of a watch, and close its connection however it ends."""
        watch = kubernetes.watch.Watch()
        try:
            yield from watch.stream(listing, *where, timeout_seconds=WATCH_SECONDS)
        finally:
            watch.stop()

    def apply(self, manifest: Manifest) -> None:
        """Apply a RecommenderModel on the server; ApiException if it is rejected."""
        models = DynamicClient(self.api).resources.get(
            api_version=f"{GROUP}/{VERSION}", kind="RecommenderModel"
        )
        models.server_side_apply(
            body=manifest,
            name=manifest["metadata"]["name"],
            namespace=self.namespace,
            field_manager="scenario",
            force_conflicts=True,
        )

    def model(self, name: str) -> Manifest:
        found: Manifest = self.custom.get_namespaced_custom_object(
            GROUP, VERSION, self.namespace, "recommendermodels", name, _request_timeout=30
        )
        return found

    def models(self) -> list[str]:
        """Return the names of all models."""
        listed = self.custom.list_namespaced_custom_object(
            GROUP, VERSION, self.namespace, "recommendermodels", _request_timeout=30
        )
        return [item["metadata"]["name"] for item in listed["items"]]

    def versions(self, model: str) -> dict[str, Manifest]:
        listed = self.custom.list_namespaced_custom_object(
            GROUP, VERSION, self.namespace, "modelversions",
            label_selector=f"{GROUP}/model={model}", _request_timeout=30,
        )  # fmt: skip
        return {item["metadata"]["name"]: item for item in listed["items"]}

    def annotate(self, model: str, annotations: dict[str, str]) -> None:
        self.custom.patch_namespaced_custom_object(
            GROUP, VERSION, self.namespace, "recommendermodels", model,
            {"metadata": {"annotations": annotations}}, _request_timeout=30,
        )  # fmt: skip

    def delete_model(self, name: str) -> bool:
        """Delete a model; return False if there is none."""
        return _is_there(
            lambda: self.custom.delete_namespaced_custom_object(
                GROUP, VERSION, self.namespace, "recommendermodels", name, _request_timeout=30
            )
        )

    def has_model(self, name: str) -> bool:
        return _is_there(lambda: self.model(name))

    def objects_of(self, model: str) -> dict[str, list[str]]:
        """Return the names of a model's objects by kind, without terminated pods."""
        label = f"{GROUP}/model={model}"
        client = DynamicClient(self.api)
        found: dict[str, list[str]] = {}
        for api_version, kind in KINDS:
            resource = client.resources.get(api_version=api_version, kind=kind)
            listed = resource.get(namespace=self.namespace, label_selector=label)
            found[kind] = sorted(item.metadata.name for item in listed.items)
        alive = [
            pod for pod in self.pods(model=model) if pod.status.phase in ("Pending", "Running")
        ]
        found["Pod"] = sorted(pod.metadata.name for pod in alive)
        return found

    def pods(self, **labels: str) -> list[Any]:
        selector = ",".join(f"{GROUP}/{key}={value}" for key, value in labels.items())
        listed = self.core.list_namespaced_pod(self.namespace, label_selector=selector)
        items: list[Any] = listed.items
        return items

    def serving_pods(self, version: str, *, component: str = "transformer") -> list[Any]:
        """Return the running pods of a component; in Knative mode a pod is both components.

        Pods that are being deleted are left out.
        """
        return [
            pod
            for pod in self.pods(version=version)
            if pod.status.phase == "Running"
            and pod.metadata.deletion_timestamp is None
            and f"{GROUP}/job-kind" not in pod.metadata.labels
            and pod.metadata.labels.get(f"{GROUP}/component", component) == component
        ]

    def serving_pod(self, version: str) -> Any | None:
        """Return a pod that answers requests of a version."""
        return next(iter(self.serving_pods(version)), None)

    def finished_at(self, job: str) -> datetime.datetime | None:
        """Return when a Job completed."""
        found = self.batch.read_namespaced_job(job, self.namespace, _request_timeout=30)
        at: datetime.datetime | None = found.status.completion_time
        return at


def _is_there(ask: Callable[[], object]) -> bool:
    """Return whether the object of a request exists."""
    try:
        ask()
    except kubernetes.client.ApiException as error:
        if error.status != 404:
            raise
        return False
    return True


def wait_until(
    what: str,
    condition: Callable[[], bool],
    changes: Changes,
    *,
    seconds: float,
    explain: Callable[[], str] = lambda: "",
    between: float = 1.0,
) -> float:
    """Wait for a condition and return the seconds until it was met.

    Args:
        changes: the condition is checked again at each change.
        between: seconds after which it is checked without a change, because some conditions are
            about answers, files and requests, which the API server does not report.

    Raises:
        TimeoutError: the condition was not met in time; the message explains what was missing.
    """
    started = time.monotonic()
    while True:
        seen = changes.count
        if condition():
            return time.monotonic() - started
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"waited {seconds:.0f} s for: {what}\n{explain()}")
        changes.wait(seen, between)
