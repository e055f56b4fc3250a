"""The fresh champion: a new deployment of the champion's version beside the candidate.

Pods that have served for weeks have warm caches, and a candidate's have not. With
`rollout.freshChampion` another deployment of the champion starts with the rollout and gets as many
requests as the candidate, so both are equally new. It is no version: its share is part of the
champion's.

It serves for whole steps only: it joins at the start of one, and if it fails, its share returns to
the champion's other pods, with which that step begins again. So no window has requests of a time
in which another arm was beside the candidate.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping

from recommender_operator.actions import DropBaseline, EnsureService
from recommender_operator.api.conditions import Reason
from recommender_operator.api.version import FreshChampion, VersionStage
from recommender_operator.context import Context, Outcome, routing
from recommender_operator.context.extension import Extension
from recommender_operator.observed import Routing, VersionObject
from recommender_operator.resources import baseline_deployment_names
from recommender_operator.rollout import auxiliary_deployments, counter_windows, readiness, steps

_ROUTE = datetime.timedelta(seconds=1)
_POLL = datetime.timedelta(seconds=5)
#: Time that its counters may be missing while those of the candidate are read. A Prometheus server
#: knows new pods after a few scrapes only.
UNREAD = datetime.timedelta(minutes=2)


class Baseline(Extension):
    """The fresh champion beside a candidate."""

    def route(self, ctx: Context, found: Routing, weights: Mapping[str, int]) -> Routing:
        """Return the routing with a share for the fresh champion, if it can take one."""
        candidate, deployment = ctx.candidate, self.reference(ctx)
        share = weights.get(candidate.name, 0) if candidate is not None else 0
        if deployment is None or not 0 < share < 100:
            return found
        gone = routing.elsewhere(found)
        part = fresh_weight(share, by_users=bool(found.experiment), elsewhere=gone)
        return dataclasses.replace(found, fresh=deployment, fresh_weight=part)

    def reference(self, ctx: Context) -> str | None:
        """Return the fresh champion if it can answer in the champion's place.

        It was ready, and has the pods to answer by its model. While a standby answers for the
        champion's version, nothing else does.
        """
        record = in_force(ctx)
        if record is None or not record.serves or ctx.standby is not None:
            return None
        name = baseline_deployment_names.deployment(record.version)
        service = ctx.service(name)
        return name if service is not None and service.ready_pods > 0 else None

    def deployments(self, ctx: Context) -> tuple[EnsureService, ...]:
        """Return the fresh champion; none if the rollout goes on without one."""
        name = fresh_deployment(ctx)
        return () if name is None else (EnsureService(version=name),)

    def start(
        self, ctx: Context, out: Outcome, version: VersionObject, rollout: int
    ) -> dict[str, object]:
        """Forget that of an earlier rollout."""
        return {"fresh_champion": None}

    def prepare(self, ctx: Context, out: Outcome, version: VersionObject, *, frozen: bool) -> bool:
        """Follow the fresh champion of a rollout; return whether the pass ends with that.

        That is so if the route is written first, which must not give the candidate more, and if
        the window of the step begins again.
        A rollout that is `frozen` neither gets one nor stops waiting for it, but users are
        protected. At weight 100 it has no requests that could be lost or compared.
        """
        champion, record = ctx.champion, version.status.fresh_champion
        if champion is None or not ctx.spec.rollout.has_fresh_champion:
            out.change(version.name, fresh_champion=None)
            return record is not None and record.serves and _restart(ctx, out, version)
        if record is None or record.version != champion.name:
            if not frozen:
                new = FreshChampion(version=champion.name, unready_since=ctx.time)
                out.change(version.name, fresh_champion=new)
                out.requeue(_POLL)
            return False
        if record.given_up or version.status.weight >= 100:
            return False
        if record.unready_since is not None:
            if not frozen:
                _wait(ctx, out, version, record, record.unready_since)
            return False
        return _check(ctx, out, version, record)

    def delay(
        self, ctx: Context, version: VersionObject, weight: int
    ) -> datetime.timedelta | None:
        """Let the first step wait for it.

        Later ones do not: between two steps nothing would protect the users of the candidate.
        """
        name, record = fresh_deployment(ctx), ctx.versions[version.name].status.fresh_champion
        if name is None or record is None or record.serves or weight >= 100:
            return None
        return None if ctx.is_ready(name) or version.status.weight > 0 else _POLL

    def enter(self, ctx: Context, out: Outcome, version: VersionObject, weight: int) -> None:
        """Let it serve from the next step on, if it is ready."""
        name, record = fresh_deployment(ctx), ctx.versions[version.name].status.fresh_champion
        if name is None or record is None or record.serves or weight >= 100:
            return
        if not ctx.is_ready(name):
            return
        ready = record.model_copy(update={"unready_since": None})
        out.change(version.name, fresh_champion=ready)
        message = (
            f"{name}, a fresh deployment of {record.version}, gets requests beside "
            f"{version.name}, which is compared with it"
        )
        out.info(Reason.FRESH_CHAMPION_SERVES, message, version=version.name)

    def describe(self, ctx: Context, candidate: VersionObject, text: str) -> str:
        """Return the text with what the fresh champion does."""
        name = fresh_deployment(ctx)
        if name is None:
            return text
        if self.reference(ctx) is None:
            what = "serves from the next step on" if ctx.is_ready(name) else "is not ready"
            return f"{text}; the fresh champion {name} {what}"
        part = routing.arms(ctx.desired_weights, ctx.desired_routing).get(name, 0)
        return f"{text}, and the fresh champion {name} {part} %" if part else text

    def project(self, ctx: Context) -> dict[str, object]:
        """Return the fresh champion and its percent of the requests."""
        name = fresh_deployment(ctx)
        shares = routing.arms(ctx.desired_weights, ctx.desired_routing) if name else {}
        weight = shares.get(name, 0) if name is not None else None
        return {"fresh_champion": name, "fresh_champion_weight": weight}


def in_force(ctx: Context) -> FreshChampion | None:
    """Return the record of a rollout's fresh champion; None if it goes on without one."""
    candidate, champion = ctx.candidate, ctx.champion
    if candidate is None or candidate.status.stage is not VersionStage.CANARY:
        return None
    record = candidate.status.fresh_champion
    if record is None or record.given_up or not ctx.spec.rollout.has_fresh_champion:
        return None
    return record if champion is not None and record.version == champion.name else None


def fresh_deployment(ctx: Context) -> str | None:
    """Return the name of the rollout's fresh champion; None if it goes on without one."""
    record = in_force(ctx)
    return None if record is None else baseline_deployment_names.deployment(record.version)


def fresh_weight(share: int, *, by_users: bool, elsewhere: int = 0) -> int:
    """Return the fresh champion's percent of what a route sends to champion and candidate.

    It answers as many requests as a candidate with this percent, but at most half of what the
    champion gets: the other pods receive all of it if the fresh one dies, and an autoscaler leaves
    pods without requests at their minimum. A single percent is the fresh one's.
    If users are assigned, the route sends the champion everything, and its transformers pass on
    what is the candidate's, and the percent that is `elsewhere`, of further versions.
    """
    left = 100 - share - elsewhere
    if not by_users:
        return max(1, min(share, left // 2))
    return min(50, max(1, round(100 * share / left)))


def _wait(
    ctx: Context,
    out: Outcome,
    version: VersionObject,
    record: FreshChampion,
    since: datetime.datetime,
) -> None:
    """Give it up if it does not become ready; no step in progress is compared with it."""
    name = baseline_deployment_names.deployment(record.version)
    if ctx.is_ready(name):
        return
    since, why = auxiliary_deployments.wait(ctx, out, name, since)
    if why:
        _give_up(out, version, record, why)
        return
    waits = record.model_copy(update={"unready_since": since})
    out.change(version.name, fresh_champion=waits)


def _check(ctx: Context, out: Outcome, version: VersionObject, record: FreshChampion) -> bool:
    """Withdraw one that serves and fails; one that answers partly has the candidate's grace."""
    name = baseline_deployment_names.deployment(record.version)
    service = ctx.service(name)
    if service is None or service.ready_pods == 0:
        return _lose(ctx, out, version, record, auxiliary_deployments.state(ctx, name))
    if (error := _unkept(ctx, version, name)) is not None:
        out.route_first()
        out.requeue(_ROUTE)
        why = f"the counters at the start of the step could not be stored with its own: {error}"
        _give_up(out, version, record, why)
        _restart(ctx, out, version)
        return True
    partly, unread = not service.ready, _is_unread(ctx, version, name)
    if not partly and not unread:
        _note(out, version, record, None)
        return False
    since = record.impaired_since or ctx.time
    _note(out, version, record, since)
    out.requeue(_POLL)
    if not out.due(since, readiness.GRACE if partly else UNREAD, _POLL):
        return False
    cause = ctx.observed.sample_errors.get(name, "no pod answered")
    what = (
        auxiliary_deployments.state(ctx, name) if partly else f"{name} has no counters ({cause})"
    )
    return _lose(ctx, out, version, record, what)


def _note(
    out: Outcome, version: VersionObject, record: FreshChampion, since: datetime.datetime | None
) -> None:
    noted = record.model_copy(update={"impaired_since": since})
    out.change(version.name, fresh_champion=noted)


def _is_unread(ctx: Context, version: VersionObject, name: str) -> bool:
    """Return whether its counters alone are missing in a step."""
    samples = ctx.observed.samples
    in_step = steps.current(version.status) is not None and version.status.weight > 0
    return in_step and version.name in samples and name not in samples


def _unkept(ctx: Context, version: VersionObject, name: str) -> str | None:
    """Return why the start of a window with its counters could not be stored."""
    for key in (counter_windows.step_key(version), counter_windows.rollout_key(version)):
        baseline = ctx.observed.baselines.get(key)
        # The largest ones are not even in memory: they have an error and no counters at all.
        known = baseline is not None and (name in baseline.samples or not baseline.samples)
        if baseline is not None and baseline.error and known:
            return baseline.error
    return None


def _lose(
    ctx: Context, out: Outcome, version: VersionObject, record: FreshChampion, what: str
) -> bool:
    """Let its requests return to the champion's other pods at once, and begin the step again."""
    out.route_first()
    out.requeue(_ROUTE)
    most = ctx.spec.rollout.analysis.max_interruptions
    lost = record.model_copy(
        update={
            "unready_since": ctx.time,
            "impaired_since": None,
            "outages": record.outages + 1,
        }
    )
    if lost.outages > most:
        why = f"it failed {lost.outages} times, rollout.analysis.maxInterruptions is {most}"
        _give_up(out, version, lost, f"{why}; {what}")
    else:
        out.change(version.name, fresh_champion=lost)
        message = (
            f"{what}: its requests return to {record.version}, with whose other pods the step "
            f"compares {version.name} until its end"
        )
        out.warn(Reason.FRESH_CHAMPION_UNAVAILABLE, message, version=version.name)
    _restart(ctx, out, version)
    return True


def _give_up(out: Outcome, version: VersionObject, record: FreshChampion, why: str) -> None:
    message = f"the rollout goes on without a fresh champion: {why}"[:1024]
    ended = record.model_copy(
        update={"unready_since": None, "impaired_since": None, "given_up": message}
    )
    out.change(version.name, fresh_champion=ended)
    out.warn(
        Reason.FRESH_CHAMPION_UNAVAILABLE,
        f"{message}. {version.name} is compared with the other pods of {record.version}",
        version=version.name,
    )


def _restart(ctx: Context, out: Outcome, version: VersionObject) -> bool:
    """Begin the window of the step, and its deadline, again: its measure is another one now."""
    record = steps.current(version.status)
    if record is None or record.is_shadow or record.weight >= 100:
        return False
    out.do(DropBaseline(key=counter_windows.step_key(version)))
    if counter_windows.error(ctx, counter_windows.rollout_key(version)):
        out.do(DropBaseline(key=counter_windows.rollout_key(version)))
    steps.note(out, version.name, passed_until=ctx.time)
    out.requeue(_POLL)
    return True
