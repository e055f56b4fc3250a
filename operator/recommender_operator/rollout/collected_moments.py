"""The collector's answer about an experiment as phases with moments; all of it is checked."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from recommender_operator.api.version_experiment import ExperimentPhase, ExperimentStatus
from recommender_operator.context import Context
from recommender_operator.experiments.arm_moments import (
    COMPONENTS,
    DAYS,
    MAX_COUNT,
    Moments,
    parse_moments,
)
from recommender_operator.experiments.plan import Phase

#: A verdict on users whose moments are missing, not valid, or too old.
ERROR = "Error"
#: Maximum difference between the collector's watermark and the time of a pass.
MAX_LAG = datetime.timedelta(minutes=15)
#: Maximum number of phases and arms in an answer.
MAX_ENTRIES = 1000
#: Maximum length of the name of a feature and of a value, and of why a part cannot be read.
MAX_TEXT = 64
MAX_PROBLEM = 200
_ID_DIGITS = 8


@dataclasses.dataclass(frozen=True)
class _Arm:
    moments: Moments
    mixed: int
    disagreed: int
    days: Moments | None = None
    segments: Mapping[tuple[str, str | None], Moments] = dataclasses.field(default_factory=dict)
    days_problem: str = ""
    segments_problem: str = ""


def id_of(*parts: object) -> str:
    """Return the id by which the collector counts the users of what these parts name."""
    text = "/".join(map(str, parts))
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]


def lag_of(ctx: Context, watermark: float) -> str:
    """Return why the answer is not about now; empty if it is."""
    lag = ctx.now.timestamp() - watermark
    limit = MAX_LAG.total_seconds()
    if abs(lag) <= limit:
        return ""
    if lag < 0:
        return (
            f"the collector's clock is {-lag:.0f} s ahead of the operator's: correct one of them"
        )
    return (
        f"the collector has counted events only up to {lag:.0f} s ago, at most {limit:.0f} s are "
        "accepted: check its writer, and the clocks"
    )


def read_phases(
    body: Mapping[str, Any], experiment: ExperimentStatus, champion: str, candidate: str
) -> list[Phase]:
    """Return the phases beside the champion, in the order of their start.

    Phases beside a standby are left out: they compare with another version than the champion.

    Raises:
        ValueError: the answer is not one about this experiment; the text names the field.
    """
    if body.get("experiment") != experiment.id:
        raise ValueError("experiment: not the requested id")
    if not isinstance(body.get("ignored", False), bool):
        raise ValueError("ignored: not true or false")
    known = {phase.number: phase for phase in experiment.phases if phase.stable == champion}
    found = {}
    for place, entry in enumerate(_list(body, "phases")):
        at = f"phases[{place}]"
        number = _count(_object(entry, at), "phase", at)
        if number not in known:
            continue
        if number in found:
            raise ValueError(f"{at}.phase: {number} occurs twice")
        found[number] = _arms(_list(entry, "arms", f"{at}."), f"{at}.arms")
    withdrawn = {arm.version for arm in experiment.arms if arm.withdrawn}
    return [
        _phase(phase, champion, candidate, withdrawn, found.get(phase.number, {}))
        for phase in known.values()
    ]


def watermark(body: Mapping[str, Any]) -> float:
    """Return the time up to which all events are counted, in seconds since 1970.

    Raises:
        ValueError: it is not a time.
    """
    return _time(body, "watermark")


def _time(body: Mapping[str, Any], field: str) -> float:
    value = body.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{field}: not a time")
    if not abs(value) <= MAX_COUNT:  # NaN fails too
        raise ValueError(f"{field}: not a time")
    return float(value)


def _phase(
    phase: ExperimentPhase,
    champion: str,
    candidate: str,
    withdrawn: Collection[str],
    arms: Mapping[str, _Arm],
) -> Phase:
    """Return a phase; days and segments are read of candidate and champion alone."""
    weights = dict.fromkeys((candidate, *phase.arms), phase.weight)
    weights[champion] = 100 - sum(weights.values())
    every = {name: arms[name] for name in weights if name in arms}
    own = {name: arm for name, arm in every.items() if name in (champion, candidate)}
    return Phase(
        number=phase.number,
        weights=weights,
        champion=champion,
        candidate=candidate,
        arms={name: arm.moments for name, arm in every.items()},
        mixed=sum(arm.mixed for arm in every.values()),
        disagreed={name: arm.disagreed for name, arm in every.items()},
        further=tuple(name for name in phase.arms if name not in withdrawn),
        days={name: arm.days for name, arm in own.items() if arm.days is not None},
        segments=_by_segment(own),
        days_problem="; ".join(filter(None, (arm.days_problem for arm in own.values()))),
        segments_problem="; ".join(filter(None, (arm.segments_problem for arm in own.values()))),
    )


def _by_segment(arms: Mapping[str, _Arm]) -> dict[str, dict[str | None, dict[str, Moments]]]:
    found: dict[str, dict[str | None, dict[str, Moments]]] = {}
    for name, arm in arms.items():
        for (feature, value), moments in arm.segments.items():
            found.setdefault(feature, {}).setdefault(value, {})[name] = moments
    return found


def _arms(entries: Sequence[object], at: str) -> dict[str, _Arm]:
    arms = {}
    for place, entry in enumerate(entries):
        here = f"{at}[{place}]"
        arm = _object(entry, here)
        name = arm.get("arm")
        if not isinstance(name, str) or name in arms:
            raise ValueError(f"{here}.arm: not a new name")
        found = _Arm(
            _moments(arm, here, COMPONENTS),
            _count(arm, "mixed", here),
            _count(arm, "disagreed", here),
        )
        arms[name] = _detailed(found, arm, here)
    return arms


def _detailed(own: _Arm, arm: Mapping[str, Any], at: str) -> _Arm:
    """Add the details of an arm, each with why it cannot be read: a rollback needs neither."""
    try:
        days = arm.get("days")
        if days is not None:
            own = dataclasses.replace(own, days=_moments(days, f"{at}.days", DAYS))
    except (ValueError, ArithmeticError) as error:
        own = dataclasses.replace(own, days_problem=_invalid(error))
    try:
        return dataclasses.replace(own, segments=_segments(arm, at))
    except (ValueError, ArithmeticError) as error:
        return dataclasses.replace(own, segments_problem=_invalid(error))


def _invalid(error: Exception) -> str:
    return f"the collector's answer is not valid: {error}"[:MAX_PROBLEM]


def _segments(arm: Mapping[str, Any], at: str) -> dict[tuple[str, str | None], Moments]:
    if "segments" not in arm:
        return {}
    found: dict[tuple[str, str | None], Moments] = {}
    for place, entry in enumerate(_list(arm, "segments", f"{at}.")):
        here = f"{at}.segments[{place}]"
        segment = _object(entry, here)
        is_other = segment.get("value") is None
        value = None if is_other else _text(segment, "value", here)
        named = _text(segment, "feature", here), value
        if named in found:
            raise ValueError(f"{here}: it occurs twice")
        found[named] = _moments(segment, here, COMPONENTS)
    return found


def _moments(value: object, at: str, components: Sequence[str]) -> Moments:
    body = _object(value, at)
    try:
        return parse_moments(body, components)
    except ValueError as error:
        raise ValueError(f"{at}.{error}") from None


def _list(body: Mapping[str, Any], field: str, prefix: str = "") -> list[Any]:
    value = body.get(field)
    if not isinstance(value, list) or len(value) > MAX_ENTRIES:
        raise ValueError(f"{prefix}{field}: not a list of at most {MAX_ENTRIES} entries")
    return value


def _text(body: Mapping[str, Any], field: str, at: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise ValueError(f"{at}.{field}: not a text of 1 to {MAX_TEXT} printable characters")
    return value


def _object(value: object, at: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{at}: not an object")
    return value


def _count(body: Mapping[str, Any], field: str, at: str) -> int:
    value = body.get(field, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise ValueError(f"{at}.{field}: not a count")
    return value


def read_phase(
    body: Mapping[str, Any], id_: str, weights: Mapping[str, float], champion: str, candidate: str
) -> Phase:
    """Return the only phase of what is counted as an experiment with these arms and shares.

    Whoever may send events can make up others, which are left out: they are nobody's users.

    Raises:
        ValueError: the answer is not one about it; the text names the field.
    """
    if body.get("experiment") != id_:
        raise ValueError("experiment: not the requested id")
    entry, names = _only(body), tuple(weights)
    entries = _list(entry, "arms", "phases.") if entry else []
    own = [each for each in entries if _object(each, "phases.arms").get("arm") in names]
    arms = _arms(own, "phases.arms")
    return Phase(
        number=0,
        weights=weights,
        champion=champion,
        candidate=candidate,
        arms={name: arm.moments for name, arm in arms.items()},
        mixed=sum(arm.mixed for arm in arms.values()),
    )


def read_arm(
    body: Mapping[str, Any], id_: str, arm: str, components: Sequence[str]
) -> Moments | None:
    """Return the moments of the only arm that is counted; None before its first impression.

    Raises:
        ValueError: the answer is not one about it; the text names the field.
    """
    if body.get("experiment") != id_:
        raise ValueError("experiment: not the requested id")
    entry = _only(body)
    entries = _list(entry, "arms", "phases.") if entry else []
    found = [each for each in entries if _object(each, "phases.arms").get("arm") == arm]
    return _moments(found[0], "phases.arms", components) if found else None


def since(body: Mapping[str, Any]) -> float | None:
    """Return the first impression of the only phase, in seconds since 1970; None before it.

    Raises:
        ValueError: it is not a time.
    """
    entry = _only(body)
    return None if entry is None else _time(entry, "since")


def _only(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    entries = [_object(each, "phases") for each in _list(body, "phases")]
    found = [each for each in entries if _count(each, "phase", "phases") == 0]
    if len(found) > 1:
        raise ValueError("phases.phase: 0 occurs twice")
    return found[0] if found else None
