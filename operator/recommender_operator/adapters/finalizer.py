"""The operator's finalizer: a deleted model stays until its artifacts are removed.

Each change carries the uid and the resourceVersion that the look read, and only the release that
acts on a model makes one. Kopf's own handling would mark the models of other releases as well.
"""

from __future__ import annotations

from recommender_operator.adapters.kube import MODELS, Kube, Object
from recommender_operator.api.base import GROUP

FINALIZER = f"{GROUP}/operator"


def is_held(raw: Object) -> bool:
    """Return whether a model waits for the operator before it goes."""
    return FINALIZER in (raw["metadata"].get("finalizers") or [])


class Finalizers:
    """Sets and takes away the finalizer over a model as it was read; others' stay.

    Both raise KubeError: ConflictError if the model is no longer what was read.
    """

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def hold(self, raw: Object) -> Object | None:
        """Return the model with the finalizer; None if the model is gone.

        One that is being deleted takes no new finalizer, and is returned as it is.
        """
        if is_held(raw) or raw["metadata"].get("deletionTimestamp"):
            return raw
        return await self._write(raw, [*(raw["metadata"].get("finalizers") or []), FINALIZER])

    async def release(self, raw: Object) -> None:
        """Let a model go; its status may have been written since it was read."""
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
