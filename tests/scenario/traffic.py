"""The history of traffic splits, from the objects of the data plane."""

from __future__ import annotations

import datetime
import threading
import time
from typing import Protocol

import kubernetes.watch

from recommender_operator.resources import http_route
from tests.scenario.kube import Kube, Manifest

Split = dict[str, int]


class SplitOf(Protocol):
    """Reads a split, percent by version, from an object."""

    group: str
    version: str
    plural: str

    def read(self, kube: Kube, found: Manifest) -> Split: ...


class OfRoute:
    """The HTTPRoute of a model: a backend per version, or in an experiment users by a header."""

    group, version, plural = "gateway.networking.k8s.io", "v1", "httproutes"

    def read(self, kube: Kube, found: Manifest) -> Split:
        return http_route.weights_of(found)


class OfService:
    """The InferenceService of a model in Knative mode: what Knative reports, by revision."""

    group, version, plural = "serving.kserve.io", "v1beta1", "inferenceservices"

    def __init__(self) -> None:
        self._versions: dict[str, str] = {}

    def read(self, kube: Kube, found: Manifest) -> Split:
        predictor = found.get("status", {}).get("components", {}).get("predictor", {})
        split: Split = {}
        for target in predictor.get("traffic") or []:
            version = self._version_of(kube, target.get("revisionName", ""))
            split[version] = split.get(version, 0) + int(target.get("percent") or 0)
        return split

    def _version_of(self, kube: Kube, revision: str) -> str:
        if revision not in self._versions:
            found = kube.custom.get_namespaced_custom_object(
                "serving.knative.dev", "v1", kube.namespace, "revisions", revision
            )
            self._versions[revision] = found["metadata"]["labels"]["recommender.dev/version"]
        return self._versions[revision]


class TrafficWatch:
    """All splits of a model, with the times at which the watch reported them."""

    def __init__(self, kube: Kube, model: str, mode: str) -> None:
        self._kube, self._model = kube, model
        self._split: SplitOf = OfService() if mode == "Knative" else OfRoute()
        self._stop = threading.Event()
        self.splits: list[tuple[datetime.datetime, Split]] = []
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        split = self._split
        while not self._stop.is_set():
            watch = kubernetes.watch.Watch()
            try:
                for event in watch.stream(
                    self._kube.custom.list_namespaced_custom_object,
                    split.group, split.version, self._kube.namespace, split.plural,
                    field_selector=f"metadata.name={self._model}", timeout_seconds=60,
                ):  # fmt: skip
                    self._record(split.read(self._kube, event["object"]))
                    if self._stop.is_set():
                        watch.stop()
            except Exception:  # a broken stream is opened again; the observed splits stay
                time.sleep(0.5)

    def _record(self, split: Split) -> None:
        if not self.splits or self.splits[-1][1] != split:
            self.splits.append((datetime.datetime.now(datetime.UTC), split))

    def highest(self, version: str) -> int:
        """Return the largest weight of a version."""
        return max((split.get(version, 0) for _, split in self.splits), default=0)

    def first_weight(self, version: str) -> datetime.datetime | None:
        """Return when a version got its first weight."""
        return next((at for at, split in self.splits if split.get(version, 0) > 0), None)

    def zero_since(self, version: str) -> datetime.datetime | None:
        """Return when a version last lost all its weight."""
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
