"""Parse the inputs of the v2 protocol into a valid request: pure.

Every bad input is reported with its name, its value and the remedy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from recommender_serving.domain.types import RecommendRequest
from recommender_serving.protocols.calls import NamedTensor
from recommender_serving.protocols.features import value_of
from recommender_serving.protocols.limits import DATATYPES, SESSION_TENSORS, Limits, datatypes
from recommender_serving.protocols.names import refuse_unknown_tensor
from recommender_serving.protocols.requests import Call, RawEvent, request_of
from recommender_serving.protocols.validation import Problems


def parse_v2(tensors: Iterable[NamedTensor], limits: Limits, now: int) -> RecommendRequest:
    """Parse the inputs of a v2 request, which is one instance.

    Raises:
        InvalidRequest: with all problems.
    """
    problems = Problems(limits.ids)
    by_name = _by_name(tensors, limits, problems)
    problems.report()  # do not validate values of a wrong shape or type
    scalars = {name: values[0] for name, values in by_name.items() if name not in SESSION_TENSORS}
    features = {
        name: value
        for name, feature in limits.features.items()
        if (value := value_of(name, scalars.get(name), feature, problems)) is not None
    }
    session = _session(by_name, limits, problems)
    request = request_of("", scalars, session, features, Call(limits, now, problems))
    problems.report()
    assert request is not None
    return request


def _by_name(
    tensors: Iterable[NamedTensor], limits: Limits, problems: Problems
) -> dict[str, Sequence[object]]:
    by_name: dict[str, Sequence[object]] = {}
    known = datatypes(limits)
    for tensor in tensors:
        if problems.full:
            break
        if tensor.name not in known:
            shape = list(tensor.shape)
            refuse_unknown_tensor(tensor.name, shape, list(known), limits.features, problems)
        elif tensor.name in by_name:
            problems.add(tensor.name, "a second input of this name", "give each input once")
        elif (fault := _fault(tensor, known[tensor.name])) is not None:
            problems.add(tensor.name, *fault)
        else:
            by_name[tensor.name] = tensor.values
    return by_name


def _fault(tensor: NamedTensor, accepted: Sequence[str]) -> tuple[object, str] | None:
    """Return what is wrong with type, shape or values of a known input, and the remedy."""
    if tensor.datatype not in accepted:
        of_ids = accepted == ("BYTES",) and DATATYPES.get(tensor.name, "BYTES") != "BYTES"
        why = ": the ids of this version are texts" if of_ids else ""
        return f"datatype {tensor.datatype}", f"send it as {' or '.join(accepted)}{why}"
    if not _fits(tensor):
        wanted = "[n]" if tensor.name in SESSION_TENSORS else "[1]"
        got = f"shape {list(tensor.shape)} with {len(tensor.values)} values"
        return got, f"send it with the shape {wanted}, one request a call"
    if None in tensor.values:
        return None, "leave out unknown inputs"
    if tensor.datatype.startswith("INT") and len(accepted) > 1 and type(tensor.values[0]) is float:
        return tensor.values[0], f"give a whole number, or send it as {accepted[0]}"
    return None


def _fits(tensor: NamedTensor) -> bool:
    """Accept [n], and [1, n] from clients that send a batch dimension."""
    shape = list(tensor.shape)
    if len(shape) == 2 and shape[0] == 1:
        shape = shape[1:]
    count = len(tensor.values)
    return shape == [count] and (count == 1 or tensor.name in SESSION_TENSORS)


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
