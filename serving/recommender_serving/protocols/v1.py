"""Parse the bodies of the v1 protocol into valid requests: pure.

Every bad field is reported with its name, its value and the remedy.
"""

from __future__ import annotations

from collections.abc import Mapping

from recommender_serving.domain.callers import Verified
from recommender_serving.domain.features import Place, Value
from recommender_serving.domain.types import RecommendRequest
from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.protocols.feature_validation import features_of
from recommender_serving.protocols.request_builder import ParsedCall, RawEvent, request_of
from recommender_serving.protocols.request_limits import EVENT_FIELDS, Limits
from recommender_serving.protocols.selection_validation import selection_of
from recommender_serving.protocols.unknown_names import refuse_unknown, refuse_unknown_fields
from recommender_serving.protocols.validation import Problems


def parse_v1(
    body: object, limits: Limits, now: int, verified: Verified | None = None
) -> list[RecommendRequest]:
    """Parse a v1 body, already decoded from JSON.

    Args:
        body: `{"instances": [...]}` of docs/contracts.md.
        limits: limits of a request.
        now: seconds since 1970, the time of a request without a timestamp.
        verified: the user of the call; None if callers are believed.

    Raises:
        InvalidRequest: with all problems, and the number of rejected instances.
    """
    if not isinstance(body, Mapping) or "instances" not in body:
        user = limits.ids.user.example(1)
        raise InvalidRequest(
            f'the body must be a JSON object {{"instances": [{{"user_id": {user}}}]}}'
        )
    problems = Problems(limits.ids)
    instances = body["instances"]
    if not isinstance(instances, list) or not 1 <= len(instances) <= limits.max_instances:
        remedy = f"give a list of 1 to {limits.max_instances} objects"
        problems.add("instances", instances, remedy)
        problems.report()
    call = ParsedCall(limits, now, problems, verified)
    requests = [
        _instance(f"instances[{index}]", instance, call)
        for index, instance in enumerate(instances)
    ]
    problems.report(len(instances))
    return [request for request in requests if request is not None]


def _instance(path: str, instance: object, call: ParsedCall) -> RecommendRequest | None:
    limits, problems = call.limits, call.problems
    if problems.full:
        return None
    if not isinstance(instance, Mapping):
        user = limits.ids.user.example(1)
        problems.add(path, instance, f'give an object such as {{"user_id": {user}}}')
        return None
    refuse_unknown_fields(f"{path}.", instance, limits.features, problems)
    features: dict[str, Value] = {}
    for place in Place:
        given = instance.get(place.value)
        features |= features_of(f"{path}.{place}", given, place, limits.features, problems)
    session = _session(f"{path}.session", instance.get("session"), call)
    selection = selection_of(f"{path}.", instance, limits, problems)
    return request_of(f"{path}.", instance, session, features, selection, call)


def _session(path: str, session: object, call: ParsedCall) -> list[RawEvent]:
    limits, problems = call.limits, call.problems
    if session is None:
        return []
    if not isinstance(session, list) or len(session) > limits.max_session:
        problems.add(path, session, f"give a list of at most {limits.max_session} events")
        return []
    events: list[RawEvent] = []
    for index, event in enumerate(session):
        if problems.full:
            break
        event_path = f"{path}[{index}]"
        if isinstance(event, Mapping):
            events.append(_event(f"{event_path}.", event, problems))
        else:
            such = f'{{"item": {limits.ids.item.example(5)}, "timestamp": 881250949}}'
            problems.add(event_path, event, f"give an object such as {such}")
    _all_or_no_times(path, [at for _, at, _ in events], problems)
    return events


def _event(prefix: str, event: Mapping[str, object], problems: Problems) -> RawEvent:
    refuse_unknown(prefix, event, EVENT_FIELDS, problems)
    if event.get("item") is None:
        problems.add(f"{prefix}item", None, "it is required: give the item id")
    item = problems.item(f"{prefix}item", event.get("item"))
    at = problems.timestamp(f"{prefix}timestamp", event.get("timestamp"))
    value = problems.event_value(f"{prefix}value", event.get("value"))
    return item or 0, at, value or 0.0


def _all_or_no_times(path: str, times: list[int | None], problems: Problems) -> None:
    missing = sum(1 for at in times if at is None)
    if 0 < missing < len(times) and not problems.found:
        text = f"{missing} of {len(times)} events without a timestamp"
        problems.add(path, text, "give every event a timestamp, or none")
