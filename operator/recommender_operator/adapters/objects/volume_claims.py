"""Reads the claims that a model names."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

from recommender_operator.adapters.kinds import CLAIMS
from recommender_operator.api import sub_paths
from recommender_operator.controller.kube import Kube, Object
from recommender_operator.observed import Claim
from recommender_operator.resources import labels

#: Lifetimes of cached claims, in seconds: of usable and of unusable ones.
FRESH, FRESH_PROBLEM = 60.0, 5.0
#: Maximum number of cached claims.
REMEMBERED = 10_000


class ClaimReader:
    """Reads claims one by one: a list would require access to all claims of the namespace."""

    def __init__(self, kube: Kube, clock: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, Claim | None]] = {}

    async def read(self, namespace: str, names: Collection[str]) -> dict[str, Claim | None]:
        """Return the claims by name; None for one that does not exist."""
        distinct = sorted(set(names))
        found = await asyncio.gather(*(self._one(namespace, name) for name in distinct))
        return dict(zip(distinct, found, strict=True))

    async def _one(self, namespace: str, name: str) -> Claim | None:
        known = self._known.get((namespace, name))
        if known is not None:
            read_at, claim = known
            usable = claim is not None and claim.phase == "Bound" and not claim.deleting
            if self._clock() - read_at < (FRESH if usable else FRESH_PROBLEM):
                return claim
        if not sub_paths.is_claim_name(name):
            return None  # An invalid name might address another resource.
        raw = await self._kube.get(CLAIMS, namespace, name)
        claim = None if raw is None else _claim(raw)
        self._known.pop((namespace, name), None)
        self._known[namespace, name] = (self._clock(), claim)
        while len(self._known) > REMEMBERED:
            self._known.pop(next(iter(self._known)))
        return claim


def _claim(raw: Object) -> Claim:
    metadata, spec = raw["metadata"], raw.get("spec") or {}
    return Claim(
        phase=str((raw.get("status") or {}).get("phase") or "Pending"),
        deleting=bool(metadata.get("deletionTimestamp")),
        access_modes=tuple(str(mode) for mode in spec.get("accessModes") or ()),
        block=spec.get("volumeMode") == "Block",
        labelled=(metadata.get("labels") or {}).get(labels.STORAGE) == "true",
    )
