"""The operator's finalizer: a deleted model stays until its artifacts are removed.

Each change carries the uid and the resourceVersion that were read, and only the release that
manages a model makes one. Kopf's finalizer would also be added to models of other releases.
"""

from __future__ import annotations

from recommender_operator.adapters.kubernetes.port import MODELS, Kube, Object
from recommender_operator.api.base import GROUP

FINALIZER = f"{GROUP}/operator"


def is_held(raw: Object) -> bool:
    """Return whether a model has the operator's finalizer."""
    return FINALIZER in (raw["metadata"].get("finalizers") or [])


class Finalizers:
    """Adds and removes the finalizer, and keeps those of others.

    Both methods raise KubeError, and ConflictError if the model has changed since it was read.
    """

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def hold(self, raw: Object) -> Object | None:
        """Add the finalizer and return the model; None if it is deleted.

        A model that is being deleted accepts no new finalizer, and is returned unchanged.
        """
        if is_held(raw) or raw["metadata"].get("deletionTimestamp"):
            return raw
        return await self._write(raw, [*(raw["metadata"].get("finalizers") or []), FINALIZER])

    async def release(self, raw: Object) -> None:
        """Remove the finalizer; the status of the model may have changed since it was read."""
        metadata = raw["metadata"]
        now = await self._kube.get(MODELS, metadata["namespace"], metadata["name"])
        if now is None or now["metadata"]["uid"] != metadata["uid"] or not is_held(now):
            return
        await self._write(now, [f for f in now["metadata"]["finalizers"] if f != FINALIZER])

    async def _write(self, over: Object, finalizers: list[str]) -> Object | None:
        metadata = over["metadata"]
        seen = {key: metadata[key] for key in ("uid", "resourceVersion")}
        patch = {"metadata": {**seen, "finalizers": finalizers}}
        return await self._kube.patch(MODELS, metadata["namespace"], metadata["name"], patch)
