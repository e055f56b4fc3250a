"""Traffic by KServe's canary: one InferenceService, whose template changes.

KServe 0.20 in Knative mode behaves as follows (from its `ksvc_reconciler.go`, and by experiment):

- The first rollout ignores `canaryTrafficPercent`: without a rolled-out revision, the newest one
  receives all requests as soon as it is ready.
- With the field, the newest ready revision receives that percent, and the last rolled-out revision
  the rest. Removing the field promotes the newest ready revision, so the operator removes it only
  if that revision belongs to the right version.
- Only two revisions receive requests, so there is one canary at a time: a new latest version
  replaces the open canary, at 0 percent, and the rolled-out revision keeps its share. If a
  revision fails, the split does not change.
- A version that is neither the latest nor rolled out has no pods. To keep the previous champion
  warm, the operator makes it the latest at 0 percent until the next candidate; to restore it, the
  operator does the same and then promotes it.
- From the last step on, the candidate is the rolled-out revision. At 0 percent KServe then returns
  to the revision before, whose pods may have to start: requests wait for them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from recommender_contract.api_names import GROUP
from recommender_operator.adapters.kinds import (
    BUDGETS,
    INFERENCE_SERVICES,
    KINDS,
    NETWORK_POLICIES,
    REVISIONS,
)
from recommender_operator.adapters.objects.owned_writes import ForeignObjectError, OwnedObjects
from recommender_operator.adapters.traffic.knative import knative_manifests
from recommender_operator.adapters.traffic.knative.knative_view import (
    KnativeView,
    condition_of,
    served,
    traffic_of,
)
from recommender_operator.adapters.traffic.traffic_port import (
    Subject,
    TrafficError,
    TrafficView,
    service_state,
)
from recommender_operator.api import pod_scheduling, service_accounts
from recommender_operator.api.version import TERMINAL
from recommender_operator.controller.kube import Kube, Object
from recommender_operator.observed import PLAIN, ModelObject, Routing, ServiceState, TrafficState
from recommender_operator.resources import (
    labels,
    requested_memory,
)
from recommender_operator.resources.options import Options
from recommender_operator.resources.ownership import foreign, is_the_same, owned_by

_PLACEMENT = ("serviceAccountName", "tolerations", "affinity")
#: Annotation with the version that the stable version replaces as the latest.
RETIRING = f"{GROUP}/retiring"


class KnativeTraffic:
    """KServe in Knative mode."""

    def __init__(self, kube: Kube, options: Options) -> None:
        self._kube = kube
        self._objects = OwnedObjects(kube)
        self._options = options

    async def _view(self, subject: Subject) -> KnativeView | None:
        """Return the InferenceService and its revisions, as observed by the pass.

        Raises:
            ForeignObjectError: the InferenceService does not belong to the model.
        """
        model = subject.model
        service = await self._objects.read(
            INFERENCE_SERVICES, model.namespace, model.name, subject.claim
        )
        if service is None or service["metadata"].get("deletionTimestamp"):
            return None
        if not owned_by(service, subject.owners):
            raise ForeignObjectError(foreign(KINDS[INFERENCE_SERVICES], service))
        revisions = await self._kube.list(REVISIONS, model.namespace, labels.of_model(model.name))
        by_name = {revision["metadata"]["name"]: revision for revision in revisions}
        return KnativeView(service=service, revisions=by_name)

    async def observe(self, subject: Subject) -> TrafficView:
        model = subject.model
        service = await self._kube.get(INFERENCE_SERVICES, model.namespace, model.name)
        subject.seen.read(INFERENCE_SERVICES, [service] if service is not None else [])
        try:
            view = await self._view(subject)
        except ForeignObjectError as error:
            nothing = TrafficState(message=error.foreign.message)
            return TrafficView(services={}, traffic=nothing, foreign=(error.foreign,))
        if view is None:
            return TrafficView(services={}, traffic=TrafficState())
        await self._read_beside(subject, view.service)
        lacks = (
            self._missing_policy(subject, view.service),
            _missing_budget(subject, view.service),
        )
        outdated = not _is_current(subject, view) or any(lacks)
        services: dict[str, ServiceState] = {}
        for version, revision in served(view).items():
            on_top = version == view.top
            services[version] = service_state(
                version,
                owner=revision or view.service,
                condition=condition_of(view, revision),
                pods=subject.pods.get(version, ()),
                outdated=on_top and outdated,
                requested_memory=knative_manifests.requested_memory_of(revision)
                if revision is not None
                else requested_memory.of_service(view.service),
            )
        retiring = view.annotations.get(RETIRING)
        if retiring and retiring not in services:
            services[retiring] = ServiceState(
                version=retiring,
                ready=False,
                reason="Retiring",
                message="its pods are terminating",
            )
        return TrafficView(services=services, traffic=traffic_of(view))

    async def _read_beside(self, subject: Subject, service: Object) -> None:
        """Read what the service owns."""
        model = subject.model
        name = knative_manifests.budget(model.name, service)["metadata"]["name"]
        budget = await self._kube.get(BUDGETS, model.namespace, name)
        subject.seen.read(BUDGETS, [budget] if budget is not None else [])
        if self._options.isolate_triton:
            # All of them, because the policy of the model's Jobs is looked up there too.
            marks = labels.of_model(model.name)
            policies = await self._kube.list(NETWORK_POLICIES, model.namespace, marks)
            subject.seen.read(NETWORK_POLICIES, policies)

    async def ensure(
        self,
        subject: Subject,
        version: str,
        *,
        optional: bool = False,  # noqa: ARG002 (this mode has no experiments)
    ) -> None:
        view = await self._view(subject)
        service = view.service if view is not None else None
        if view is None or not view.rolled_out:
            service = await self._put(subject, version, None)
        elif view.top == version and not _is_current(subject, view):
            # The settings are outdated: apply them, but keep the share.
            retiring = view.annotations.get(RETIRING, "")
            service = await self._put(subject, version, view.percent, retiring)
        elif view.top != version and (
            view.top == view.rolled_out or _gives_way(subject, view, version)
        ):
            service = await self._put(subject, version, 0)
        if service is not None:
            await self._complete(subject, service)

    async def adopt(self, subject: Subject, version: str) -> None:
        """Do nothing: the model controls the one InferenceService of its versions."""

    async def release(self, subject: Subject, version: str) -> None:
        view = await self._view(subject)
        if view is None:
            return
        if subject.model.deleting:
            await self.withdraw(subject)
            return
        stable = view.rolled_out
        if view.top == version and stable and stable != version and view.percent is not None:
            # The stable version becomes the latest, still at 0 percent: until that revision
            # is ready, the newest ready one is that of the version which must get nothing.
            await self._put(subject, stable, 0, retiring=version)
        elif view.annotations.get(RETIRING) == version and view.top == stable:
            if view.settled:
                await self._put(subject, stable, None)
        elif view.top == version and not view.reported():
            await self.withdraw(subject)

    async def split(
        self,
        subject: Subject,
        weights: Mapping[str, int],
        _host: str = "",
        _routing: Routing = PLAIN,
    ) -> None:
        view = await self._view(subject)
        if view is None:
            raise TrafficError("the InferenceService does not exist yet")
        wanted = {version: weight for version, weight in weights.items() if weight > 0}
        if set(wanted) == {view.top}:
            if view.top == view.rolled_out and view.annotations.get(RETIRING):
                return
            if view.newest_ready != view.top:
                raise TrafficError(
                    f"{view.top} is not ready: a promotion now would promote {view.newest_ready!r}"
                )
            await self._put(subject, view.top, None)
            return
        rest = view.rolled_out
        if set(wanted) == {view.previous} and view.top == rest:
            await self._put(subject, view.top, 0)
            return
        if not rest or not set(wanted) <= {view.top, rest}:
            raise TrafficError(
                f"Knative mode can split only between {view.top!r} (latest) and {rest!r} (rolled "
                f"out), not {sorted(wanted)}"
            )
        share = wanted.get(view.top, 0)
        if share > 0 and view.newest_ready != view.top:
            raise TrafficError(f"{view.top} is not ready: its share would go to another version")
        await self._put(subject, view.top, share)

    async def withdraw(self, subject: Subject) -> None:
        model = subject.model
        await self._objects.delete(INFERENCE_SERVICES, model.namespace, model.name, subject.claim)

    async def _put(
        self, subject: Subject, version: str, percent: int | None, retiring: str = ""
    ) -> Object:
        if version not in subject.versions:
            raise TrafficError(f"there is no ModelVersion {version!r}")
        manifest = knative_manifests.service(
            subject.model, subject.versions[version], percent, self._options
        )
        if retiring:
            manifest["metadata"]["annotations"][RETIRING] = retiring
        namespace, name = subject.model.namespace, subject.model.name
        stored = await self._objects.read(INFERENCE_SERVICES, namespace, name, subject.claim)
        _keep_stored_placement(manifest, stored, subject.model, self._options)
        return await self._objects.apply(INFERENCE_SERVICES, manifest, subject.claim)

    async def _complete(self, subject: Subject, service: Object) -> None:
        """Apply what is missing beside the service, which owns it, so it ends with it."""
        claim = dataclasses.replace(
            subject.claim, owners={*subject.claim.owners, service["metadata"]["uid"]}
        )
        policy = self._missing_policy(subject, service)
        if policy is not None:
            await self._objects.apply(NETWORK_POLICIES, policy, claim)
        budget = _missing_budget(subject, service)
        if budget is not None:
            await self._objects.apply(BUDGETS, budget, claim)

    def _missing_policy(self, subject: Subject, service: Object) -> Object | None:
        """Return the policy if it is not as it should be, as far as was seen."""
        if not self._options.isolate_triton:
            return None
        wanted = knative_manifests.policy(subject.model, service, self._options)
        seen = subject.seen.get(NETWORK_POLICIES, wanted["metadata"]["name"])
        return None if is_the_same(seen, wanted) else wanted


def _missing_budget(subject: Subject, service: Object) -> Object | None:
    wanted = knative_manifests.budget(subject.model.name, service)
    seen = subject.seen.get(BUDGETS, wanted["metadata"]["name"])
    return None if is_the_same(seen, wanted) else wanted


def _is_current(subject: Subject, view: KnativeView) -> bool:
    """Return whether the latest template has the settings of the model."""
    digest = knative_manifests.serving_digest(subject.model.spec.serving)
    return view.annotations.get(labels.SERVING_DIGEST) == digest


def _gives_way(subject: Subject, view: KnativeView, version: str) -> bool:
    """Return whether a version may become the latest in place of one that is not rolled out.

    A candidate may. A version that is kept warm replaces neither a candidate nor the champion: a
    champion that was restored is rolled out once it is ready, or once KServe has read that it has
    all requests. If the two replaced each other, none would ever be ready.
    """
    champion = subject.model.status.champion
    if _on_its_way(subject, version):
        return True
    if _on_its_way(subject, view.top):
        return False
    return version == champion or not (view.top == champion or view.percent is None)


def _on_its_way(subject: Subject, version: str) -> bool:
    found = subject.versions.get(version)
    return found is not None and found.status.stage not in TERMINAL


def _keep_stored_placement(
    manifest: Object, stored: Object | None, model: ModelObject, options: Options
) -> None:
    """Give a manifest the account and placement of the stored object if the spec's are refused.

    Each write, also one that takes requests from a bad version, has the whole template. With a
    refused account or an invalid placement it could be rejected, or start pods as that account.

    It also keeps the digest of the settings, so that the template is applied once it is allowed.
    """
    template = model.spec.serving.pod_template
    if template is None or template.spec is None:
        return
    wanted, allowed = template.spec.service_account_name, options.service_accounts
    refused = service_accounts.refusal("", wanted, model.namespace, allowed)
    if not refused and not pod_scheduling.refusal("", template):
        return
    was: Object = stored or {"metadata": {}, "spec": {"predictor": {}}}
    for field in _PLACEMENT:
        _copy(field, was["spec"]["predictor"], manifest["spec"]["predictor"])
    notes = was["metadata"].get("annotations") or {}
    _copy(labels.SERVING_DIGEST, notes, manifest["metadata"]["annotations"])


def _copy(key: str, source: Object, target: Object) -> None:
    target.pop(key, None)
    if key in source:
        target[key] = source[key]
