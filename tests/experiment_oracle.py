"""The moments of an experiment by their definition, from the whole list of events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from recommender_collector.domain.events import Erasure, Event, Id
from recommender_contract.events import Kind

HALF_HOUR, DAY = 1_800_000, 86_400_000  # milliseconds
SCALED = {"revenue": 1000, "dwell": 1000}
#: Of users and arms: what `GET /v1/experiments` answers.
Arms = dict[str, dict[str, Any]]


@dataclass
class Phase:
    since: int
    arms: Arms = field(default_factory=dict)


def expected(
    log: Sequence[Event | Erasure],
    experiment: str,
    window: int,
    values: Mapping[Kind, float | None],
) -> dict[int, Phase]:
    """The phases of an experiment; `values` has the kinds that are interactions."""
    left: dict[Id, list[Event]] = defaultdict(list)
    phases: dict[int, Phase] = {}
    for entry in log:
        if isinstance(entry, Erasure):
            left.pop(entry.user, None)
            continue
        left[entry.user].append(entry)
        if entry.exposure is not None and entry.exposure.experiment == experiment:
            phase = phases.setdefault(entry.exposure.phase, Phase(entry.time))
            phase.since = min(phase.since, entry.time)
    for events in left.values():
        for number, own in _of_user(events, experiment, window, values).items():
            _add(phases[number].arms, own)
    return phases


@dataclass
class _Own:
    """One user in one phase."""

    arm: str
    mixed: bool
    vector: dict[str, int]
    days: dict[str, int]
    segments: tuple[tuple[str, str], ...]
    disagreed: dict[str, int]


def _of_user(
    events: Sequence[Event], experiment: str, window: int, values: Mapping[Kind, float | None]
) -> dict[int, _Own]:
    seen: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.exposure is not None and event.exposure.experiment == experiment:
            seen[event.exposure.phase].append(event)
    if not seen:
        return {}
    first = min(event.time for each in seen.values() for event in each)
    before = _before(events, first, values)
    acts: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        ranks = {n: _rank([e.time for e in each], event.time) for n, each in seen.items()}
        near = [(*rank, n) for n, rank in ranks.items() if rank and event.time - rank[0] <= window]
        if near:
            acts[max(near)[-1]].append(event)
    said = min(
        (event.time, event.exposure.segments)
        for each in seen.values()
        for event in each
        if event.exposure is not None
    )[1]
    return {n: _phase(each, acts[n], before, said) for n, each in seen.items()}


def _rank(exposures: Sequence[int], time: int) -> tuple[int, int] | None:
    """Which phase a user was in last at a time: the latest exposure, and what it belongs to.

    With less than 30 minutes between two exposures, the user was in the phase all the time.
    """
    stretches: list[list[int]] = []
    for each in sorted(exposures):
        if stretches and each - stretches[-1][1] < HALF_HOUR:
            stretches[-1][1] = each
        else:
            stretches.append([each, each])
    entered = [(min(end, time), start) for start, end in stretches if start <= time]
    return max(entered, default=None)


def _before(events: Iterable[Event], first: int, values: Mapping[Kind, float | None]) -> int:
    """Interactions before the first exposure; equal ones of a second are one, the newest."""
    newest: dict[tuple[object, ...], int] = {}
    for event in events:
        value = values.get(event.kind)
        value = event.value if value is None else value
        if event.kind in values and value is not None:
            for item in event.items:
                name = (item, value, event.kind, event.time // 1000)
                newest[name] = max(event.time, newest.get(name, 0))
    return min(100, sum(time < first for time in newest.values()))


def _phase(
    seen: list[Event], acts: list[Event], before: int, said: tuple[tuple[str, str], ...]
) -> _Own:
    times = sorted(event.time for event in seen)
    exposures = [event.exposure for event in seen if event.exposure is not None]
    cap = min(round(each.cap * 1000) for each in exposures)
    starts = [b for a, b in pairwise((times[0] - HALF_HOUR, *times)) if b - a >= HALF_HOUR]
    disagreed: dict[str, int] = defaultdict(int)
    for event, exposure in zip(seen, exposures, strict=True):
        disagreed[exposure.arm] += event.version not in (None, exposure.arm)
    vector = (
        _did(seen, acts, len(starts), cap)
        | _watched(seen)
        | {
            "returned": int(times[-1] - times[0] >= DAY),
            "before": before,
        }
    )
    days: dict[str, int] = {}
    for part, wanted in (("first", True), ("later", False)):
        own, did = (
            [event for event in events if (event.time // DAY == times[0] // DAY) is wanted]
            for events in (seen, acts)
        )
        begun = sum((start // DAY == times[0] // DAY) is wanted for start in starts)
        days |= {f"{part}.{name}": value for name, value in _did(own, did, begun, cap).items()}
    earliest = min((e.time, x.arm) for e, x in zip(seen, exposures, strict=True))
    mixed = len({x.arm for x in exposures}) > 1
    return _Own(earliest[1], mixed, vector, days, said, disagreed)


def _did(seen: list[Event], acts: list[Event], sessions: int, cap: int) -> dict[str, int]:
    of = {kind: [event for event in acts if event.kind is kind] for kind in Kind}
    spent = sum(round((event.value or 0) * 1000) for event in of[Kind.PURCHASE])
    dwelt = sum(round((event.value or 0) * 1000) for event in of[Kind.DWELL])
    return {
        "answers": min(1000, len(seen)),
        "clicks": min(1000, len(of[Kind.CLICK])),
        "converted": int(bool(of[Kind.PURCHASE])),
        "purchases": min(100, len(of[Kind.PURCHASE])),
        "revenue": min(spent, cap),
        "sessions": min(100, sessions),
        "dwell": min(36_000_000, dwelt),
        "dislikes": min(100, len(of[Kind.DISLIKE])),
        "fallbacks": min(1000, sum(event.path not in (None, "model") for event in seen)),
    }


def _watched(seen: list[Event]) -> dict[str, int]:
    served = [event.served for event in seen if event.served is not None]
    told = [event for event in seen if event.of_group is not None]
    return {
        "requests": len(served),
        "errors": sum(each.failed for each in served),
        "slow": sum(each.failed or each.milliseconds > each.slower_than for each in served),
        "shown": sum(len(event.items) for event in told),
        "grouped": sum(event.of_group or 0 for event in told),
    }


def _add(arms: Arms, own: _Own) -> None:
    for name, count in own.disagreed.items():
        if count:
            _arm(arms, name)["disagreed"] += count
    arm = _arm(arms, own.arm)
    if own.mixed:
        arm["mixed"] += 1
        return
    parts = [arm["segments"].setdefault(each, _empty()) for each in own.segments]
    counted = [(arm, own.vector), (arm["days"], own.days), *((p, own.vector) for p in parts)]
    for moments, vector in counted:
        moments["users"] += 1
        for name, value in vector.items():
            moments["sums"][name] += value
            for other, factor in vector.items():
                if name <= other:
                    moments["products"][f"{name}*{other}"] += value * factor


def _arm(arms: Arms, name: str) -> dict[str, Any]:
    numbers = {"mixed": 0, "disagreed": 0, **_empty(), "days": _empty(), "segments": {}}
    return arms.setdefault(name, numbers)


def _empty() -> dict[str, Any]:
    return {"users": 0, "sums": defaultdict(int), "products": defaultdict(int)}


def answer(phases: Mapping[int, Phase], detailed: int | None = None) -> list[dict[str, Any]]:
    """The phases as `GET /v1/experiments` answers them; arms without a number are left out."""
    return [
        {
            "phase": number,
            "since": phase.since / 1000,
            "arms": [
                {"arm": name, "mixed": arm["mixed"], "disagreed": arm["disagreed"]}
                | _told(arm)
                | (_details(arm) if number == detailed else {})
                for name, arm in sorted(phase.arms.items())
            ],
        }
        for number, phase in sorted(phases.items())
    ]


def _details(arm: Mapping[str, Any]) -> dict[str, Any]:
    segments = [
        {"feature": feature, "value": value} | _told(found)
        for (feature, value), found in arm["segments"].items()
    ]
    return {"days": _told(arm["days"]), "segments": segments}


def _told(of: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "users": of["users"],
        "sums": {k: v / _scale(k) for k, v in of["sums"].items()},
        "products": {k: v / _scale(k) for k, v in of["products"].items()},
    }


def _scale(component: str) -> int:
    scale = 1
    for name in component.split("*"):
        scale *= SCALED.get(name.rpartition(".")[2], 1)
    return scale


def present(phases: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of an answer, the arms that have a number, and of these the numbers that are not 0."""
    return [
        {
            **phase,
            "arms": [
                _numbers(arm)
                for arm in phase["arms"]
                if arm["users"] or arm["mixed"] or arm["disagreed"]
            ],
        }
        for phase in phases
    ]


def _numbers(of: Mapping[str, Any]) -> dict[str, Any]:
    """What is not 0, also of the cells of an arm; a cell without users is left out."""
    found = dict(of)
    for name in ("sums", "products"):
        found[name] = {key: number for key, number in of[name].items() if number}
    if "days" in of:
        del found["days"], found["segments"]
        if of["days"]["users"]:
            found["days"] = _numbers(of["days"])
            cells = sorted(of["segments"], key=lambda each: (each["feature"], str(each["value"])))
            found["segments"] = [_numbers(each) for each in cells]
    return found
