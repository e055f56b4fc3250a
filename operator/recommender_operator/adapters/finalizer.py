"""The operator's finalizer: a deleted model stays until what it left behind is removed.

Each change carries the uid and the resourceVersion that the look read, and only the release that
acts on a model makes one. Kopf's own handling would mark the models of other releases as well.
"""

from __future__ import annotations

from recommender_operator.adapters.kube import MODELS, Kube, Object
from recommender_operator.api.base import GROUP

FINALIZER = f"{GROUP}/operator"


def is_held(raw: Object) -> bool:
    """Return whether a model has the finalizer."""
    return FINALIZER in _of(raw)


async def hold(kube: Kube, raw: Object) -> Object | None:
    """Return a model with the finalizer; None if it is gone.

    One that is being deleted takes no new finalizer, and is returned as it is.

    Raises:
        ConflictError: it has changed since it was read.
        KubeError: the API server failed.
    """
    if is_held(raw) or raw["metadata"].get("deletionTimestamp"):
        return raw
    return await _write(kube, raw, [*_of(raw), FINALIZER])


async def free(kube: Kube, raw: Object) -> None:
    """Let a deleted model go.

    Raises:
        ConflictError: it has changed since it was read.
        KubeError: the API server failed.
    """
    if is_held(raw):
        await _write(kube, raw, [name for name in _of(raw) if name != FINALIZER])


def _of(raw: Object) -> list[str]:
    return raw["metadata"].get("finalizers") or []


async def _write(kube: Kube, raw: Object, finalizers: list[str]) -> Object | None:
    metadata = raw["metadata"]
    seen = {key: metadata[key] for key in ("uid", "resourceVersion")}
    patch = {"metadata": {**seen, "finalizers": finalizers}}
    return await kube.patch(MODELS, metadata["namespace"], metadata["name"], patch)
