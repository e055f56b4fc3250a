"""Progress of a rollout, and an estimate of the time left by the steps so far."""

from __future__ import annotations

import dataclasses
import datetime
import statistics
from collections.abc import Iterable

from recommender_kubectl.experiment_objects import Experiment
from recommender_kubectl.objects import Model, Rollout, Step, Version

#: Stages in which a version is on its way, in their order.
BEFORE_ROLLOUT = (
    "Pending",
    "CheckingData",
    "Training",
    "Evaluating",
    "Publishing",
    "Published",
    "Deploying",
    "SmokeTesting",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """The steps of a rollout. Steps count from 1; 0 before the first."""

    step: int
    steps: int
    #: Share of the steps that is done, from 0 to 1.
    share: float
    #: Estimate in seconds; None if nothing is known to estimate from.
    seconds_left: float | None
    #: What the estimate leaves out, or what it waits for.
    note: str


def of_version(
    model: Model, version: Version, others: Iterable[Version], now: datetime.datetime
) -> Progress:
    """Return the progress of a version on its way; `others` are versions to learn from."""
    rollout = model.rollout
    # Without a champion nothing is compared: the first version takes all requests at once.
    weights = _weights(rollout, version) if model.champion else ()
    passed = _passed(version)
    ahead = [weight for weight in weights if weight > passed]
    done = len(weights) - len(ahead)
    current = version.step
    if note := _before_users(version):
        return Progress(step=0, steps=len(weights), share=0.0, seconds_left=None, note=note)
    if current is None:
        return _between(version, others, weights, ahead, rollout, now)
    elapsed = max(0.0, (now - model.clock_lag - current.started_at).total_seconds())
    users = version.experiment
    if users is not None and passed < users.weight:
        return _measuring(users, rollout, weights, ahead, now)
    first, *later = _durations(rollout, current, elapsed, ahead or [current.weight])
    left = max(0.0, first - elapsed)
    inside = elapsed / first if first else 1.0
    note = ""
    if current.samples < rollout.min_requests:
        note = f"{current.samples} of {rollout.min_requests} requests"
    elif left == 0:
        note = "the numbers do not decide yet"
    return Progress(
        step=min(done + 1, len(weights)),
        steps=len(weights),
        share=(done + min(inside, 0.99)) / len(weights) if weights else 0.0,
        seconds_left=left + sum(later),
        note=note,
    )


def _before_users(version: Version) -> str:
    """Return how far a phase before the first step is; empty if there is none in progress."""
    mixed, current = version.mixed, version.step
    if mixed is not None:
        return f"mixed lists: {mixed.clicked} of {mixed.planned_users} users with a click"
    if current is not None and current.is_shadow:
        return f"shadow phase: {current.samples} copies of requests answered"
    return ""


def _weights(rollout: Rollout, version: Version) -> tuple[int, ...]:
    """Return the weights of the steps, with that of the experiment."""
    own = version.experiment
    return tuple(sorted({*rollout.weights, *((own.weight,) if own is not None else ())}))


def _measuring(
    own: Experiment,
    rollout: Rollout,
    weights: tuple[int, ...],
    ahead: list[int],
    now: datetime.datetime,
) -> Progress:
    """While users have yet to decide: no step tells the time of that, but their number does."""
    left = own.seconds_left(now)
    later = sum(weight > own.weight for weight in ahead) * rollout.step_seconds
    inside, note = 0.0, "users decide"
    if own.planned_users is not None:
        inside = min(0.99, own.users / max(1, own.planned_users))
        note = f"{own.users} of {own.planned_users} users"
    done = len(weights) - len(ahead)
    return Progress(
        step=min(done + 1, len(weights)),
        steps=len(weights),
        share=(done + inside) / len(weights) if weights else 0.0,
        seconds_left=None if left is None else left + later,
        note=note,
    )


def _between(
    version: Version,
    others: Iterable[Version],
    weights: tuple[int, ...],
    ahead: list[int],
    rollout: Rollout,
    now: datetime.datetime,
) -> Progress:
    """Before the first step, or between two of them."""
    done, steps = len(weights) - len(ahead), len(ahead) * rollout.step_seconds
    share = done / len(weights) if weights else 0.0
    seen = Progress(step=done, steps=len(weights), share=share, seconds_left=steps, note="")
    if version.stage not in BEFORE_ROLLOUT:
        return seen
    before = [taken for one in others if (taken := _until_first_step(one)) is not None]
    if not before or version.created_at is None:
        unknown = "no earlier version to estimate from"
        return dataclasses.replace(seen, seconds_left=None, note=unknown)
    elapsed = (now - version.created_at).total_seconds()
    left = max(0.0, statistics.median(before) - elapsed)
    return dataclasses.replace(seen, seconds_left=left + steps)


def _passed(version: Version) -> int:
    """Return the largest weight that passed, as the operator counts it."""
    ended = (s.weight for s in version.steps if s.ended_at is not None and s.verdict == "Pass")
    return max(ended, default=0)


def _durations(rollout: Rollout, step: Step, elapsed: float, ahead: list[int]) -> list[float]:
    """Return the expected duration of the current step and of each later one.

    A step lasts for `stepSeconds` at least, and until the candidate has `minRequests`; requests
    arrive in proportion to its weight.
    """
    rate = step.samples / elapsed / step.weight if elapsed > 0 and step.weight else 0.0
    if not rate:
        return [rollout.step_seconds for _ in ahead]
    needed = [rollout.min_requests / (rate * weight) for weight in ahead]
    return [max(float(rollout.step_seconds), seconds) for seconds in needed]


def _until_first_step(version: Version) -> float | None:
    """Return the seconds from the creation of a version to its first step, if it had one."""
    if not version.steps or version.created_at is None:
        return None
    return max(0.0, (version.steps[0].started_at - version.created_at).total_seconds())
