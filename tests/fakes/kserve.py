"""KServe in Knative mode, over the API server in memory."""

from __future__ import annotations

from recommender_operator.adapters.kinds import INFERENCE_SERVICES, REVISIONS
from recommender_operator.adapters.traffic.knative.knative_manifests import MIN_SCALE
from recommender_operator.controller.kube import Object, Resource
from recommender_operator.resources import labels as marks
from recommender_operator.resources.ownership import controller_of
from tests.fakes.documents import copied
from tests.fakes.kube import FakeKube


class FakeKServe:
    """What KServe 0.20 and Knative do with the one InferenceService in Knative mode.

    Follows createKnativeService and PropagateStatus of KServe. `broken` versions never become
    ready.
    """

    def __init__(self, kube: FakeKube, name: str = "movies") -> None:
        self.kube = kube
        self.name = name
        self.broken: set[str] = set()
        self.url = f"http://{name}-predictor.team.knative.example:8080"
        self._template: Object | None = None
        self._count = 0
        self._ready: str = ""

    def settle(self, rounds: int = 4) -> None:
        """Reconcile until nothing changes."""
        for _ in range(rounds):
            self.step()

    def step(self) -> None:
        place = (INFERENCE_SERVICES, "team", self.name)
        service = self.kube.objects.get(place)
        if service is None:
            self._template = None
            self._ready = ""
            # What it owns is deleted with it.
            for key in [k for k in self.kube.objects if self._is_owned(*k)]:
                del self.kube.objects[key]
            return
        before = copied(service)
        self._reconcile(service)
        if service != before:
            self.kube.touch(INFERENCE_SERVICES, self.name)

    def _is_owned(self, kind: Resource, namespace: str, name: str) -> bool:
        owner = controller_of(self.kube.objects[kind, namespace, name]) or {}
        return kind == REVISIONS or owner.get("kind") == "InferenceService"

    def _reconcile(self, service: Object) -> None:
        predictor = service["spec"]["predictor"]
        status = (
            service.setdefault("status", {})
            .setdefault("components", {})
            .setdefault("predictor", {})
        )
        status["url"] = self.url
        self._revise(predictor)
        latest = f"{self.name}-predictor-{self._count:05d}"
        version = predictor["labels"][marks.VERSION]
        if version not in self.broken:
            self._ready = latest
        status["latestCreatedRevision"] = latest
        if self._ready:
            status["latestReadyRevision"] = self._ready
            status["traffic"] = self._targets(predictor, status)
            self._roll(status)

    def _revise(self, predictor: Object) -> None:
        template = {k: v for k, v in predictor.items() if k != "canaryTrafficPercent"}
        if template == self._template:
            return
        self._template = copied(template)
        self._count += 1
        name = f"{self.name}-predictor-{self._count:05d}"
        version = predictor["labels"][marks.VERSION]
        ok = version not in self.broken
        self.kube.put(
            REVISIONS,
            {
                "metadata": {
                    "name": name,
                    "namespace": "team",
                    "labels": dict(predictor["labels"]),
                    "annotations": {MIN_SCALE: str(predictor["minReplicas"])},
                },
                "spec": {"containers": [predictor["model"], *predictor["containers"]]},
                "status": {"conditions": [{"type": "Ready", "status": "True" if ok else "False"}]},
            },
        )

    def _targets(self, predictor: Object, status: Object) -> list[Object]:
        percent = predictor.get("canaryTrafficPercent")
        rolled = status.get("latestRolledoutRevision", "")
        if percent is None or not rolled:
            return [{"latestRevision": True, "percent": 100, "revisionName": self._ready}]
        targets = [{"latestRevision": True, "percent": percent, "revisionName": self._ready}]
        if percent < 100:
            targets.append(
                {"latestRevision": False, "percent": 100 - percent, "revisionName": rolled}
            )
        return targets

    def _roll(self, status: Object) -> None:
        totals: dict[str, int] = {}
        for target in status["traffic"]:
            name = target["revisionName"]
            totals[name] = totals.get(name, 0) + target["percent"]
        for target in status["traffic"]:
            if target["revisionName"] != self._ready or not target["latestRevision"]:
                continue
            rolled = status.get("latestRolledoutRevision", "")
            if rolled != self._ready:
                if target["percent"] == 100:
                    status["previousRolledoutRevision"] = rolled
                    status["latestRolledoutRevision"] = self._ready
            elif (
                self._ready == status["latestCreatedRevision"]
                and target["percent"] < 100
                and totals[self._ready] == 100
                and status.get("previousRolledoutRevision")
            ):
                status["latestRolledoutRevision"] = status["previousRolledoutRevision"]
