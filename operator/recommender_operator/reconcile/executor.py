"""Execution of actions, in order, through the ports. Each is idempotent."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import assert_never

from recommender_operator import actions as do
from recommender_operator.adapters.kinds import (
    JOBS,
    NETWORK_POLICIES,
    TRAIN_JOBS,
    TRAINING_RUNTIMES,
    VERSIONS,
)
from recommender_operator.adapters.objects import finalizer
from recommender_operator.adapters.objects.baseline_store import BaselineStore
from recommender_operator.adapters.objects.owned_writes import (
    Claim,
    ForeignObjectError,
    OwnedObjects,
)
from recommender_operator.adapters.traffic.traffic_port import Subject, Traffic
from recommender_operator.api.version import ModelVersionStatus
from recommender_operator.controller.kube import Kube
from recommender_operator.metrics.operator_metrics import Metrics
from recommender_operator.observed import Baseline, ModelObject, VersionObject
from recommender_operator.reconcile.observer import Snapshot
from recommender_operator.resources import (
    baseline_deployment_names,
    jobs,
    labels,
    model_version,
    names,
    network_policies,
    train_jobs,
)
from recommender_operator.resources import counter_baselines as baselines
from recommender_operator.resources.options import Options
from recommender_operator.resources.ownership import Foreign, is_the_same

logger = logging.getLogger(__name__)


class ExecutionError(Exception):
    """An action refers to an object that the pass did not observe."""


class Executor:
    """Executes actions by calls of the ports."""

    def __init__(
        self,
        kube: Kube,
        *,
        traffic_of: Callable[[ModelObject], Traffic],
        options: Options,
        metrics: Metrics,
        baselines: BaselineStore,
    ) -> None:
        self._objects = OwnedObjects(kube)
        self._traffic_of = traffic_of
        self._options = options
        self._metrics = metrics
        self._baselines = baselines

    async def adopt(self, snapshot: Snapshot) -> bool:
        """Adopt services that have outlived the record of their version; False if there are none.

        Raises:
            ConflictError: one has changed since the pass observed it.
            KubeError: the API server failed.
        """
        run = _Run(self, snapshot, lambda _version: None)
        for name in snapshot.left_services:
            await run.adopt_service(name)
        return bool(snapshot.left_services)

    async def execute(
        self,
        snapshot: Snapshot,
        decision: do.Decision,
        wrote: Callable[[str], None] = lambda _version: None,
    ) -> tuple[Foreign, ...]:
        """Execute all actions of a decision, up to the first error.

        `wrote` is called with the name of each version that was created, deleted or changed.
        Actions that would write to foreign objects are skipped, and these objects are returned:
        no other action of the pass depends on them.

        Raises:
            ConflictError: an object has changed since the pass observed it.
            KubeError, TrafficError, NotPublishedError, ExecutionError.
        """
        run = _Run(self, snapshot, wrote)
        await run.adopt(snapshot.orphans)
        in_the_way = []
        for action in decision.actions:
            self._metrics.actions.labels(action=type(action).__name__).inc()
            try:
                await run.one(action)
            except ForeignObjectError as error:
                in_the_way.append(error.foreign)
        return tuple(in_the_way)


class _Run:
    """The execution of one decision; later actions use the statuses that earlier ones wrote."""

    def __init__(
        self, executor: Executor, snapshot: Snapshot, wrote: Callable[[str], None]
    ) -> None:
        self._e = executor
        self._wrote = wrote
        self._model = snapshot.observed.model
        self._versions = {version.name: version for version in snapshot.observed.versions}
        self._pods = snapshot.serving
        store = snapshot.observed.claims.get(
            self._model.spec.storage.persistent_volume_claim.claim_name
        )
        self._store_is_given = store is not None and store.labelled
        self._seen = snapshot.seen
        self._objects = executor._objects
        self._traffic = executor._traffic_of(self._model)

    @property
    def _subject(self) -> Subject:
        return Subject(
            model=self._model, versions=self._versions, pods=self._pods, seen=self._seen
        )

    @property
    def _claim(self) -> Claim:
        return self._subject.claim

    async def adopt(self, orphans: tuple[str, ...]) -> None:
        """Make the model the owner of its orphaned versions."""
        for name in orphans:
            before = self._seen.get(VERSIONS, name)
            if before is not None:
                owners = labels.owned_by_model(self._model)
                await self._objects.adopt(VERSIONS, before, owners, self._claim)

    async def adopt_service(self, name: str) -> None:
        """Make its version the controller of a service."""
        logger.info("%s: the service gets the rebuilt record of its version", name)
        await self._traffic.adopt(self._subject, name)

    async def one(self, action: do.Action) -> None:
        """Execute an action."""
        objects, namespace = self._objects, self._model.namespace
        match action:
            case do.CreateVersion():
                manifest = model_version.model_version(self._model, action.name, action.spec)
                await objects.create(VERSIONS, manifest, self._claim)
                self._wrote(action.name)
            case do.UpdateVersion():
                await self._write(action.name, action.status)
            case do.HoldVersion():
                await self._hold(action.name, held=action.held)
            case do.DeleteVersion():
                await objects.delete(VERSIONS, namespace, action.name, self._claim)
                self._wrote(action.name)
            case do.StartJob():
                await self._start(action)
            case do.DeleteGroup():
                name = names.group_name(action.version, action.attempt)
                await objects.delete(TRAIN_JOBS, namespace, name, self._claim)
                await objects.delete(TRAINING_RUNTIMES, namespace, name, self._claim)
            case do.DeleteJob():
                name = names.job_name(action.version, action.kind, action.attempt)
                await objects.delete(JOBS, namespace, name, self._claim)
            case do.EnsureService():
                self._known(baseline_deployment_names.version_of(action.version))
                await self._traffic.ensure(self._subject, action.version, optional=action.optional)
            case do.DeleteService():
                await self._traffic.release(self._subject, action.version)
            case do.RunSmoke():
                # It already ran (`smoke_runner.py`), or the next pass tries again.
                self._known(action.version)
            case do.SetTraffic():
                subject, routing = self._subject, action.routing
                await self._traffic.split(subject, action.weights, action.host, routing)
            case do.RemoveTraffic():
                await self._traffic.withdraw(self._subject)
            case do.SaveBaseline():
                await self._keep(action)
            case do.DropBaseline():
                await self._e._baselines.drop(self._model, action.key, self._claim)
            case _:
                assert_never(action)

    def _known(self, name: str) -> VersionObject:
        version = self._versions.get(name)
        if version is None:
            raise ExecutionError(f"there is no ModelVersion {name!r}")
        return version

    async def _write(self, name: str, status: ModelVersionStatus) -> None:
        before = self._known(name)
        if status.dump() == before.status.dump():
            return
        objects, namespace = self._objects, self._model.namespace
        seen = await objects.read(VERSIONS, namespace, name, self._claim)
        if seen is None or seen["metadata"]["uid"] != before.uid:
            logger.info("%s is gone: its status is not written", name)
            return
        stored = await objects.write_status(VERSIONS, seen, status.dump())
        if stored is None:
            logger.info("%s is gone: its status is not written", name)
            return
        self._wrote(name)
        self._seen.wrote(VERSIONS, stored)
        after = dataclasses.replace(before, status=status)
        self._e._metrics.moved(self._model, before, after)
        self._versions[name] = after

    async def _hold(self, name: str, *, held: bool) -> None:
        seen = await self._objects.read(VERSIONS, self._model.namespace, name, self._claim)
        if seen is not None:
            patch = {"metadata": {"finalizers": finalizer.of_version(seen, held=held)}}
            await self._objects.patch(VERSIONS, seen, patch, self._claim)

    async def _keep(self, action: do.SaveBaseline) -> None:
        baseline = Baseline(key=action.key, taken_at=action.taken_at, samples=action.samples)
        version = self._versions.get(baselines.version_of(action.key))
        await self._e._baselines.save(self._model, version, baseline, self._claim)

    async def _start(self, action: do.StartJob) -> None:
        of_model = action.version == self._model.name and action.kind in jobs.OF_A_MODEL
        version = None if of_model else self._known(action.version)
        if self._e._options.isolate_triton:
            await self._isolate_jobs()
        if version is not None and train_jobs.is_group(version, action.kind):
            await self._start_group(version, action)
            return
        manifest = jobs.job(
            self._model,
            version,
            action.kind,
            action.attempt,
            action.inputs,
            self._e._options,
            fs_group=self._store_is_given,
        )
        await self._objects.create(JOBS, manifest, self._claim)

    async def _isolate_jobs(self) -> None:
        """Apply the NetworkPolicy of the model's Jobs, before the first of their pods."""
        policy = network_policies.of_jobs(self._model, self._e._options)
        namespace, name = self._model.namespace, policy["metadata"]["name"]
        seen = await self._objects.read(NETWORK_POLICIES, namespace, name, self._claim)
        if not is_the_same(seen, policy):
            await self._objects.apply(NETWORK_POLICIES, policy, self._claim)

    async def _start_group(self, version: VersionObject, action: do.StartJob) -> None:
        """Create the runtime, and in the next pass the TrainJob.

        Trainer's webhook reads the runtime from a cache that may be stale, and rejects a TrainJob
        whose runtime is missing there.
        """
        model, objects, attempt = self._model, self._objects, action.attempt
        runtime = train_jobs.training_runtime(
            model,
            version,
            attempt,
            action.inputs,
            self._e._options,
            fs_group=self._store_is_given,
        )
        if not await objects.create(TRAINING_RUNTIMES, runtime, self._claim):
            group = train_jobs.train_job(model, version, attempt)
            await objects.create(TRAIN_JOBS, group, self._claim)
