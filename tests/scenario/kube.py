"""What the stories need of the API server, over the official client."""

from __future__ import annotations

import datetime
import pathlib
import threading
import time
from collections.abc import Callable
from typing import Any

import kubernetes
import kubernetes.client
import kubernetes.config
import kubernetes.watch
from kubernetes.dynamic import DynamicClient

GROUP = "recommender.dev"
VERSION = "v1alpha1"
Manifest = dict[str, Any]


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

    def apply(self, manifest: Manifest) -> None:
        """Server-side apply of a RecommenderModel; refused ones raise ApiException."""
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

    def delete_model(self, name: str) -> None:
        self.custom.delete_namespaced_custom_object(
            GROUP, VERSION, self.namespace, "recommendermodels", name, _request_timeout=30
        )

    def pods(self, **labels: str) -> list[Any]:
        selector = ",".join(f"{GROUP}/{key}={value}" for key, value in labels.items())
        listed = self.core.list_namespaced_pod(self.namespace, label_selector=selector)
        items: list[Any] = listed.items
        return items


def wait_until(
    what: str,
    condition: Callable[[], bool],
    *,
    seconds: float,
    explain: Callable[[], str] = lambda: "",
    between: float = 0.5,
) -> float:
    """Return after how many seconds the condition held; say what was missing if it never did."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"waited {seconds:.0f} s for: {what}\n{explain()}")
        time.sleep(between)
    return time.monotonic() - started


class RouteWatch:
    """Every split that the route was given, with the time at which the API server told of it."""

    def __init__(self, kube: Kube, model: str) -> None:
        self._kube, self._model = kube, model
        self._stop = threading.Event()
        self.splits: list[tuple[datetime.datetime, dict[str, int]]] = []
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._stop.is_set():
            watch = kubernetes.watch.Watch()
            try:
                for event in watch.stream(
                    self._kube.custom.list_namespaced_custom_object,
                    "gateway.networking.k8s.io", "v1", self._kube.namespace, "httproutes",
                    field_selector=f"metadata.name={self._model}", timeout_seconds=60,
                ):  # fmt: skip
                    self._record(event["object"])
                    if self._stop.is_set():
                        watch.stop()
            except Exception:  # a broken stream is opened again; the splits seen stay
                time.sleep(0.5)

    def _record(self, route: Manifest) -> None:
        weights: dict[str, int] = {}
        for backend in route["spec"]["rules"][-1].get("backendRefs", []):
            version = backend["name"].removesuffix("-predictor")
            weights[version] = backend.get("weight", 1)
        if not self.splits or self.splits[-1][1] != weights:
            self.splits.append((datetime.datetime.now(datetime.UTC), weights))

    def highest(self, version: str) -> int:
        """Return the largest weight that a version ever had."""
        return max((split.get(version, 0) for _, split in self.splits), default=0)

    def zero_since(self, version: str) -> datetime.datetime | None:
        """Return when a version last lost all of its weight."""
        found: datetime.datetime | None = None
        before = 0
        for at, split in self.splits:
            now = split.get(version, 0)
            if before > 0 and now == 0:
                found = at
            before = now
        return found

    def stop(self) -> None:
        self._stop.set()
