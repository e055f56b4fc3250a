"""CounterBaselines: one object per window; one request reads all of a model.

A baseline that cannot be stored must not fail the pass, because a bad version must still lose its
traffic. It is then read as a baseline with an error and, from the memory of this process, the
counters that a Fail needs; another process tries to store it again.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import logging
from collections.abc import Collection, Mapping

from recommender_operator.adapters.kinds import BASELINES, KINDS
from recommender_operator.adapters.objects import owned
from recommender_operator.adapters.objects.owned_writes import (
    Claim,
    ForeignObjectError,
    OwnedObjects,
)
from recommender_operator.controller import redaction
from recommender_operator.controller.kube import Kube, KubeError, Object
from recommender_operator.observed import Baseline, ModelObject, VersionObject
from recommender_operator.resources import counter_baselines as baselines
from recommender_operator.resources import labels
from recommender_operator.resources.counter_baselines import BaselineTooLargeError
from recommender_operator.resources.ownership import Foreign, foreign, owned_by

logger = logging.getLogger(__name__)

#: Maximum number of baselines in memory that could not be stored.
REMEMBERED_ERRORS = 256
#: Maximum number of counters of each in memory.
REMEMBERED_NUMBERS = 50_000
#: Temporary errors (HTTP statuses), after which the pass is repeated.
_PASSING = frozenset({0, 409, 429})


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeptBaselines:
    """The baselines of a model by key, and foreign objects with their names."""

    baselines: Mapping[str, Baseline]
    foreign: tuple[Foreign, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Unkept:
    """A baseline that could not be stored, and whether a foreign object is the cause."""

    baseline: Baseline
    is_blocked: bool


class BaselineStore:
    """Reads and writes the baselines of all models."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._objects = OwnedObjects(kube)
        self._unkept: collections.OrderedDict[tuple[str, str], _Unkept] = collections.OrderedDict()

    async def read(self, namespace: str, model: str) -> list[Object]:
        """Return the objects with the labels of a model, including foreign ones."""
        return await self._kube.list(BASELINES, namespace, labels.of_model(model))

    async def unpacked(
        self, model: ModelObject, found: Collection[Object], uids: Collection[str]
    ) -> KeptBaselines:
        """Return the baselines that one of the uids controls; invalid ones count as missing."""
        own = owned.controlled_by(found, uids)
        read: list[Baseline | None] = []
        if own:
            read = await asyncio.to_thread(
                lambda: [baselines.parse_baseline(thing) for thing in own]
            )
        kept: dict[str, Baseline] = {}
        for thing, baseline in zip(own, read, strict=True):
            # An object with another name would never be replaced.
            name = thing["metadata"]["name"]
            if baseline is not None and name == baselines.name(model.name, baseline.key):
                kept[baseline.key] = baseline
        in_the_way = await self._in_the_way(model, uids)
        for (uid, key), unkept in self._unkept.items():
            failed = unkept.baseline
            if uid == model.uid and (key not in kept or kept[key].taken_at < failed.taken_at):
                kept[key] = failed
        return KeptBaselines(baselines=kept, foreign=in_the_way)

    async def _in_the_way(self, model: ModelObject, uids: Collection[str]) -> tuple[Foreign, ...]:
        """Return the foreign objects that prevented baselines, except deleted ones."""
        blocked = [k for k, one in self._unkept.items() if k[0] == model.uid and one.is_blocked]
        there = []
        for place in blocked:
            name = baselines.name(model.name, place[1])
            thing = await self._kube.get(BASELINES, model.namespace, name)
            if thing is None or owned_by(thing, uids):
                self._unkept.pop(place, None)
            else:
                there.append(foreign(KINDS[BASELINES], thing))
        return tuple(there)

    async def save(
        self,
        model: ModelObject,
        version: VersionObject | None,
        baseline: Baseline,
        claim: Claim,
    ) -> None:
        """Store a baseline; after a permanent error, the next pass reads it with the error.

        Raises:
            ForeignObjectError: a foreign object has its name.
            ConflictError: it was created or changed meanwhile.
            KubeError: the API server failed with a temporary error.
        """
        try:
            manifest = await asyncio.to_thread(
                baselines.counter_baseline, model, version, baseline
            )
            await self._objects.apply(BASELINES, manifest, claim)
        except BaselineTooLargeError as error:
            self._fail(model, baseline, str(error))
        except ForeignObjectError as error:
            self._fail(model, baseline, str(error), is_blocked=True)
            raise
        except KubeError as error:
            if _passes(error):
                raise
            self._fail(model, baseline, str(error))
        else:
            self._unkept.pop((model.uid, baseline.key), None)

    def _fail(
        self, model: ModelObject, baseline: Baseline, why: str, *, is_blocked: bool = False
    ) -> None:
        why = redaction.head(why)
        logger.warning("Baseline %s of %s/%s: %s", baseline.key, model.namespace, model.name, why)
        samples = baselines.reduced(baseline.samples)
        numbers = sum(len(one) for sample in samples.values() for one in sample.values())
        failed = dataclasses.replace(
            baseline, samples=samples if numbers <= REMEMBERED_NUMBERS else {}, error=why
        )
        place = (model.uid, baseline.key)
        self._unkept[place] = _Unkept(baseline=failed, is_blocked=is_blocked)
        while len(self._unkept) > REMEMBERED_ERRORS:
            self._unkept.popitem(last=False)

    async def drop(self, model: ModelObject, key: str, claim: Claim) -> None:
        """Delete the baseline of a key, if it exists.

        Raises:
            ForeignObjectError: a foreign object has its name.
        """
        self._unkept.pop((model.uid, key), None)
        name = baselines.name(model.name, key)
        await self._objects.delete(BASELINES, model.namespace, name, claim)


def _passes(error: KubeError) -> bool:
    """Return whether a failed write may succeed at the next pass."""
    if error.namespace_terminating:
        return True
    return error.status in _PASSING or (error.status >= 500 and "too large" not in str(error))
