"""The operator's finalizers: a deleted model stays until its artifacts are removed, and a deleted
version until it serves no more.

A model has the one for as long as it exists, so nothing is left with the other: it is removed from
the versions before it is from the model.

Each change carries the uid and the resourceVersion that were read, and only the release that
manages a model makes one. Kopf's finalizer would also be added to models of other releases.
"""

from __future__ import annotations

from recommender_contract.api_names import GROUP
from recommender_operator.adapters.kinds import MODELS, VERSIONS
from recommender_operator.controller.kube import Kube, Object
from recommender_operator.resources import labels
from recommender_operator.resources.ownership import owned_by

FINALIZER = f"{GROUP}/operator"


def is_held(raw: Object) -> bool:
    """Return whether a model has the operator's finalizer."""
    return FINALIZER in _finalizers(raw)


def of_version(version: Object, *, held: bool) -> list[str]:
    """Return the finalizers of a version with, or without, the one of versions that serve."""
    others = [one for one in _finalizers(version) if one != labels.SERVING_FINALIZER]
    return [*others, labels.SERVING_FINALIZER] if held else others


def _finalizers(raw: Object) -> list[str]:
    return raw["metadata"].get("finalizers") or []


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
        return await self._write(raw, [*_finalizers(raw), FINALIZER])

    async def release(self, raw: Object) -> None:
        """Remove the finalizers of the versions and the model, which may have changed since.

        Garbage collection deletes the versions, and with them what they own.
        """
        metadata = raw["metadata"]
        marks = labels.of_model(metadata["name"])
        for version in await self._kube.list(VERSIONS, metadata["namespace"], marks):
            left = of_version(version, held=False)
            if owned_by(version, {metadata["uid"]}) and left != _finalizers(version):
                place = (metadata["namespace"], version["metadata"]["name"])
                await self._kube.patch(VERSIONS, *place, _patch(version, left))
        now = await self._kube.get(MODELS, metadata["namespace"], metadata["name"])
        if now is None or now["metadata"]["uid"] != metadata["uid"] or not is_held(now):
            return
        await self._write(now, [f for f in now["metadata"]["finalizers"] if f != FINALIZER])

    async def _write(self, over: Object, finalizers: list[str]) -> Object | None:
        metadata = over["metadata"]
        place = (metadata["namespace"], metadata["name"])
        return await self._kube.patch(MODELS, *place, _patch(over, finalizers))


def _patch(over: Object, finalizers: list[str]) -> Object:
    seen = {key: over["metadata"][key] for key in ("uid", "resourceVersion")}
    return {"metadata": {**seen, "finalizers": finalizers}}
