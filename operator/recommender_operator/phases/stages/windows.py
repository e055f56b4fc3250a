"""Windows of counters between looks, kept as baselines under a key."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from recommender_operator.actions import DropBaseline, SaveBaseline
from recommender_operator.analysis.window import WindowStats, window_stats
from recommender_operator.observed import VersionObject
from recommender_operator.phases.turn import Turn
from recommender_operator.resources import baselines

#: How long a window whose start could not be kept stays as it is. Packing a hundred pods costs.
_RETRY = datetime.timedelta(minutes=5)


def step_key(version: VersionObject) -> str:
    """Key of the window of the last step: candidate and stable."""
    steps = version.status.steps
    return f"step/{version.name}/{steps[-1].number if steps else 0}"


def rollout_key(version: VersionObject) -> str:
    """Key of the counters at the first step: what stable served beside the candidate."""
    return f"rollout/{version.name}/{version.status.rollout}"


def break_key(version: VersionObject) -> str:
    """Key of the window in which a version is held against the other arm."""
    return f"break/{version.name}/{version.status.rollout}"


def drift_key(champion: str) -> str:
    """Key of the window in which the champion is held against its training."""
    return f"drift/{champion}"


def save(turn: Turn, key: str, versions: Iterable[str]) -> bool:
    """Start a window; return whether every version gave its counters."""
    samples = turn.observed.samples
    wanted = list(versions)
    if any(name not in samples for name in wanted):
        return False
    turn.do(
        SaveBaseline(key=key, taken_at=turn.time, samples={name: samples[name] for name in wanted})
    )
    return True


def since_baseline(
    turn: Turn, key: str, version: str, *, unkept: bool = False
) -> WindowStats | None:
    """Return what a version counted since a window began; None if either end is unknown.

    One whose start could not be kept counts only with `unkept`: its features are not known.
    """
    baseline = turn.observed.baselines.get(key)
    current = turn.observed.samples.get(version)
    if baseline is None or current is None or version not in baseline.samples:
        return None
    if baseline.error:
        if not unkept:
            return None
        current = baselines.reduced({version: current})[version]
    return window_stats(baseline.samples[version], current)


def error(turn: Turn, key: str) -> str:
    """Return why the counters at a window's start could not be kept; empty if they were."""
    baseline = turn.observed.baselines.get(key)
    return "" if baseline is None else baseline.error


def must_wait(turn: Turn, key: str) -> bool:
    """Return whether a window whose start could not be kept is too young to try again."""
    baseline = turn.observed.baselines.get(key)
    return bool(baseline and baseline.error and turn.time - baseline.taken_at < _RETRY)


def lost(*arms: WindowStats | None) -> bool:
    """Return whether counters were lost that a verdict would need."""
    return any(stats.lost for stats in arms if stats is not None)


def forget(turn: Turn, keep: set[str]) -> None:
    """Drop the baselines that no window needs any more."""
    for key in sorted(set(turn.observed.baselines) - keep):
        turn.do(DropBaseline(key=key))
