"""Baselines of counters in the ConfigMap of a model."""

from __future__ import annotations

from collections.abc import Mapping

from recommender_operator.adapters.kube import CONFIG_MAPS, Kube
from recommender_operator.observed import Baseline, ModelObject
from recommender_operator.resources import baselines, names


class BaselineStore:
    """Reads and writes one entry a key."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def read(self, namespace: str, model: str) -> dict[str, Baseline]:
        """Return the baselines by key; an entry that cannot be read counts as absent."""
        found = await self._kube.get(CONFIG_MAPS, namespace, names.baselines_name(model))
        entries = ((found or {}).get("data") or {}).values()
        read = (baselines.unpack(str(entry)) for entry in entries)
        return {baseline.key: baseline for baseline in read if baseline is not None}

    async def save(self, model: ModelObject, baseline: Baseline) -> None:
        """Keep a baseline under its key; what had the key is replaced.

        Raises:
            BaselineTooLargeError: it does not fit.
        """
        data = {baselines.entry_name(baseline.key): baselines.pack(baseline)}
        if not await self._patch(model, data):
            manifest = {**baselines.config_map(model), "data": data}
            if not await self._kube.create(CONFIG_MAPS, manifest):
                await self._patch(model, data)

    async def drop(self, model: ModelObject, key: str) -> None:
        """Forget a key; nothing happens if it is not there."""
        await self._patch(model, {baselines.entry_name(key): None})

    async def _patch(self, model: ModelObject, data: Mapping[str, str | None]) -> bool:
        name = names.baselines_name(model.name)
        patched = await self._kube.patch(CONFIG_MAPS, model.namespace, name, {"data": data})
        return patched is not None
