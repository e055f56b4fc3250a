"""The reconcile for every cause: read, decide, act, write the status once."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence

from recommender_operator.actions import Decision, Event, RunSmoke, SaveBaseline
from recommender_operator.adapters.counters.sample_provider import SampleProvider
from recommender_operator.adapters.kinds import MODELS
from recommender_operator.adapters.objects.event_recorder import EventRecorder
from recommender_operator.adapters.objects.finalizer import Finalizers, is_held
from recommender_operator.adapters.objects.owned_writes import OwnedObjects
from recommender_operator.adapters.objects.parsed_objects import (
    ObservationError,
    bare_model,
    model_object,
)
from recommender_operator.adapters.pods import pod_states as podstates
from recommender_operator.adapters.traffic.traffic_port import TrafficError
from recommender_operator.api.conditions import ConditionType, find
from recommender_operator.context import routing
from recommender_operator.controller.kube import (
    ConflictError,
    Kube,
    KubeError,
    NotLeaderError,
    Object,
)
from recommender_operator.metrics import model_metrics
from recommender_operator.metrics.operator_metrics import Metrics
from recommender_operator.observed import ModelObject, Observed, VersionObject
from recommender_operator.reconcile.executor import Executor
from recommender_operator.reconcile.observer import Observer, Snapshot
from recommender_operator.reconcile.smoke_runner import SmokeRunner
from recommender_operator.reconcile.status_writer import SOON, StatusWriter
from recommender_operator.reconcile.window_polling import WindowPolling
from recommender_operator.status import object_ownership

logger = logging.getLogger(__name__)

#: Maximum pause after a first conflict, in seconds; traffic may have to leave a bad version.
CONFLICT_PAUSE = 0.2
#: Minimum and maximum pause after several conflicts in a row, in seconds, to separate two writers.
REPEATED_CONFLICT_PAUSE = (0.5, 1.5)

#: Time that the data plane may lag behind before it is reported, and the pause between passes
#: until then, in seconds.
TRAFFIC_GRACE, TRAFFIC_PAUSE = 60.0, 2.0

Decide = Callable[[Observed, datetime.datetime], Decision]
Notify = Callable[[ModelObject, Sequence[VersionObject]], None]


@dataclasses.dataclass(frozen=True, order=True)
class Key:
    """Namespace and name of a model."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclasses.dataclass(frozen=True)
class Refused:
    """A model that this release does not manage, and the seconds until the next pass, if any."""

    again_after: float | None


Admit = Callable[[Key, Object], Awaitable["Object | Refused"]]


async def admit_all(_key: Key, raw: Object) -> Object | Refused:
    """Admit every model."""
    return raw


class Reconciler:
    """Level-based: it ignores the cause, and reads everything from the cluster."""

    def __init__(
        self,
        kube: Kube,
        *,
        observer: Observer,
        smoke_runner: SmokeRunner,
        executor: Executor,
        decide: Decide,
        metrics: Metrics,
        now: Callable[[], datetime.datetime],
        longest_wait: float,
        samples_of: Callable[[ModelObject], SampleProvider],
        polling: WindowPolling[Key],
        admit: Admit = admit_all,
        seen: Callable[[Key, Object | None], None] = lambda _key, _raw: None,
        notify: Notify = lambda _model, _versions: None,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`longest_wait` is the maximum time between two passes, in seconds.

        `admit` selects the models of this release. `seen` is called with each model that was read.
        `notify` gets what is stored of each model and its versions, and does not wait.
        `jitter` returns a random number between two others, to spread the passes.
        """
        self._kube = kube
        self._observer = observer
        self._smoke_runner = smoke_runner
        self._executor = executor
        self._decide = decide
        self._metrics = metrics
        self._now = now
        self._longest_wait = longest_wait
        self._samples_of = samples_of
        self._polling = polling
        self._admit = admit
        self._seen = seen
        self._notify = notify
        self._jitter = jitter
        self._status_writer = StatusWriter(OwnedObjects(kube))
        self._finalizers = Finalizers(kube)
        #: Models whose split waits for the data plane, and the start of the wait.
        self._lagging: dict[Key, datetime.datetime] = {}
        #: Models whose last pass ended with a conflict.
        self._conflicting: set[Key] = set()
        self._events = EventRecorder(kube)

    async def reconcile(self, key: Key) -> float | None:
        """Return the seconds until the next pass; None if the model is deleted.

        Raises:
            NotLeaderError: this process may not write; the pass stopped writing.
        """
        if (pause := await self._polling.pause(key)) is not None:
            return pause
        self._polling.start_pass(key)
        started = time.perf_counter()
        try:
            wait = await self._run_pass(key)
        except ConflictError as error:
            return self._yield(key, error)
        except NotLeaderError:
            raise
        except Exception as error:
            self._metrics.reconcile_errors.labels(error=type(error).__name__).inc()
            raise
        finally:
            self._metrics.reconcile_seconds.observe(time.perf_counter() - started)
        self._conflicting.discard(key)
        return wait

    def _yield(self, key: Key, error: ConflictError) -> float:
        """Return the pause before the pass is repeated, because an object has changed."""
        logger.info("%s changed during a pass, which is repeated: %s", key, error)
        self._metrics.conflicts.inc()
        repeated = key in self._conflicting
        self._conflicting.add(key)
        return self._jitter(*(REPEATED_CONFLICT_PAUSE if repeated else (0.0, CONFLICT_PAUSE)))

    async def _run_pass(self, key: Key) -> float | None:
        raw = await self._kube.get(MODELS, key.namespace, key.name)
        self._seen(key, raw)
        if raw is None or (raw["metadata"].get("deletionTimestamp") and not is_held(raw)):
            # It is gone; or it is finished, and waits for others.
            self._forget(key)
            return None
        admitted = await self._admit(key, raw)
        if isinstance(admitted, Refused):
            self._forget(key)
            return admitted.again_after
        try:
            if await self._finalizers.hold(admitted) is not raw:
                # Written to, or gone: a decision rests on what is read at one moment.
                return 0.0
            return await self._act(key, raw)
        except (ConflictError, NotLeaderError):
            raise
        except Exception as error:
            if isinstance(error, KubeError) and error.namespace_terminating:
                return await self._leave(key, raw)
            if isinstance(error, TrafficError) and self._lags(key):
                logger.info("%s: %s; the next pass tries again", key, error)
                return TRAFFIC_PAUSE
            await self._report_failure(raw, error)
            raise

    def _lags(self, key: Key) -> bool:
        """Return whether the split may still be pending, because KServe's status lags behind."""
        now = self._now()
        since = self._lagging.setdefault(key, now)
        return (now - since).total_seconds() < TRAFFIC_GRACE

    async def _leave(self, key: Key, raw: Object) -> float | None:
        """Create nothing in a namespace that is being deleted, and report no error.

        No Job can remove the artifacts; their claim is deleted with the namespace. The model must
        not wait for that.
        """
        logger.info("%s: its namespace is being deleted; nothing is created", key)
        if not raw["metadata"].get("deletionTimestamp"):
            return self._longest_wait
        await self._finalizers.release(raw)
        self._forget(key)
        return None

    def _forget(self, key: Key) -> None:
        self._metrics.forget(key.namespace, key.name)
        self._status_writer.forget(key)
        self._lagging.pop(key, None)
        self._polling.cause(key)

    async def _act(self, key: Key, raw: Object) -> float | None:
        snapshot = await self._observer.observe(raw, self._now())
        if await self._executor.adopt(snapshot):  # Their pods are known only after that.
            return 0.0
        self._notify(snapshot.observed.model, snapshot.observed.versions)
        decision = self._decide(snapshot.observed, now := self._now())
        if (answered := await self._smoke_runner.answers(snapshot, decision)) is not None:
            self._metrics.actions.labels(action=RunSmoke.__name__).inc()
            snapshot, decision = answered, self._decide(answered.observed, now)
        model = snapshot.observed.model
        if decision.actions:
            kinds = ", ".join(type(action).__name__ for action in decision.actions)
            logger.info("%s/%s: %s", model.namespace, model.name, kinds)
        await self._events.post_deferred(model, now)
        decision, written = await self._carry_out(key, raw, snapshot, decision, now)
        self._lagging.pop(key, None)
        for event in decision.events:
            logger.info("%s/%s: %s: %s", model.namespace, model.name, event.reason, event.message)
            await self._events.post(model, event, now)
        traffic = snapshot.observed.traffic
        self._metrics.traffic(model, routing.arms(traffic.weights, traffic.routing))
        self._metrics.stage(model, decision.status.stage.value)
        self._metrics.snapshot(model, _snapshot_taken(decision))
        self._metrics.set_model_metrics(
            model, model_metrics.model_metrics_of(snapshot.observed, decision)
        )
        if decision.finished and model.deleting:
            await self._finalizers.release(raw)
            # The event of its deletion may be lost, and no pass follows.
            self._forget(key)
            return None
        if written:
            self._watch_window(key, snapshot, decision)
        after = decision.requeue_after
        wait = self._longest_wait if after is None else after.total_seconds()
        return min(wait, self._longest_wait if written else SOON)

    async def _carry_out(
        self,
        key: Key,
        raw: Object,
        snapshot: Snapshot,
        decision: Decision,
        now: datetime.datetime,
    ) -> tuple[Decision, bool]:
        """Carry the actions out, write the status, and return the decision as it is recorded.

        Also return whether the status is written, and not left to the next pass. A pass that ends
        in between owes the Events of what it has written.
        """
        model, written = snapshot.observed.model, set[str]()
        try:
            in_the_way = await self._executor.execute(snapshot, decision, written.add)
            foreign = (*snapshot.foreign, *in_the_way)
            decision = object_ownership.set_condition(decision, model, foreign, now)
            projected = await self._status_writer.write(key, raw, model, decision, now)
        except BaseException:
            self._events.defer(model, [one for one in decision.events if one.version in written])
            raise
        return decision, projected

    def _watch_window(self, key: Key, snapshot: Snapshot, decision: Decision) -> None:
        """Let the next passes read only the counters of a window that fills."""
        window = decision.filling
        if window is None or not all(isinstance(do, SaveBaseline) for do in decision.actions):
            return
        pods = [podstates.pod_ref(pod) for pod in snapshot.pods.get(window.version, ())]
        window = dataclasses.replace(window, rest=min(window.rest, self._longest_wait))
        samples = self._samples_of(snapshot.observed.model)
        self._polling.watch(key, key.namespace, window, samples, pods)

    async def _report_failure(self, raw: Object, error: Exception) -> None:
        """Post an Event that a pass failed, for `kubectl describe`."""
        try:
            model: ModelObject = model_object(raw)
        except ObservationError:
            model = bare_model(raw)
        message = f"{type(error).__name__}: {error}; the operator tries again"
        event = Event(type="Warning", reason="ReconcileFailed", message=message)
        await self._events.post(model, event, self._now())


def _snapshot_taken(decision: Decision) -> bool | None:
    taken = find(decision.status.conditions, ConditionType.SNAPSHOT_TAKEN)
    return None if taken is None or taken.status == "Unknown" else taken.status == "True"
