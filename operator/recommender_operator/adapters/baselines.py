"""Baselines of counters in the ConfigMap of a model."""

from __future__ import annotations

from collections.abc import Mapping

from recommender_operator.adapters.kube import CONFIG_MAPS, Kube
from recommender_operator.adapters.owned_writes import Claim, OwnedObjects
from recommender_operator.adapters.seen import Seen
from recommender_operator.observed import Baseline, ModelObject
from recommender_operator.resources import baselines, names


class BaselineStore:
    """Reads and writes one entry a key."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._objects = OwnedObjects(kube)

    async def read(self, namespace: str, model: str, seen: Seen) -> dict[str, Baseline]:
        """Return the baselines by key; an entry that cannot be read counts as absent."""
        found = await self._kube.get(CONFIG_MAPS, namespace, names.baselines_name(model))
        seen.read(CONFIG_MAPS, [found] if found is not None else [])
        entries = ((found or {}).get("data") or {}).values()
        read = (baselines.unpack(str(entry)) for entry in entries)
        return {baseline.key: baseline for baseline in read if baseline is not None}

    async def save(self, model: ModelObject, baseline: Baseline, seen: Seen) -> None:
        """Keep a baseline under its key; what had the key is replaced.

        Raises:
            BaselineTooLargeError: it does not fit.
        """
        data = {baselines.entry_name(baseline.key): baselines.pack(baseline)}
        claim = Claim(owners=(model.uid,), seen=seen)
        if not await self._patch(model, data, claim):
            manifest = {**baselines.config_map(model), "data": data}
            await self._objects.create(CONFIG_MAPS, manifest, claim)

    async def drop(self, model: ModelObject, key: str, seen: Seen) -> None:
        """Forget a key; nothing happens if it is not there."""
        claim = Claim(owners=(model.uid,), seen=seen)
        await self._patch(model, {baselines.entry_name(key): None}, claim)

    async def _patch(
        self, model: ModelObject, data: Mapping[str, str | None], claim: Claim
    ) -> bool:
        name = names.baselines_name(model.name)
        found = await self._objects.read(CONFIG_MAPS, model.namespace, name, claim)
        if found is None:
            return False
        patched = await self._objects.patch(CONFIG_MAPS, found, {"data": dict(data)}, claim)
        return patched is not None
