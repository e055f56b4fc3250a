"""The state of a model in a pass, to read: roles of versions (as champion) and traffic split.

They are computed from the versions, never from the projection in the model's status, which may be
stale after a crash; with what the pass has decided so far, so that a step sees the earlier ones.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from recommender_operator.api.conditions import Reason
from recommender_operator.api.spec import Algorithm, OnFailure, TrainingSpec
from recommender_operator.api.status import RecommenderModelStatus, RetrainStatus
from recommender_operator.api.version import TERMINAL, ModelVersionSpec, VersionStage
from recommender_operator.context import (
    host_check,
    pod_template_check,
    routing,
    storage_check,
)
from recommender_operator.context.extension import Derivation
from recommender_operator.context.outcome import Outcome
from recommender_operator.observed import PLAIN, Routing, ServiceState, VersionObject
from recommender_operator.resources import names

#: Stages in which a version is served before it is promoted.
ROLLING_OUT = (VersionStage.DEPLOYING, VersionStage.SMOKE_TESTING, VersionStage.CANARY)
#: Start of the trigger of a stand-in.
STAND_IN = "Baseline in place of"


class Context:
    """The observed state of a pass, with the changes that its outcome has so far."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self.observed, self.extensions = outcome.observed, outcome.extensions
        self.now, self.time = outcome.now, outcome.time
        self.model = self.observed.model
        self.spec = self.model.spec
        #: The host of the route.
        self.hosting = host_check.resolve_host(self.observed)
        #: Problems that prevent Jobs from starting.
        self.storage = storage_check.check_storage(self.observed)
        #: Refused pod templates and service accounts, which Jobs and services wait for.
        self.pod_templates = pod_template_check.check_pod_templates(self.observed)
        #: Digest of the spec without a retraining.
        self.base_hash = names.spec_hash(self.spec.data, self.spec.training)
        self.retrain = self._stored_retraining()
        #: How the version of the retraining is made of another one; None if it is trained.
        self.derives = self.derivation(self.retrain) if self.retrain else None
        self._token = self.retrain.token if self.retrain else ""
        self._specified_hash = (
            names.spec_hash(self.spec.data, self.spec.training, self._token)
            if self._token
            else self.base_hash
        )
        #: Name of the version that the spec, and the current retraining, describe.
        self.specified = names.version_name(self.model.name, self._specified_hash)
        # The baseline supports neither a hyperparameter search nor several workers.
        self._baseline = self.spec.training.model_copy(
            update={"algorithm": Algorithm.LOGISTIC_REGRESSION, "search": None, "workers": 1}
        )

    def _stored_retraining(self) -> RetrainStatus | None:
        """Return the stored retraining if it is one of the current spec, and still wanted."""
        retrain = self.model.status.retrain
        if retrain is None or retrain.spec_hash != self.base_hash:
            return None
        wanted = all(extension.is_wanted(self, retrain) for extension in self.extensions)
        return retrain if wanted else None

    def derivation(self, made: RetrainStatus | ModelVersionSpec) -> Derivation | None:
        """Return how a version is made of another one; None if it is trained."""
        found = (extension.derivation(made) for extension in self.extensions)
        return next(filter(None, found), None)

    # --- what the pass has decided so far

    @property
    def status(self) -> RecommenderModelStatus:
        """The status of the model."""
        return self._outcome.status

    @property
    def versions(self) -> Mapping[str, VersionObject]:
        """All versions by name."""
        return self._outcome.versions

    @property
    def held(self) -> bool:
        """True if a rollbackTo is in progress or a version is pinned: nothing new may start."""
        return self._outcome.held

    @property
    def target(self) -> str | None:
        """The target of a rollbackTo in progress: its service and its record stay."""
        return self._outcome.target

    @property
    def rolls_out(self) -> bool:
        """True if the candidate is served already."""
        return self.candidate is not None and self.candidate.status.stage in ROLLING_OUT

    @property
    def time_stands_still(self) -> bool:
        """True while a rollout is paused."""
        return self.rolls_out and (self.spec.paused or self.held)

    def pending(self, action: str) -> str | None:
        """Return the token of an annotation that is not handled yet; None if there is none."""
        token = self.model.annotations.get(action, "").strip()[:253]
        if not token:
            return None
        handled = any(h.action == action and h.token == token for h in self.status.handled)
        return None if handled else token

    # --- the desired version

    @functools.cached_property
    def _stand_in_hash(self) -> str:
        return names.spec_hash(self.spec.data, self._baseline, self._token)

    @property
    def stands_in(self) -> bool:
        """True if a stand-in is desired, because the version of the spec failed a gate."""
        specified = self.versions.get(self.specified)
        if self.derives is not None:  # The baseline is no other form of it.
            return False
        if specified is None or self.spec.evaluation.on_failure is not OnFailure.DEPLOY_BASELINE:
            return False
        decision = specified.status.decision
        return (
            specified.status.stage is VersionStage.REJECTED
            and decision is not None
            and decision.reason == Reason.GATE_FAILED
            and self.spec.training.algorithm is not Algorithm.LOGISTIC_REGRESSION
        )

    @property
    def desired_training(self) -> TrainingSpec:
        """The training of the desired version."""
        return self._baseline if self.stands_in else self.spec.training

    @property
    def desired_hash(self) -> str:
        """Digest of the inputs of the desired version."""
        return self._stand_in_hash if self.stands_in else self._specified_hash

    @property
    def desired(self) -> str:
        """Name of the desired version: that of the spec, or its stand-in."""
        return names.version_name(self.model.name, self.desired_hash)

    def is_stand_in(self, version: VersionObject) -> bool:
        """Return whether a version is the stand-in for the version of the spec."""
        return self.stands_in and version.name == self.desired

    def is_of_spec(self, version: VersionObject) -> bool:
        """Return whether a version was trained from the current spec, including retrainings."""
        made_from = names.spec_hash(version.spec.data, version.spec.training)
        if version.spec.trigger.startswith(STAND_IN):
            return made_from == names.spec_hash(self.spec.data, self._baseline)
        return made_from == self.base_hash

    def display_name(self, version: VersionObject) -> str:
        """Return the name of a version, with an explanation for a stand-in."""
        if not self.is_stand_in(version):
            return version.name
        return (
            f"{version.name} (the baseline, in place of {self.specified}, which failed its gates)"
        )

    # --- roles of versions, and the split

    def _champions(self) -> list[VersionObject]:
        promoted = [v for v in self.versions.values() if v.status.stage is VersionStage.PROMOTED]
        return sorted(promoted, key=lambda v: (v.status.promotion, v.name), reverse=True)

    @property
    def champion(self) -> VersionObject | None:
        """The promoted version with the highest promotion number."""
        champions = self._champions()
        return champions[0] if champions else None

    @property
    def previous(self) -> VersionObject | None:
        """The former champion."""
        champions = self._champions()
        return champions[1] if len(champions) > 1 else None

    @property
    def unfinished(self) -> list[VersionObject]:
        """Versions in progress; more than one only if somebody else created one."""
        moving = [v for v in self.versions.values() if v.status.stage not in TERMINAL]
        return sorted(moving, key=lambda v: (v.name != self.desired, v.name))

    @property
    def candidate(self) -> VersionObject | None:
        """The version on its way."""
        moving = self.unfinished
        return moving[0] if moving else None

    def service(self, version: str) -> ServiceState | None:
        """Return the state of a version's service; None if it does not exist."""
        return self.observed.services.get(version)

    def is_ready(self, version: str) -> bool:
        """Return whether a version's service is ready."""
        service = self.service(version)
        return service is not None and service.ready

    @property
    def desired_weights(self) -> dict[str, int]:
        """The split as decided so far; empty if no version serves."""
        candidate, champion = self.candidate, self.champion
        share = 0
        if candidate is not None and candidate.status.stage is VersionStage.CANARY:
            share = candidate.status.weight
        weights = {candidate.name: share} if candidate is not None and share > 0 else {}
        answering = self.standby or champion
        if answering is not None and share < 100:
            weights[answering.name] = 100 - share
        return weights

    @property
    def standby(self) -> VersionObject | None:
        """The version that answers in place of the champion; None if the champion answers."""
        champion = self.champion
        record = champion.status.standby if champion is not None else None
        if record is None or not record.active:
            return None
        return self.versions.get(record.version)

    @property
    def route_weights(self) -> dict[str, int]:
        """The observed split, without zeros."""
        return {name: w for name, w in self.observed.traffic.weights.items() if w > 0}

    @property
    def desired_routing(self) -> Routing:
        """The split of requests as decided so far, besides the weights."""
        weights, found = self.desired_weights, PLAIN
        candidate = routing.shared(self.spec.rollout, self.candidate, weights)
        if candidate is not None and (tester := self.spec.rollout.test_header):
            found = Routing(tester=tester, tested=candidate.name)
        for extension in self.extensions:
            found = extension.route(self, found, weights)
        return found

    @property
    def reference(self) -> str | None:
        """The deployment with which a candidate is compared in the champion's place, if any."""
        found = (extension.reference(self) for extension in self.extensions)
        return next(filter(None, found), None)

    def unit(self, version: VersionObject, weight: int) -> str:
        """Return what a weight of a version is a percent of."""
        found = (extension.unit(version, weight) for extension in self.extensions)
        return next(filter(None, found), "requests")

    @property
    def route_agrees(self) -> bool:
        """True if the data plane has applied the desired split."""
        traffic = self.observed.traffic
        return (
            traffic.accepted
            and self.route_weights == self.desired_weights
            and traffic.routing == self.desired_routing
        )
