"""CounterBaselines: the counters at the start of a window, one object per window.

The pods of a version have the same series, so the names are stored once, and each series is a
column with one number per pod. Before the compression the numbers' bytes are grouped by position,
because the high bytes of counters are similar. Counters that do not fit are refused, not cut.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pydantic

from recommender_contract import metrics
from recommender_contract.api_names import API_VERSION, GROUP
from recommender_operator.analysis import counter_window
from recommender_operator.api.baseline import PACKED_LIMIT, CounterBaselineSpec
from recommender_operator.observed import Baseline, ModelObject, Sample, VersionObject
from recommender_operator.resources import labels, names
from recommender_operator.resources.labels import Manifest

#: Maximum size of an unpacked baseline, in bytes.
UNPACKED_LIMIT = 32 * 2**20
#: Largest integer up to which floats are exact.
_EXACT = 2**53
#: Bytes per number.
_WIDTH = 8
#: Value for a series that a pod does not have; in columns of floats, NaN.
_NO_INTEGER = -(2**63)
_INTEGERS, _FLOATS = "q", "d"
_OF_REQUESTS = (
    metrics.REQUESTS,
    metrics.DURATION_BUCKET,
    metrics.ANSWERS,
    metrics.FALLBACKS,
    metrics.SESSIONS,
    metrics.CREATED,
    counter_window.LOST_AT_GATEWAY,
    metrics.COPIES,
)


class BaselineTooLargeError(Exception):
    """A baseline does not fit an object."""


def counter_baseline(
    model: ModelObject, version: VersionObject | None, baseline: Baseline
) -> Manifest:
    """Return the object, owned by the version in its key, or by the model.

    Raises:
        BaselineTooLargeError: the counters do not fit.
    """
    owned_by = labels.owned_by_version(version) if version else labels.owned_by_model(model)
    spec = CounterBaselineSpec(
        model=model.name,
        key=baseline.key,
        taken_at=baseline.taken_at,
        pods=sum(
            counter_window.is_pod(name) for sample in baseline.samples.values() for name in sample
        ),
        counters=pack(baseline.samples),
    )
    return {
        "apiVersion": f"{GROUP}/{API_VERSION}",
        "kind": "CounterBaseline",
        "metadata": {
            "name": name(model.name, baseline.key),
            "namespace": model.namespace,
            "labels": labels.of_model(model.name),
            "ownerReferences": owned_by,
        },
        "spec": spec.dump(),
    }


def name(model: str, key: str) -> str:
    """Return the object's name for a window of a model."""
    return f"{model}-{hashlib.sha256(key.encode()).hexdigest()[: names.BASELINE_DIGITS]}"


def version_of(key: str) -> str:
    """Return the version in the key of a window."""
    return key.partition("/")[2]


def reduced(samples: Mapping[str, Sample]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the samples without the counters of features."""
    return {
        version: {
            pod: {key: value for key, value in counters.items() if key.startswith(_OF_REQUESTS)}
            for pod, counters in sample.items()
        }
        for version, sample in samples.items()
    }


def parse_baseline(thing: Manifest) -> Baseline | None:
    """Return the baseline of an object; None if it is invalid."""
    try:
        spec = CounterBaselineSpec.model_validate(thing.get("spec") or {})
        samples = unpack(spec.counters)
    except (pydantic.ValidationError, ValueError):
        return None
    return Baseline(key=spec.key, taken_at=spec.taken_at, samples=samples)


def pack(samples: Mapping[str, Sample]) -> str:
    """Return counters as compressed text.

    Raises:
        BaselineTooLargeError: the text exceeds PACKED_LIMIT.
    """
    arms, columns = [], []
    for version, sample in samples.items():
        series = sorted({one for counters in sample.values() for one in counters})
        kinds = ""
        for one in series:
            kind, column = _column([counters.get(one) for counters in sample.values()])
            kinds += kind
            columns.append(column)
        # A pod without counters differs from one that does not exist.
        arms.append({"version": version, "pods": list(sample), "series": series, "kinds": kinds})
    head = json.dumps(arms, separators=(",", ":")).encode()
    body = b"".join(columns)
    planes = b"".join(body[place::_WIDTH] for place in range(_WIDTH))
    packed = zlib.compress(struct.pack("<I", len(head)) + head + planes, zlib.Z_BEST_COMPRESSION)
    text = base64.b64encode(packed).decode()
    if len(text) > PACKED_LIMIT:
        pods = sum(len(sample) for sample in samples.values())
        raise BaselineTooLargeError(
            f"the counters of {pods} pods take {len(text)} characters; the limit is "
            f"{PACKED_LIMIT}: reduce serving.replicas"
        )
    return text


def _column(values: Sequence[float | None]) -> tuple[str, bytes]:
    whole = _whole([0 if value is None else value for value in values])
    if whole is None:
        floats = [math.nan if value is None else value for value in values]
        return _FLOATS, struct.pack(f"<{len(floats)}{_FLOATS}", *floats)
    if None in values:
        pairs = zip(values, whole, strict=True)
        whole = [_NO_INTEGER if value is None else number for value, number in pairs]
    return _INTEGERS, struct.pack(f"<{len(whole)}{_INTEGERS}", *whole)


def _whole(values: Sequence[float]) -> list[int] | None:
    """Return numbers as integers; None if one of them is fractional or too large to be exact."""
    try:
        whole = list(map(int, values))
    except (ValueError, OverflowError):
        return None
    exact = max(map(abs, whole), default=0) <= _EXACT
    return whole if exact and whole == values else None


def unpack(text: str) -> dict[str, dict[str, dict[str, float]]]:
    """Return the counters by version, pod and series.

    Raises:
        ValueError: the text is not a result of `pack`.
    """
    content = _inflated(text)
    try:
        (length,) = struct.unpack_from("<I", content)
        arms = json.loads(content[4 : 4 + length])
        planes = content[4 + length :]
        count = len(planes) // _WIDTH
        body = bytearray(len(planes))
        for place in range(_WIDTH):
            body[place::_WIDTH] = planes[place * count : (place + 1) * count]
        if sum(len(arm["pods"]) * len(arm["kinds"]) for arm in arms) * _WIDTH != len(body):
            raise ValueError("not packed counters: the numbers do not match the series")
        columns = _columns(arms, bytes(body))
        return {str(arm["version"]): _sample(arm, columns) for arm in arms}
    except (struct.error, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not packed counters: {error}") from error


def _inflated(text: str) -> bytes:
    try:
        packed = base64.b64decode(text, validate=True)
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(packed, UNPACKED_LIMIT)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"not packed counters: {error}") from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise ValueError("not packed counters: truncated or too large")
    return content


def _columns(arms: Sequence[Mapping[str, Any]], body: bytes) -> Iterator[list[float | None]]:
    at = 0
    for arm in arms:
        pods = len(arm["pods"])
        for kind in arm["kinds"]:
            numbers = struct.unpack_from(f"<{pods}{_checked(kind)}", body, at)
            at += pods * _WIDTH
            yield [None if _is_absent(number) else float(number) for number in numbers]


def _checked(kind: str) -> str:
    if kind not in (_INTEGERS, _FLOATS):
        raise ValueError(f"not packed counters: kind {kind!r}")
    return kind


def _is_absent(number: float) -> bool:
    return number == _NO_INTEGER or math.isnan(number)


def _sample(
    arm: Mapping[str, Any], columns: Iterator[list[float | None]]
) -> dict[str, dict[str, float]]:
    sample: dict[str, dict[str, float]] = {str(pod): {} for pod in arm["pods"]}
    rows = list(sample.values())
    for series, _ in zip(arm["series"], arm["kinds"], strict=True):
        for row, value in zip(rows, next(columns), strict=True):
            if value is not None:
                row[str(series)] = value
    return sample
