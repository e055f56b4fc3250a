"""Fresh deployments that the API server refused: a quota, an admission policy, a missing right.

A rollout goes on without one (`extensions/baseline/`), so a refusal must not end the
pass: the status would not be written, and with it the time since which the rollout waits.
"""

from __future__ import annotations

import collections
import contextlib
import logging
from collections.abc import Iterator

from recommender_operator.controller import redaction
from recommender_operator.controller.kube import KubeError
from recommender_operator.observed import ModelObject

logger = logging.getLogger(__name__)

#: Maximum number of remembered refusals; a forgotten one is only missing in a message.
REMEMBERED = 256


class RefusedServices:
    """The last refusal of each fresh deployment, in the memory of this process."""

    def __init__(self) -> None:
        self._why: collections.OrderedDict[tuple[str, str], str] = collections.OrderedDict()

    def of(self, model: ModelObject) -> dict[str, str]:
        """Return why deployments of a model were refused, by name."""
        return {name: why for (uid, name), why in self._why.items() if uid == model.uid}

    @contextlib.contextmanager
    def noted(self, model: ModelObject, deployment: str) -> Iterator[None]:
        """Remember a refusal instead of raising it.

        Raises:
            ConflictError: an object has changed.
            KubeError: the API server failed, or its refusal is no answer about the object.
        """
        place = (model.uid, deployment)
        try:
            yield
        except KubeError as error:
            if not error.refuses_object:
                raise
            why = redaction.head(str(error))
            logger.warning("%s/%s is refused: %s", model.namespace, deployment, why)
            self._why[place] = why
            self._why.move_to_end(place)
            if len(self._why) > REMEMBERED:
                self._why.popitem(last=False)
        else:
            self._why.pop(place, None)
