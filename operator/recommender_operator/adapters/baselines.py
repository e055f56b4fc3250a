"""Baselines of counters: one object a window, read with one request for all of a model.

A baseline that cannot be kept must not fail the look: a bad version has to lose its requests all
the same. It then reads as a baseline with an error and, from the memory of this process, with the
counters that a verdict Fail needs; another process tries again, and sees the same.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import logging
from collections.abc import Collection, Mapping

from recommender_operator.adapters import owned, redaction
from recommender_operator.adapters.kube import BASELINES, ConflictError, Kube, KubeError, Object
from recommender_operator.observed import Baseline, ModelObject, VersionObject
from recommender_operator.resources import baselines, labels
from recommender_operator.resources.baselines import BaselineTooLargeError
from recommender_operator.resources.labels import Manifest

logger = logging.getLogger(__name__)

#: Baselines that could not be kept, and are remembered.
REMEMBERED_ERRORS = 256
#: Numbers that are remembered of one.
REMEMBERED_NUMBERS = 50_000
#: Answers that may pass: the look is repeated.
_PASSING = frozenset({0, 409, 429})


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeptBaselines:
    """The baselines of a model by key, and its objects by name, readable or not."""

    baselines: Mapping[str, Baseline]
    objects: Mapping[str, Object]


class BaselineStore:
    """Reads and writes the baselines of all models."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._errors: collections.OrderedDict[tuple[str, str], Baseline] = (
            collections.OrderedDict()
        )

    async def read(self, namespace: str, model: str) -> list[Object]:
        """Return the objects with the labels of a model, whoever made them."""
        return await self._kube.list(BASELINES, namespace, labels.of_model(model))

    async def unpacked(
        self, model: ModelObject, found: Collection[Object], uids: Collection[str]
    ) -> KeptBaselines:
        """Return what of it one of the uids controls; what cannot be read counts as absent."""
        own = owned.controlled_by(found, uids)
        read = await asyncio.to_thread(lambda: [baselines.read(thing) for thing in own])
        objects = {thing["metadata"]["name"]: thing for thing in own}
        kept: dict[str, Baseline] = {}
        for name, baseline in zip(objects, read, strict=True):
            # Under another name nothing would ever replace it.
            if baseline is not None and name == baselines.name(model.name, baseline.key):
                kept[baseline.key] = baseline
        for (uid, key), failed in self._errors.items():
            if uid == model.uid and (key not in kept or kept[key].taken_at < failed.taken_at):
                kept[key] = failed
        return KeptBaselines(baselines=kept, objects=objects)

    async def save(
        self,
        model: ModelObject,
        version: VersionObject | None,
        baseline: Baseline,
        over: Object | None,
    ) -> Object | None:
        """Keep a baseline over the object that was read under its name, if there was one.

        Returns the object as stored; None if it could not be kept, which the next look tells.

        Raises:
            ConflictError: another one is there by now.
            KubeError: the API server failed, and may not fail again.
        """
        try:
            manifest = await asyncio.to_thread(
                baselines.counter_baseline, model, version, baseline
            )
            if over is not None:
                stored: Object | None = await self._kube.apply(BASELINES, manifest, over=over)
            else:
                stored = await self._kube.create(BASELINES, manifest)
            if stored is None:
                stored = await self._met(model, version, manifest)
        except BaselineTooLargeError as error:
            self._fail(model, baseline, str(error))
            return None
        except KubeError as error:
            if _passes(error):
                raise
            self._fail(model, baseline, str(error))
            return None
        self._errors.pop((model.uid, baseline.key), None)
        return stored

    async def _met(
        self, model: ModelObject, version: VersionObject | None, manifest: Manifest
    ) -> Object:
        """Return the object of that name, which the look did not see, if it is the very same.

        Raises:
            ConflictError: the model's own, with other counters.
            KubeError: anybody else's.
        """
        name = manifest["metadata"]["name"]
        uids = {model.uid} | ({version.uid} if version else set())
        for thing in owned.controlled_by(await self.read(model.namespace, model.name), uids):
            if thing["metadata"]["name"] != name:
                continue
            if thing["spec"] == manifest["spec"]:
                return thing
            raise ConflictError(f"CounterBaseline {name} exists by now", status=409)
        raise KubeError(
            f"CounterBaseline {name} exists, and is not owned by {model.name} or its version: "
            "delete it",
            status=422,
        )

    def _fail(self, model: ModelObject, baseline: Baseline, why: str) -> None:
        why = redaction.head(why)
        logger.warning("Baseline %s of %s/%s: %s", baseline.key, model.namespace, model.name, why)
        samples = baselines.reduced(baseline.samples)
        numbers = sum(len(one) for sample in samples.values() for one in sample.values())
        self._errors[model.uid, baseline.key] = dataclasses.replace(
            baseline, samples=samples if numbers <= REMEMBERED_NUMBERS else {}, error=why
        )
        while len(self._errors) > REMEMBERED_ERRORS:
            self._errors.popitem(last=False)

    async def drop(self, model: ModelObject, key: str, found: Object | None) -> None:
        """Forget a key; nothing happens if it is not there."""
        self._errors.pop((model.uid, key), None)
        if found is not None:
            metadata = found["metadata"]
            await self._kube.delete(
                BASELINES, model.namespace, metadata["name"], uid=metadata["uid"]
            )


def _passes(error: KubeError) -> bool:
    """Whether a failed write may succeed at the next look."""
    if error.namespace_terminating:
        return True
    return error.status in _PASSING or (error.status >= 500 and "too large" not in str(error))
