"""The smoke inference as a part of a look: what a version answers is seen before it is decided on.

So one decision takes a version that is ready from its deployment to its rollout, or rejects it,
with one write of its status. A crash in between loses an answer, and the next look asks again.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import Callable, Sequence

from recommender_operator import actions as do
from recommender_operator.adapters import pods as podstates
from recommender_operator.adapters.kube import PODS, Kube, Object
from recommender_operator.adapters.ports import SmokeTester
from recommender_operator.api.spec_mapping import IdKinds
from recommender_operator.api.version import Smoke
from recommender_operator.observe import Snapshot
from recommender_operator.observed import VersionObject
from recommender_operator.resources import labels

logger = logging.getLogger(__name__)


class SmokeAsker:
    """Asks the versions that a decision wants to have asked."""

    def __init__(
        self, direct: Kube, smoke: SmokeTester, now: Callable[[], datetime.datetime]
    ) -> None:
        """`direct` reads what is so now, and no cache."""
        self._direct = direct
        self._smoke = smoke
        self._now = now

    async def answers(self, snapshot: Snapshot, decision: do.Decision) -> Snapshot | None:
        """Return what is seen with the answers; None if there is none to decide on.

        An inference may take seconds: what changes the route goes first, and is looked at again.

        Raises:
            KubeError: the pods could not be read.
        """
        if any(
            isinstance(action, do.SetTraffic | do.RemoveTraffic) for action in decision.actions
        ):
            return None
        versions = {version.name: version for version in snapshot.observed.versions}
        smokes: dict[str, Smoke] = {}
        for action in decision.actions:
            if isinstance(action, do.RunSmoke) and action.version in versions:
                answer = await self._ask(snapshot, versions[action.version])
                if answer is not None:
                    smokes[action.version] = answer
        if not smokes:
            return None
        observed = dataclasses.replace(snapshot.observed, smokes=smokes)
        return dataclasses.replace(snapshot, observed=observed)

    async def _ask(self, snapshot: Snapshot, version: VersionObject) -> Smoke | None:
        """Ask the newest ready pod of a version."""
        model, name = snapshot.observed.model, version.name
        live = await self._live(model.namespace, model.name, name, snapshot.pods.get(name, ()))
        ready = [pod for pod in live if podstates.is_ready(pod)]
        service = snapshot.observed.services.get(name)
        if not ready or service is None:
            logger.info("%s has no ready pod to ask; the next look decides", name)
            return None
        newest = max(ready, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
        mapping = version.spec.data.source.mapping
        ids = mapping.ids if mapping is not None else IdKinds()
        answer = await self._smoke.smoke(podstates.pod_ref(newest), self._now(), ids)
        return answer.model_copy(update={"service": service.uid})

    async def _live(
        self, namespace: str, model: str, version: str, seen: Sequence[Object]
    ) -> list[Object]:
        """Return the pods of a version as they are now.

        An address in a cache may be another pod's by now, and its answer would pass the version.
        """
        wanted = {labels.MODEL: model, labels.VERSION: version}
        found = await self._direct.list(PODS, namespace, wanted)
        now = {pod["metadata"]["uid"]: pod for pod in found}
        uids = [pod["metadata"]["uid"] for pod in seen]
        return [now[uid] for uid in uids if uid in now]
