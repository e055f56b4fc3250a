"""Analysis windows: counters since a baseline, which is stored under a key."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from recommender_operator.actions import DropBaseline, SaveBaseline
from recommender_operator.analysis.counter_window import WindowStats, of_copies, window_stats
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import VersionObject
from recommender_operator.resources import counter_baselines

#: Pause before storing the start of a window again after a failure; packing many pods is slow.
_RETRY = datetime.timedelta(minutes=5)


def step_key(version: VersionObject) -> str:
    """Return the key of the last step's window, of candidate and stable version."""
    steps = version.status.steps
    return f"step/{version.name}/{steps[-1].number if steps else 0}"


def rollout_key(version: VersionObject) -> str:
    """Return the key of the counters at the start of the rollout."""
    return f"rollout/{version.name}/{version.status.rollout}"


def break_key(version: VersionObject) -> str:
    """Return the key of the window that tests a version for a break."""
    return f"break/{version.name}/{version.status.rollout}"


def drift_key(champion: str) -> str:
    """Return the key of the window that tests the champion for drift."""
    return f"drift/{champion}"


def save(ctx: Context, out: Outcome, key: str, versions: Iterable[str]) -> bool:
    """Start a window; return False if the counters of a version are missing."""
    samples = ctx.observed.samples
    wanted = list(versions)
    if any(name not in samples for name in wanted):
        return False
    out.do(
        SaveBaseline(key=key, taken_at=ctx.time, samples={name: samples[name] for name in wanted})
    )
    return True


def since_baseline(
    ctx: Context, key: str, version: str, *, unkept: bool = False, copies: bool = False
) -> WindowStats | None:
    """Return a version's counts since the start of a window; None if either end is unknown.

    With `unkept` also if the start could not be stored; such counts have no features. With
    `copies` the counts are of copies.
    """
    baseline = ctx.observed.baselines.get(key)
    current = ctx.observed.samples.get(version)
    if baseline is None or current is None or version not in baseline.samples:
        return None
    if baseline.error:
        if not unkept:
            return None
        current = counter_baselines.reduced({version: current})[version]
    before = baseline.samples[version]
    if copies:
        before, current = of_copies(before), of_copies(current)
    return window_stats(before, current)


def error(ctx: Context, key: str) -> str:
    """Return why the start of a window could not be stored; empty if it was."""
    baseline = ctx.observed.baselines.get(key)
    return "" if baseline is None else baseline.error


def must_wait(ctx: Context, key: str) -> bool:
    """Return whether it is too early to store the start of a window again after a failure."""
    baseline = ctx.observed.baselines.get(key)
    return bool(baseline and baseline.error and ctx.time - baseline.taken_at < _RETRY)


def lost(*arms: WindowStats | None) -> bool:
    """Return whether an arm lost counters."""
    return any(stats.lost for stats in arms if stats is not None)


def forget(ctx: Context, out: Outcome, keep: set[str]) -> None:
    """Delete the baselines that no window needs."""
    for key in sorted(set(ctx.observed.baselines) - keep):
        out.do(DropBaseline(key=key))
