"""Parse the bodies of the v1 and v2 protocols into valid requests: pure.

Every bad field is reported with its name, its value and the remedy. Unknown fields are rejected
too: only `user_id` is required, so a misspelt `session` would otherwise give every user a
cold-start answer without notice.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from recommender_serving.domain.ids import INTEGERS, IdKind, IdKinds
from recommender_serving.domain.types import RecommendRequest, SessionEvent
from recommender_serving.protocols.validation import (
    MAX_AGE,
    MAX_NAME,
    MAX_SESSION_ID,
    InvalidRequest,
    Problems,
)

INSTANCE_FIELDS = (
    "user_id",
    "session",
    "age",
    "gender",
    "occupation",
    "timestamp",
    "top_n",
    "session_id",
)
EVENT_FIELDS = ("item", "timestamp", "value")
SESSION_TENSORS = ("session_items", "session_timestamps", "session_values")
DATATYPES = {
    "user_id": "INT64",
    "session_items": "INT64",
    "session_timestamps": "INT64",
    "session_values": "FP32",
    "age": "INT64",
    "gender": "BYTES",
    "occupation": "BYTES",
    "timestamp": "INT64",
    "top_n": "INT64",
    "session_id": "BYTES",
}


def datatypes(kinds: IdKinds) -> dict[str, str]:
    """Return the datatype of each input of the v2 protocol, for these types of ids."""
    texts = {"user_id": kinds.user, "session_items": kinds.item}
    return DATATYPES | {name: "BYTES" for name, kind in texts.items() if kind is IdKind.TEXT}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a request, which bound its cost, and the types of its ids."""

    max_top_n: int = 200
    max_session: int = 500  # events
    max_instances: int = 64  # of one v1 call
    ids: IdKinds = INTEGERS

    @property
    def default_top_n(self) -> int:
        """Ten items, unless the limit is lower."""
        return min(10, self.max_top_n)


@dataclass(frozen=True, slots=True)
class NamedTensor:
    """An input of the v2 protocol, decoded to Python values and flat."""

    name: str
    datatype: str
    shape: Sequence[int]
    values: Sequence[object]


def parse_v1(body: object, limits: Limits, now: int) -> list[RecommendRequest]:
    """Parse a v1 body, already decoded from JSON.

    Args:
        body: `{"instances": [...]}` of docs/contracts.md.
        limits: limits of a request.
        now: seconds since 1970, the time of a request without a timestamp.

    Raises:
        InvalidRequest: with all problems, and the number of rejected instances.
    """
    if not isinstance(body, Mapping) or "instances" not in body:
        user = limits.ids.user.example(1)
        raise InvalidRequest(
            f'the body must be a JSON object {{"instances": [{{"user_id": {user}}}]}}'
        )
    instances = body["instances"]
    if not isinstance(instances, list) or not 1 <= len(instances) <= limits.max_instances:
        problems = Problems()
        remedy = f"give a list of 1 to {limits.max_instances} objects"
        problems.add("instances", instances, remedy)
        problems.report()
    problems = Problems(limits.ids)
    requests = [
        _instance(f"instances[{index}]", instance, limits, now, problems)
        for index, instance in enumerate(instances)
    ]
    problems.report(len(instances))
    return [request for request in requests if request is not None]


def parse_v2(tensors: Iterable[NamedTensor], limits: Limits, now: int) -> RecommendRequest:
    """Parse the inputs of a v2 request, which is one instance.

    Raises:
        InvalidRequest: with all problems.
    """
    problems = Problems(limits.ids)
    by_name = _tensors_by_name(tensors, problems)
    problems.report()  # do not validate values of a wrong shape or type
    scalars = {name: values[0] for name, values in by_name.items() if name not in SESSION_TENSORS}
    session = _session_of_tensors(by_name, limits, problems)
    request = _request("", scalars, session, limits, now, problems)
    problems.report()
    assert request is not None
    return request


def _instance(
    path: str, instance: object, limits: Limits, now: int, problems: Problems
) -> RecommendRequest | None:
    if not isinstance(instance, Mapping):
        user = limits.ids.user.example(1)
        problems.add(path, instance, f'give an object such as {{"user_id": {user}}}')
        return None
    _refuse_unknown(f"{path}.", instance, INSTANCE_FIELDS, problems)
    session = _session_of_events(f"{path}.session", instance.get("session"), limits, problems)
    return _request(f"{path}.", instance, session, limits, now, problems)


def _request(
    prefix: str,
    fields: Mapping[str, object],
    session: list[tuple[int, int | None, float]],
    limits: Limits,
    now: int,
    problems: Problems,
) -> RecommendRequest | None:
    before = len(problems.found)
    user_id = problems.user(f"{prefix}user_id", fields.get("user_id"))
    if fields.get("user_id") is None:
        problems.add(f"{prefix}user_id", None, "it is required: give the user id")
    age = problems.integer(
        f"{prefix}age", fields.get("age"), 0, MAX_AGE, f"give whole years from 0 to {MAX_AGE}"
    )
    gender = problems.text(f"{prefix}gender", fields.get("gender"), MAX_NAME)
    occupation = problems.text(f"{prefix}occupation", fields.get("occupation"), MAX_NAME)
    session_id = problems.text(f"{prefix}session_id", fields.get("session_id"), MAX_SESSION_ID)
    timestamp = problems.timestamp(f"{prefix}timestamp", fields.get("timestamp"))
    remedy = f"give a whole number from 1 to {limits.max_top_n}"
    top_n = problems.integer(f"{prefix}top_n", fields.get("top_n"), 1, limits.max_top_n, remedy)
    if user_id is None or len(problems.found) > before:
        return None
    at = now if timestamp is None else timestamp
    return RecommendRequest(
        user_id=user_id,
        timestamp=at,
        top_n=limits.default_top_n if top_n is None else top_n,
        session=_ordered(session, at),
        age=age,
        gender=gender,
        occupation=occupation,
        session_id=session_id,
    )


def _ordered(events: list[tuple[int, int | None, float]], now: int) -> tuple[SessionEvent, ...]:
    """Order a session by time; one without times happened just before the request."""
    count = len(events)
    dated = [
        SessionEvent(item, max(0, now - count + index) if at is None else at, value)
        for index, (item, at, value) in enumerate(events)
    ]
    return tuple(sorted(dated, key=lambda event: event.timestamp))


def _session_of_events(
    path: str, session: object, limits: Limits, problems: Problems
) -> list[tuple[int, int | None, float]]:
    if session is None:
        return []
    if not isinstance(session, list) or len(session) > limits.max_session:
        problems.add(path, session, f"give a list of at most {limits.max_session} events")
        return []
    events: list[tuple[int, int | None, float]] = []
    for index, event in enumerate(session):
        if problems.full:
            break
        name = f"{path}[{index}]"
        if not isinstance(event, Mapping):
            such = f'{{"item": {limits.ids.item.example(5)}, "timestamp": 881250949}}'
            problems.add(name, event, f"give an object such as {such}")
            continue
        _refuse_unknown(f"{name}.", event, EVENT_FIELDS, problems)
        if event.get("item") is None:
            problems.add(f"{name}.item", None, "it is required: give the item id")
        item = problems.item(f"{name}.item", event.get("item"))
        at = problems.timestamp(f"{name}.timestamp", event.get("timestamp"))
        value = problems.number(f"{name}.value", event.get("value"))
        events.append((item or 0, at, value or 0.0))
    _all_or_no_times(path, [at for _, at, _ in events], problems)
    return events


def _all_or_no_times(path: str, times: list[int | None], problems: Problems) -> None:
    missing = sum(1 for at in times if at is None)
    if 0 < missing < len(times) and not problems.found:
        text = f"{missing} of {len(times)} events without a timestamp"
        problems.add(path, text, "give every event a timestamp, or none")


def _session_of_tensors(
    by_name: Mapping[str, Sequence[object]], limits: Limits, problems: Problems
) -> list[tuple[int, int | None, float]]:
    items = by_name.get("session_items", ())
    times = by_name.get("session_timestamps")
    values = by_name.get("session_values")
    for name in SESSION_TENSORS:
        length = len(by_name.get(name, items))
        if length > limits.max_session:
            problems.add(name, f"{length} events", f"give at most {limits.max_session}")
        elif length != len(items):
            remedy = f"give {len(items)} values, as many as session_items has"
            problems.add(name, f"{length} values", remedy)
    if problems.found:
        return []
    events: list[tuple[int, int | None, float]] = []
    for index, item in enumerate(items):
        if problems.full:
            break
        raw = problems.item(f"session_items[{index}]", item)
        at = value = None
        if times is not None:
            at = problems.timestamp(f"session_timestamps[{index}]", times[index])
        if values is not None:
            value = problems.number(f"session_values[{index}]", values[index])
        events.append((raw or 0, at, value or 0.0))
    return events


def _tensors_by_name(
    tensors: Iterable[NamedTensor], problems: Problems
) -> dict[str, Sequence[object]]:
    by_name: dict[str, Sequence[object]] = {}
    known = datatypes(problems.kinds)
    for tensor in tensors:
        expected = known.get(tensor.name)
        if expected is None:
            _refuse_unknown("", {tensor.name: tensor.shape}, tuple(DATATYPES), problems)
        elif tensor.name in by_name:
            problems.add(tensor.name, "a second input of this name", "give each input once")
        elif tensor.datatype != expected:
            of_ids = ": the ids of this version are texts"
            why = of_ids if expected != DATATYPES[tensor.name] else ""
            remedy = f"send it as {expected}{why}"
            problems.add(tensor.name, f"datatype {tensor.datatype}", remedy)
        elif not _fits(tensor):
            wanted = "[n]" if tensor.name in SESSION_TENSORS else "[1]"
            got = f"shape {list(tensor.shape)} with {len(tensor.values)} values"
            problems.add(tensor.name, got, f"send it with the shape {wanted}, one request a call")
        elif None in tensor.values:
            problems.add(tensor.name, None, "leave out unknown inputs")
        else:
            by_name[tensor.name] = tensor.values
    return by_name


def _fits(tensor: NamedTensor) -> bool:
    """Accept [n], and [1, n] from clients that send a batch dimension."""
    shape = list(tensor.shape)
    if len(shape) == 2 and shape[0] == 1:
        shape = shape[1:]
    count = len(tensor.values)
    return shape == [count] and (count == 1 or tensor.name in SESSION_TENSORS)


def _refuse_unknown(
    prefix: str, fields: Mapping[str, object], known: tuple[str, ...], problems: Problems
) -> None:
    for name, value in fields.items():
        if problems.full:
            return
        if name not in known:
            close = difflib.get_close_matches(str(name)[:100], known, n=1)
            meant = f"did you mean {close[0]}? " if close else ""
            shown = f"{prefix}{str(name)[:100]}"
            problems.add(shown, value, f"{meant}the fields are {', '.join(known)}")
