"""The smoke inference as a part of a pass: the decision uses its result.

So one decision moves a ready version from its deployment to its rollout, or rejects it, with one
write of its status. A crash in between loses the result, and the next pass repeats the inference.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import Callable, Sequence

from recommender_contract.resource.mapping import IdKinds
from recommender_operator import actions as do
from recommender_operator.adapters.pods import pod_states as podstates
from recommender_operator.adapters.pods.pod_ref import SmokeTester
from recommender_operator.api.version import Smoke
from recommender_operator.controller.kube import PODS, Kube, Object
from recommender_operator.observed import VersionObject
from recommender_operator.reconcile.observer import Snapshot
from recommender_operator.resources import labels

logger = logging.getLogger(__name__)


class SmokeRunner:
    """Runs the smoke inferences that a decision requests."""

    def __init__(
        self, direct: Kube, smoke: SmokeTester, now: Callable[[], datetime.datetime]
    ) -> None:
        """`direct` reads the current state, without a cache."""
        self._direct = direct
        self._smoke = smoke
        self._now = now

    async def answers(self, snapshot: Snapshot, decision: do.Decision) -> Snapshot | None:
        """Return the snapshot with the results; None if there are none.

        An inference may take seconds, so a decision that changes the route is executed first.

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
                answer = await self._request(snapshot, versions[action.version])
                if answer is not None:
                    smokes[action.version] = answer
        if not smokes:
            return None
        observed = dataclasses.replace(snapshot.observed, smokes=smokes)
        return dataclasses.replace(snapshot, observed=observed)

    async def _request(self, snapshot: Snapshot, version: VersionObject) -> Smoke | None:
        """Run the smoke inference in the newest ready pod of a version."""
        model, name = snapshot.observed.model, version.name
        live = await self._live(model.namespace, model.name, name, snapshot.pods.get(name, ()))
        ready = [pod for pod in live if podstates.is_ready(pod)]
        service = snapshot.observed.services.get(name)
        if not ready or service is None:
            logger.info("%s has no ready pod for the smoke inference; the next pass decides", name)
            return None
        newest = max(ready, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
        mapping = version.spec.data.source.mapping
        ids = mapping.ids if mapping is not None else IdKinds()
        answer = await self._smoke.smoke(podstates.pod_ref(newest), self._now(), ids)
        return answer.model_copy(update={"service": service.uid})

    async def _live(
        self, namespace: str, model: str, version: str, seen: Sequence[Object]
    ) -> list[Object]:
        """Return the current pods of a version.

        Another pod may have got an address in the cache, and its answer must not count.
        """
        wanted = {labels.MODEL: model, labels.VERSION: version}
        found = await self._direct.list(PODS, namespace, wanted)
        now = {pod["metadata"]["uid"]: pod for pod in found}
        uids = [pod["metadata"]["uid"] for pod in seen]
        return [now[uid] for uid in uids if uid in now]
