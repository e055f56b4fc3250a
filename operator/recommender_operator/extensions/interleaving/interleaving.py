"""The interleaving before the first step: some users get lists that mix those of two versions.

Their clicks say which version they prefer. A candidate that is clearly worse is rolled back before
any user is its own; one that is preferred, or not worse after enough users, goes on to its steps.
So does one about which nothing is known in time, or of which the collector tells nothing for a
while: it is a first look, and no verdict.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping

from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.spec_rollout import TrafficMode
from recommender_operator.api.version import ModelVersionStatus, VersionStage
from recommender_operator.api.version_interleaving import (
    MAX_MESSAGE,
    UNDECIDED,
    InterleavingStatus,
)
from recommender_operator.context import Context, Outcome, pre_traffic
from recommender_operator.context.extension import Extension
from recommender_operator.extensions.interleaving import interleaving_headers
from recommender_operator.extensions.interleaving.interleaving_preference import (
    COMPONENTS,
    InterleavingVerdict,
    Preference,
    preference,
)
from recommender_operator.observed import Routing, VersionObject
from recommender_operator.rollout import collected_moments, steps
from recommender_operator.rollout.collected_moments import ERROR, id_of, lag_of

#: The arm by which the collector counts all users of an interleaving.
ARM = "interleaved"
#: Longest time between two writes of the numbers. They are written each time the phase is older by
#: a quarter, so that those of a short one are not old, and those of a long one are few writes.
EVERY, PART = datetime.timedelta(seconds=60), 4
#: A phase without any number, or without mixed lists, for so long ends: it would only delay the
#: rollout.
GRACE = datetime.timedelta(minutes=15)
_ROUTE = datetime.timedelta(seconds=1)
_REWRITTEN = datetime.timedelta(seconds=5)
_NO_ROOM = (
    "the collector has no room for it, so nobody is counted: it keeps four experiments of a model"
)
_PASSES = (InterleavingVerdict.PREFERRED, InterleavingVerdict.NOT_WORSE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Finding:
    verdict: str
    message: str
    seen: Preference | None = None

    @property
    def is_mute(self) -> bool:
        """True if it has no number by which the phase could ever be decided."""
        return self.verdict == ERROR or self.seen is None


def interleaves(ctx: Context, version: VersionObject) -> bool:
    """Return whether a version is in its interleaving, or may begin one.

    A derived version has the lists of the champion, so nobody would prefer it.
    """
    rollout, status = ctx.spec.rollout, version.status
    if rollout.interleaving is None or rollout.traffic is not TrafficMode.GATEWAY:
        return False
    if status.stage is not VersionStage.CANARY or status.approved_at or status.weight > 0:
        return False
    begins = all(step.is_shadow and step.ended_at is not None for step in status.steps)
    over = status.interleaving is not None and status.interleaving.ended_at is not None
    return begins and not over and ctx.derivation(version.spec) is None


class Interleaving(Extension):
    """The phase with mixed lists."""

    def route(self, ctx: Context, found: Routing, weights: Mapping[str, int]) -> Routing:
        """Return the routing with mixed lists, if the services of this release allow them.

        A champion of an earlier release mixes nothing. Lists are not mixed with those of a
        standby, which is not compared.

        Once lists are mixed, the header stays. Without it, lists would not be reported as those of
        nobody, and clicks on their items would count for the version that gave these items before,
        which is mostly the champion.
        """
        version = pre_traffic.candidate(ctx, weights)
        record = version.status.interleaving if version is not None else None
        if version is None or record is None or record.ended_at is not None:
            return found
        if not interleaves(ctx, version):
            return found
        header = interleaving_headers.header(record.id, version.name, record.plan.percent)
        is_current = pre_traffic.answers_lists(ctx)
        if record.runs:
            is_mixed = is_current and ctx.standby is None
            return Routing(interleaving=header if is_mixed else interleaving_headers.alone(header))
        is_current = is_current and pre_traffic.is_current(ctx, ctx.champion)
        if not is_current or pre_traffic.is_held(ctx):
            return found
        return Routing(interleaving=header)

    def protect(self, ctx: Context, out: Outcome, version: VersionObject, *, frozen: bool) -> None:
        """End a phase whose lists cannot be mixed, whatever else happens in this pass.

        A candidate that is not ready is not judged, and its own deadline may be a day.
        """
        record = version.status.interleaving
        if record is None or not record.runs:
            return
        if _standby_tells_nothing(ctx):
            # Also in a pause: from now on clicks could count for a version that did not give the
            # item.
            message = (
                "a standby answers without the settings of this release, and may report no lists"
            )
            _give_up(ctx, out, version, record, message)
        elif pre_traffic.answers_lists(ctx):
            _change(out, version.name, record, unmixed_since=None)
        elif not frozen:
            since = record.unmixed_since or ctx.time
            _change(out, version.name, record, unmixed_since=since)
            if out.due(since, GRACE, _REWRITTEN):
                message = (
                    f"{version.name} was not ready with the settings of this release for "
                    f"{GRACE.total_seconds():.0f} s, so no list was mixed"
                )
                _give_up(ctx, out, version, record, message)

    def begin(self, ctx: Context, out: Outcome, version: VersionObject) -> bool:
        """Begin once the data plane reports the route; return False if there is nothing to begin.

        The plan is that of the start, so that nobody can change it once there are results.
        """
        wanted = ctx.spec.rollout.interleaving
        if wanted is None or not interleaves(ctx, version):
            return False
        record = version.status.interleaving
        if record is None:
            id_ = id_of(version.uid, version.status.rollout, "mixed")
            record = InterleavingStatus(id=id_, plan=wanted, waiting_since=ctx.time)
            out.change(version.name, interleaving=record)
            out.requeue(_ROUTE)
        elif not ctx.desired_routing.interleaving:  # a service of an earlier release comes anew
            return _awaits(ctx, out, version, record)
        elif not ctx.route_agrees:
            out.requeue(_ROUTE)
        else:
            _change(out, version.name, record, started_at=ctx.time)
            message = (
                f"{record.plan.percent} % of the users get lists that mix items of {version.name} "
                "and the champion"
            )
            out.info(Reason.ROLLING_OUT, message, version=version.name)
            out.due(ctx.time, datetime.timedelta(seconds=record.plan.seconds), steps.interval(ctx))
            out.requeue(steps.interval(ctx))
        return True

    def runs(self, version: VersionObject) -> bool:
        """Return whether users of a candidate get mixed lists."""
        record = version.status.interleaving
        return record is not None and record.runs and steps.current(version.status) is None

    def evaluate(
        self, ctx: Context, out: Outcome, version: VersionObject, *, frozen: bool
    ) -> bool:
        """Judge what users clicked; return whether it is over and the steps follow."""
        out.requeue(steps.interval(ctx))
        record = version.status.interleaving
        assert record is not None, "it runs"
        if not interleaves(ctx, version):
            if not frozen:
                ended = record.ended(ctx.time, "the spec does not ask for mixed lists any more")
                out.change(version.name, interleaving=ended)
            return not frozen
        found = _judged(ctx, record)
        # Time stands still while frozen.
        late = "" if frozen or found.verdict in _PASSES else _late(ctx, out, record, found)
        ends = bool(late) or (not frozen and found.verdict in _PASSES)
        if late and found.verdict != InterleavingVerdict.WORSE:
            words = f"{late}: {found.message}"
            found = dataclasses.replace(found, verdict=UNDECIDED, message=words)
        is_over = ends or found.verdict == InterleavingVerdict.WORSE
        is_written = _note(ctx, out, version.name, record, found, is_over=is_over)
        if found.verdict == InterleavingVerdict.WORSE:
            message = f"users prefer the champion in mixed lists: {found.message}"
            steps.roll_back(out, version, Reason.INTERLEAVING_LOST, message)
            return False
        if is_written:
            reason = Reason.EXPERIMENT_ERROR if found.verdict == ERROR else Reason.MEASURING
            message = f"mixed lists: {found.verdict}: {found.message}"
            out.condition(ConditionType.ANALYSIS_PASSED, "Unknown", reason, message)
        if is_over:
            _tell_end(out, version, found)
        return is_over

    def has_evidence(self, version: VersionObject) -> bool:
        """Return whether a version has a record of mixed lists."""
        return version.status.interleaving is not None

    def end(
        self, status: ModelVersionStatus, at: datetime.datetime, why: str
    ) -> dict[str, object]:
        """End the record of a version that ends."""
        record = status.interleaving
        if record is None or record.ended_at is not None:
            return {}
        return {"interleaving": record.ended(at, why)}

    def counted(self, versions: Iterable[VersionObject]) -> tuple[str, int | None] | None:
        """Return the id of the interleaving in which users take part; None if there is none."""
        for version in versions:
            found = version.status.interleaving
            if version.status.stage is VersionStage.CANARY and found is not None and found.runs:
                return found.id, None
        return None

    def describe(self, ctx: Context, candidate: VersionObject, text: str) -> str:
        """Return the text, replaced or extended by the state of the mixed lists."""
        record, header = candidate.status.interleaving, ctx.desired_routing.interleaving
        if record is None or record.ended_at is not None:
            return text
        if interleaving_headers.is_alone(header):
            return (
                f"no list is mixed with items of {candidate.name} until champion and candidate "
                "are ready with the settings of this release"
            )
        if header:
            return f"{record.plan.percent} % of the users get lists with items of {candidate.name}"
        if not (awaited := _awaited(ctx)):
            return text
        return (
            f"{text}; mixed lists wait for the service of {awaited} with this release's settings"
        )


def _awaits(
    ctx: Context, out: Outcome, version: VersionObject, record: InterleavingStatus
) -> bool:
    """Wait for a service; return False once it took so long that the steps follow.

    It may never come, for example while a policy of the cluster refuses it.
    """
    if out.due(record.waiting_since, GRACE, _REWRITTEN):
        message = (
            f"the service of {_awaited(ctx)} did not come with the settings of this "
            f"release within {GRACE.total_seconds():.0f} s"
        )
        _give_up(ctx, out, version, record, message)
        return False
    out.requeue(_REWRITTEN)
    return True


def _give_up(
    ctx: Context, out: Outcome, version: VersionObject, record: InterleavingStatus, message: str
) -> None:
    """End the phase without an answer."""
    found = _Finding(verdict=UNDECIDED, message=message)
    _note(ctx, out, version.name, record, found, is_over=True)
    _tell_end(out, version, found)


def _tell_end(out: Outcome, version: VersionObject, found: _Finding) -> None:
    reason = Reason.PASSED if found.verdict in _PASSES else Reason.INCONCLUSIVE
    message = f"{version.name} goes on to its steps: {found.verdict} in mixed lists: "
    out.info(reason, message + found.message, version=version.name)


def _late(ctx: Context, out: Outcome, record: InterleavingStatus, found: _Finding) -> str:
    """Return why the phase ends without an answer; empty if it goes on."""
    since, every = record.started_at or ctx.time, steps.interval(ctx)
    if out.due(since, datetime.timedelta(seconds=record.plan.seconds), every):
        return f"no answer within {record.plan.seconds} s"
    if found.is_mute and out.due(record.answered_at or since, GRACE, every):
        return f"no number for {GRACE.total_seconds():.0f} s"
    return ""


def _judged(ctx: Context, record: InterleavingStatus) -> _Finding:
    """Return the result by the collector's answer, or why there is none."""
    reading = ctx.observed.experiment
    if reading is None or reading.error:
        error = "its users were not read yet" if reading is None else reading.error
        return _Finding(verdict=ERROR, message=error)
    try:
        counted = collected_moments.read_arm(reading.body, record.id, ARM, COMPONENTS)
        lag = lag_of(ctx, collected_moments.watermark(reading.body))
        if counted is None:
            is_full = bool(reading.body.get("ignored"))
            nobody = _Finding(
                verdict=InterleavingVerdict.KEEP_RUNNING, message="no user was counted yet"
            )
            return _Finding(verdict=ERROR, message=_NO_ROOM) if is_full else nobody
        plan = record.plan
        seen = preference(counted, alpha=plan.alpha, enough=plan.users)
    except (ValueError, ArithmeticError) as problem:
        error = f"the collector's answer is not valid: {problem}"
        return _Finding(verdict=ERROR, message=error)
    if lag and seen.outcome is not InterleavingVerdict.WORSE:
        # Older events can prove a loss, but the newest ones are missing for anything else.
        return _Finding(verdict=ERROR, message=lag, seen=seen)
    return _Finding(verdict=seen.outcome, message=_words(seen, plan.users), seen=seen)


def _words(seen: Preference, enough: int) -> str:
    text = f"{seen.clicked} users with a click, of {enough}"
    if seen.value is None:
        return text
    text += f"; preference {seen.value:+.3f}"
    if seen.low is None or seen.high is None:
        return f"{text}, too few users for an interval"
    return f"{text} ({seen.low:+.3f} to {seen.high:+.3f}; above 0 for the candidate)"


def _note(
    ctx: Context,
    out: Outcome,
    name: str,
    record: InterleavingStatus,
    found: _Finding,
    *,
    is_over: bool,
) -> bool:
    """Record a finding if it is time, or the verdict changes; return whether it is recorded.

    The numbers before stay if there are none.
    """
    same = found.verdict == record.verdict and not is_over
    # By the wall clock: model time stands still while a rollout is paused.
    if same and record.judged_at is not None:
        age = record.judged_at - (record.started_at or record.judged_at)
        pause = min(EVERY, max(steps.interval(ctx), age / PART))
        if abs(ctx.now - record.judged_at) < pause:
            return False
    seen, values = found.seen, {}
    if seen is not None:
        values = {
            "users": seen.users,
            "clicked": seen.clicked,
            "preference": seen.value,
            "low": seen.low,
            "high": seen.high,
        }
    _change(
        out,
        name,
        record,
        verdict=str(found.verdict),
        message=found.message[:MAX_MESSAGE],
        judged_at=ctx.now,
        answered_at=record.answered_at if found.is_mute else ctx.time,
        ended_at=ctx.time if is_over else None,
        **values,
    )
    return True


def _change(out: Outcome, name: str, record: InterleavingStatus, **values: object) -> None:
    out.change(name, interleaving=record.model_copy(update=values))


def _awaited(ctx: Context) -> str:
    """Return the version without whose service no lists can be mixed; empty if it is there."""
    candidate, champion = ctx.candidate, ctx.champion
    if candidate is not None and not pre_traffic.answers_lists(ctx):
        return candidate.name
    is_there = champion is None or pre_traffic.is_current(ctx, champion)
    return champion.name if champion is not None and not is_there else ""


def _standby_tells_nothing(ctx: Context) -> bool:
    """Return whether a standby answers that may not report its lists as those of nobody.

    A rollout does not deploy it again, so it may have the settings of an earlier release.
    """
    return ctx.standby is not None and not pre_traffic.is_current(ctx, ctx.standby)
