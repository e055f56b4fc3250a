"""Parse the inputs of the v2 protocol into a valid request: pure.

Every bad input is reported with its name, its value and the remedy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from recommender_serving.domain.callers import Verified
from recommender_serving.domain.types import RecommendRequest
from recommender_serving.protocols.feature_validation import value_of
from recommender_serving.protocols.request_builder import ParsedCall, RawEvent, request_of
from recommender_serving.protocols.request_limits import (
    DATATYPES,
    ITEM_TENSORS,
    SESSION_TENSORS,
    Limits,
    datatypes,
    lists,
    rule_tensors,
)
from recommender_serving.protocols.selection_validation import selection_of
from recommender_serving.protocols.unknown_names import refuse_unknown_tensor
from recommender_serving.protocols.v2_messages import NamedTensor
from recommender_serving.protocols.validation import Problems


def parse_v2(
    tensors: Iterable[NamedTensor], limits: Limits, now: int, verified: Verified | None = None
) -> RecommendRequest:
    """Parse the inputs of a v2 request, which is one instance.

    Raises:
        InvalidRequest: with all problems.
    """
    problems = Problems(limits.ids)
    by_name = _by_name(tensors, limits, problems)
    problems.report()  # do not validate values of a wrong shape or type
    many = lists(limits)
    scalars = {name: values[0] for name, values in by_name.items() if name not in many}
    given = {**by_name, **scalars}
    features = {
        name: value
        for name, feature in limits.features.items()
        if (value := value_of(name, given.get(name), feature, problems)) is not None
    }
    session = _session(by_name, limits, problems)
    wishes = _wishes(by_name, limits)
    selection = selection_of("", wishes, limits, problems)
    call = ParsedCall(limits, now, problems, verified)
    request = request_of("", scalars, session, features, selection, call)
    problems.report()
    assert request is not None
    return request


def _by_name(
    tensors: Iterable[NamedTensor], limits: Limits, problems: Problems
) -> dict[str, Sequence[object]]:
    by_name: dict[str, Sequence[object]] = {}
    known, many = datatypes(limits), lists(limits)
    for tensor in tensors:
        if problems.full:
            break
        if tensor.name not in known:
            shape = list(tensor.shape)
            refuse_unknown_tensor(tensor.name, shape, list(known), limits.features, problems)
        elif tensor.name in by_name:
            problems.add(tensor.name, "a second input of this name", "give each input once")
        elif (fault := _fault(tensor, known[tensor.name], tensor.name in many)) is not None:
            problems.add(tensor.name, *fault)
        else:
            by_name[tensor.name] = tensor.values
    return by_name


def _fault(tensor: NamedTensor, accepted: Sequence[str], many: bool) -> tuple[object, str] | None:
    """Return the fault in type, shape or values of a known input, and the remedy."""
    if tensor.datatype not in accepted:
        of_ids = accepted == ("BYTES",) and DATATYPES.get(tensor.name, "BYTES") != "BYTES"
        why = ": the ids of this version are texts" if of_ids else ""
        return f"datatype {tensor.datatype}", f"send it as {' or '.join(accepted)}{why}"
    if not _fits(tensor, many):
        wanted = "[n]" if many else "[1]"
        got = f"shape {list(tensor.shape)} with {len(tensor.values)} values"
        return got, f"send it with the shape {wanted}, one request a call"
    if None in tensor.values:
        return None, "leave out unknown inputs"
    if tensor.datatype.startswith("INT") and len(accepted) > 1 and type(tensor.values[0]) is float:
        return tensor.values[0], f"give a whole number, or send it as {accepted[0]}"
    return None


def _fits(tensor: NamedTensor, many: bool) -> bool:
    """Accept [n], and [1, n] from clients that send a batch dimension."""
    shape = list(tensor.shape)
    if len(shape) == 2 and shape[0] == 1:
        shape = shape[1:]
    count = len(tensor.values)
    return shape == [count] and (count == 1 or many)


def _wishes(by_name: Mapping[str, Sequence[object]], limits: Limits) -> dict[str, object]:
    """Return the fields that a v1 instance has for the same selection."""
    many = lists(limits)
    wishes: dict[str, object] = {
        name: list(by_name[name]) for name in ITEM_TENSORS if name in by_name and name in many
    }
    for name in rule_tensors(limits):
        if name in by_name:
            rule, _, feature = name.partition(".")
            rules = wishes.setdefault(rule, {})
            assert isinstance(rules, dict)
            rules[feature] = by_name[name]
    return wishes


def _session(
    by_name: Mapping[str, Sequence[object]], limits: Limits, problems: Problems
) -> list[RawEvent]:
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
    events: list[RawEvent] = []
    for index, item in enumerate(items):
        if problems.full:
            break
        raw = problems.item(f"session_items[{index}]", item)
        at = value = None
        if times is not None:
            at = problems.timestamp(f"session_timestamps[{index}]", times[index])
        if values is not None:
            value = problems.event_value(f"session_values[{index}]", values[index])
        events.append((raw or 0, at, value or 0.0))
    return events
