"""The state of a model in KServe and Knative: its InferenceService and its revisions."""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Mapping

from recommender_operator.adapters.traffic.traffic_port import ready_condition
from recommender_operator.controller.kube import Object
from recommender_operator.observed import TrafficState
from recommender_operator.resources import labels


@dataclasses.dataclass(frozen=True, kw_only=True)
class KnativeView:
    """The InferenceService and its revisions, by version."""

    service: Object
    revisions: Mapping[str, Object]

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations of the InferenceService."""
        return self.service["metadata"].get("annotations") or {}

    @property
    def top(self) -> str:
        """The version in the template: the latest one."""
        return str(self.annotations.get(labels.VERSION, ""))

    @property
    def percent(self) -> int | None:
        """The canaryTrafficPercent in the spec."""
        value = self.service["spec"]["predictor"].get("canaryTrafficPercent")
        return None if value is None else int(value)

    @property
    def predictor(self) -> Object:
        """The status of the predictor."""
        found: Object = self.service.get("status", {}).get("components", {}).get("predictor", {})
        return found

    def version_of(self, revision: str | None) -> str:
        """Return the version of a revision; empty if it is unknown."""
        found = self.revisions.get(revision or "")
        marks = (found or {}).get("metadata", {}).get("labels") or {}
        return str(marks.get(labels.VERSION, ""))

    @property
    def newest_ready(self) -> str:
        """The version of the newest ready revision."""
        return self.version_of(self.predictor.get("latestReadyRevision"))

    @property
    def rolled_out(self) -> str:
        """The version of the rolled-out revision, which receives the rest of the requests."""
        return self.version_of(self.predictor.get("latestRolledoutRevision"))

    @property
    def previous(self) -> str:
        """The version of the revision that was rolled out before it."""
        return self.version_of(self.predictor.get("previousRolledoutRevision"))

    @property
    def settled(self) -> bool:
        """True if the newest revision is ready and belongs to the latest version."""
        made = self.predictor.get("latestCreatedRevision")
        ready = self.predictor.get("latestReadyRevision")
        return bool(made) and made == ready and self.version_of(made) == self.top

    def reported(self) -> dict[str, int]:
        """Return the split that Knative reports, by version."""
        weights: dict[str, int] = {}
        for target in self.predictor.get("traffic") or []:
            version = self.version_of(target.get("revisionName"))
            if version and target.get("percent"):
                weights[version] = weights.get(version, 0) + int(target["percent"])
        return weights

    def desired(self) -> dict[str, int]:
        """Return the desired split of the spec, by version."""
        percent = 100 if self.percent is None or not self.rolled_out else self.percent
        weights = {self.top: percent}
        if percent < 100:
            weights[self.rolled_out] = weights.get(self.rolled_out, 0) + 100 - percent
        return {version: weight for version, weight in weights.items() if weight > 0}


def served(view: KnativeView) -> dict[str, Object | None]:
    """Return the versions that have pods, or soon will, with their revisions."""
    served: dict[str, Object | None] = {}
    rolled_out = view.predictor.get("latestRolledoutRevision")
    if view.rolled_out:
        served[view.rolled_out] = view.revisions.get(str(rolled_out))
    if view.top and view.top not in served:
        made = view.predictor.get("latestCreatedRevision")
        own = view.version_of(made) == view.top
        served[view.top] = view.revisions.get(str(made)) if own else None
    return served


def condition_of(view: KnativeView, revision: Object | None) -> Object:
    """Return the condition of a version: that of its revision, once it has one."""
    if revision is not None:
        return ready_condition(revision)
    found = ready_condition(view.service, "PredictorReady") or ready_condition(view.service)
    # Until this version has a revision, the condition is about the earlier one.
    return {"status": "False", "reason": "Pending", "message": str(found.get("message") or "")}


def traffic_of(view: KnativeView) -> TrafficState:
    """Return the reported split, accepted if it is the desired one and there is a host."""
    reported = view.reported()
    host = urllib.parse.urlsplit(str(view.predictor.get("url") or "")).hostname or ""
    # Without a host, no requests are possible, even if the split is reported.
    accepted = bool(reported) and reported == view.desired() and bool(host)
    message = ""
    if not accepted:
        condition = ready_condition(view.service)
        message = (
            f"desired split {view.desired()}, Knative reports {reported} at {host or 'no host'}"
        )
        if condition.get("status") != "True":
            message += f": {condition.get('reason', '')} {condition.get('message', '')}".rstrip()
    return TrafficState(weights=reported, accepted=accepted, message=message, host=host)
