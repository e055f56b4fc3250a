"""Observation of a model and its objects: from API objects to `Observed`.

Children are listed by label, with a fixed number of requests for any number of versions.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence

from recommender_operator.adapters.counters.collector_client import NoCollector, UsersReader
from recommender_operator.adapters.counters.sample_provider import SampleError, SampleProvider
from recommender_operator.adapters.kinds import BASELINES, JOBS, KINDS, TRAIN_JOBS, VERSIONS
from recommender_operator.adapters.objects import owned, train_job_pods
from recommender_operator.adapters.objects.baseline_store import BaselineStore
from recommender_operator.adapters.objects.job_states import JobReader, phase_of
from recommender_operator.adapters.objects.owners import OwnerReader
from recommender_operator.adapters.objects.parsed_objects import model_object, version_object
from recommender_operator.adapters.objects.preconditions import ObservedObjects
from recommender_operator.adapters.pods import pod_states as podstates
from recommender_operator.adapters.pods.pod_ref import PodRef
from recommender_operator.adapters.traffic.traffic_port import Subject, Traffic, TrafficView
from recommender_operator.controller.kube import PODS, Kube, Object
from recommender_operator.observed import (
    ModelObject,
    Observed,
    Sample,
    TrafficState,
    VersionObject,
)
from recommender_operator.reconcile import collector_readings
from recommender_operator.reconcile.uncached_reads import UncachedReads
from recommender_operator.resources import baseline_deployment_names, labels, ownership
from recommender_operator.resources.ownership import Foreign

#: Maximum number of remembered Jobs without a report whose pods were read again.
REMEMBERED_JOBS = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The input of `decide`, and further data for the execution."""

    observed: Observed
    #: Pods that answer requests, by version, without foreign pods that have the same labels.
    pods: Mapping[str, Sequence[Object]]
    #: These and the pods that run only Triton, by version: what the traffic port reads, so that a
    #: write is based on what was observed.
    serving: Mapping[str, Sequence[Object]]
    #: The observed objects, which are the preconditions of writes.
    seen: ObservedObjects = dataclasses.field(default_factory=ObservedObjects)
    #: Orphaned versions of this model, to be adopted.
    orphans: tuple[str, ...] = ()
    #: Services that have outlived the record of their version, to be adopted before anything else.
    left_services: tuple[str, ...] = ()
    #: Foreign objects and versions with the names or labels of the model's own.
    foreign: tuple[Foreign, ...] = ()


class Observer:
    """Reads all objects of a model."""

    def __init__(
        self,
        kube: Kube,
        *,
        traffic_of: Callable[[ModelObject], Traffic],
        samples_of: Callable[[ModelObject], SampleProvider],
        uncached: UncachedReads,
        baselines: BaselineStore,
        users: UsersReader | None = None,
        direct: Kube | None = None,
    ) -> None:
        """`direct` reads the current state, while `kube` may be a cache; `kube` if None."""
        self._users = users or NoCollector()
        self._kube = kube
        self._direct = direct or kube
        self._looked_for: collections.OrderedDict[str, None] = collections.OrderedDict()
        self._traffic_of = traffic_of
        self._samples_of = samples_of
        self.uncached = uncached
        self._jobs = JobReader(kube)
        self._owners = OwnerReader(kube)
        self._baselines = baselines

    async def observe(self, raw: Object, now: datetime.datetime | None = None) -> Snapshot:
        """Return the observed state of a model; without `now`, all that is ever read of it.

        Raises:
            KubeError: the API server failed.
            ObservationError: an object violates its schema.
        """
        model = model_object(raw)
        marks = labels.of_model(model.name)
        seen = ObservedObjects()
        found, jobs, all_pods, stored, platform = await asyncio.gather(
            self._kube.list(VERSIONS, model.namespace, marks),
            self._kube.list(JOBS, model.namespace, marks),
            self._kube.list(PODS, model.namespace, {labels.MODEL: model.name}),
            self._baselines.read(model.namespace, model.name),
            self.uncached.platform(model.spec),
        )
        own, orphans, others = _sorted_out(model, found)
        seen.read(VERSIONS, found)
        seen.read(JOBS, jobs)
        seen.read(BASELINES, stored)
        versions = tuple(version_object(version) for version in own)
        uids = {model.uid} | {version.uid for version in versions}
        jobs += await self._groups(model, versions)
        own_jobs = owned.controlled_by(jobs, uids)
        of_jobs, serving = await self._owned_pods(model, versions, own_jobs, all_pods)
        view = TrafficView(services={}, traffic=TrafficState())
        if not platform.missing:
            named = {version.name: version for version in versions}
            subject = Subject(model=model, versions=named, pods=serving, seen=seen)
            view = await self._traffic_of(model).observe(subject)
            self._owners.forget(view.services[name].uid for name in view.to_adopt)
        answering = {name: podstates.answering(pods) for name, pods in serving.items()}
        job_states, kept, (samples, errors), users, rivals, uncached = await asyncio.gather(
            self._jobs.read(own_jobs, of_jobs),
            self._baselines.unpacked(model, stored, uids),
            self._sample(model, versions, view, answering),
            collector_readings.read_collector(self._users, model, versions, now),
            self.uncached.rivals(model, versions, view.traffic.host, platform),
            asyncio.gather(self.uncached.claims(model), self.uncached.erasures(model)),
        )
        claims, erasures = uncached
        observed = Observed(
            model=model,
            versions=versions,
            jobs=job_states,
            services=view.services,
            traffic=view.traffic,
            scaling=view.scaling,
            samples=samples,
            sample_errors=errors,
            baselines=kept.baselines,
            platform=platform,
            experiment=users[0],
            outcomes=users[1],
            holdout=users[2],
            erasures=erasures,
            rivals=rivals,
            claims=claims,
            running_pods=owned.using_files(all_pods) if model.deleting else (),
        )
        return Snapshot(
            observed=observed,
            pods=answering,
            serving=serving,
            seen=seen,
            orphans=orphans,
            left_services=view.to_adopt,
            foreign=(*others, *view.foreign, *kept.foreign),
        )

    async def _owned_pods(
        self,
        model: ModelObject,
        versions: Sequence[VersionObject],
        jobs: Sequence[Object],
        found: Sequence[Object],
    ) -> tuple[dict[str, list[Object]], dict[str, list[Object]]]:
        """Return the model's pods among those found: by uid of their Job, and by version.

        They are read again from the API server if a Job has finished whose report is missing.
        """
        known = owned.ends(model, versions, jobs)
        owners = await self._owners.owners(model.namespace, found, known)
        of_jobs = owned.pods_of_jobs(found, owners, jobs)
        if self._lacks_a_report(jobs, of_jobs):
            found = await self._direct.list(PODS, model.namespace, {labels.MODEL: model.name})
            owners = await self._owners.owners(model.namespace, found, known)
            of_jobs = owned.pods_of_jobs(found, owners, jobs)
        return of_jobs, owned.serving_pods(found, owners, model.uid, versions)

    def _lacks_a_report(
        self, jobs: Iterable[Object], pods: Mapping[str, Sequence[Object]]
    ) -> bool:
        """Return, once per Job, whether a Job has finished without a terminated pod.

        The watches of Jobs and pods may differ in time. A Job that finishes without a report fails
        its version, so the pods are read again; they may also be deleted.
        """
        silent = {
            uid
            for job in jobs
            if phase_of(job)[0] != "Running"
            and (uid := str(job["metadata"]["uid"])) not in self._looked_for
            and not any(train_job_pods.ended(pod) for pod in pods[uid])
        }
        self._looked_for |= dict.fromkeys(silent)
        while len(self._looked_for) > REMEMBERED_JOBS:
            self._looked_for.popitem(last=False)
        return bool(silent)

    async def _groups(self, model: ModelObject, versions: Iterable[VersionObject]) -> list[Object]:
        """Return the TrainJobs; without several workers, this needs no request."""
        workers = [model.spec.training.workers, *(v.spec.training.workers for v in versions)]
        if max(workers) == 1:
            return []
        marks = labels.of_model(model.name)
        found = await self._kube.list(TRAIN_JOBS, model.namespace, marks)
        return [{**group, "kind": "TrainJob"} for group in found]

    async def _sample(
        self,
        model: ModelObject,
        versions: Iterable[VersionObject],
        view: TrafficView,
        serving: Mapping[str, Sequence[Object]],
    ) -> tuple[dict[str, Sample], dict[str, str]]:
        """Return counters and errors of the versions that serve, or are about to."""
        wanted = [] if model.deleting else sorted(_sampled(model, versions, view))
        provider = self._samples_of(model)

        async def ask(version: str) -> Sample | str:
            refs: list[PodRef] = [podstates.pod_ref(pod) for pod in serving.get(version, ())]
            try:
                return await provider.sample(model.namespace, version, refs)
            except SampleError as error:
                return str(error)

        answers = await asyncio.gather(*(ask(version) for version in wanted))
        samples: dict[str, Sample] = {}
        errors: dict[str, str] = {}
        for version, answer in zip(wanted, answers, strict=True):
            if isinstance(answer, str):
                errors[version] = answer
            else:
                samples[version] = answer
        return samples, errors


def _sampled(model: ModelObject, versions: Iterable[VersionObject], view: TrafficView) -> set[str]:
    """Return the versions that serve, or are about to: a window starts before the requests."""
    names = {name for name, weight in view.traffic.weights.items() if weight > 0}
    names |= {version.name for version in versions if version.status.weight > 0}
    rolling = {"SmokeTesting", "Canary"}
    names |= {version.name for version in versions if version.status.stage.value in rolling}
    names |= {name for name in view.services if baseline_deployment_names.is_fresh(name)}
    if model.status.champion:
        names.add(model.status.champion)
    return {name for name in names if name in view.services}


def _sorted_out(
    model: ModelObject, found: Iterable[Object]
) -> tuple[list[Object], tuple[str, ...], list[Foreign]]:
    """Return the model's versions, the names of those to adopt, and foreign ones.

    Versions of an earlier model of the same name are omitted: they are being deleted."""
    own, orphans, others = [], [], []
    for version in found:
        if ownership.owned_by(version, {model.uid}):
            own.append(version)
        elif ownership.may_be_adopted(version, model):
            own.append(version)
            orphans.append(version["metadata"]["name"])
        elif ownership.is_orphan(version):
            others.append(ownership.foreign(KINDS[VERSIONS], version))
    return own, tuple(orphans), others
