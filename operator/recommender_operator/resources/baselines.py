"""The ConfigMap with the counters at the start of each window.

Each baseline is one entry, so that two windows never overwrite one another. A large one is
compressed; what does not fit a ConfigMap is refused, never cut.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import gzip
import hashlib
import json
import math
import re
import zlib

from recommender_operator.observed import Baseline, ModelObject
from recommender_operator.resources import labels, names
from recommender_operator.resources.labels import Manifest

#: A longer text is compressed, in characters.
PLAIN_LIMIT = 8_192
#: No entry may be longer than this, in characters; a ConfigMap holds 1 MiB.
ENTRY_LIMIT = 200_000
#: No compressed entry may unpack to more than this, in bytes.
UNPACKED_LIMIT = 8_000_000
_PACKED = "gzip:"


class BaselineTooLargeError(Exception):
    """A baseline does not fit its ConfigMap."""


def config_map(model: ModelObject) -> Manifest:
    """Return the ConfigMap without entries, owned by the model."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": names.baselines_name(model.name),
            "namespace": model.namespace,
            "labels": labels.of_model(model.name),
            "ownerReferences": labels.owned_by_model(model),
        },
    }


def entry_name(key: str) -> str:
    """Return a valid and unique name of a ConfigMap's entry for any key."""
    if re.fullmatch(r"[-._a-zA-Z0-9]{1,200}", key):
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return re.sub(r"[^-._a-zA-Z0-9]", "_", key)[:200] + "." + digest


def pack(baseline: Baseline) -> str:
    """Return a baseline as text.

    Raises:
        BaselineTooLargeError: it does not fit.
    """
    content = {
        "key": baseline.key,
        "takenAt": baseline.taken_at.isoformat(),
        "samples": {
            version: {pod: dict(counters) for pod, counters in pods.items()}
            for version, pods in baseline.samples.items()
        },
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    if len(text) > PLAIN_LIMIT:
        # Without a time in the header, so that equal content gives equal text.
        text = _PACKED + base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    if len(text) > ENTRY_LIMIT:
        raise BaselineTooLargeError(
            f"baseline {baseline.key!r} takes {len(text)} characters, the limit is {ENTRY_LIMIT}: "
            "use fewer replicas per version or the provider Prometheus"
        )
    return text


def unpack(text: str) -> Baseline | None:
    """Return the baseline of an entry; None if the entry is no baseline."""
    try:
        content = json.loads(_plain(text))
        samples = {
            str(version): {
                str(pod): {str(series): _number(value) for series, value in counters.items()}
                for pod, counters in pods.items()
            }
            for version, pods in content["samples"].items()
        }
        taken_at = datetime.datetime.fromisoformat(content["takenAt"])
        if taken_at.tzinfo is None:
            return None
        return Baseline(key=str(content["key"]), taken_at=taken_at, samples=samples)
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zlib.error):
        return None


def _plain(text: str) -> str:
    if not text.startswith(_PACKED):
        return text
    try:
        packed = base64.b64decode(text.removeprefix(_PACKED), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    unpacker = zlib.decompressobj(wbits=31)
    content = unpacker.decompress(packed, UNPACKED_LIMIT)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise ValueError("cut off, or larger than any baseline")
    return content.decode()


def _number(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number
