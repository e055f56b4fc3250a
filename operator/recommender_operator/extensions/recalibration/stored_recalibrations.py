"""The recalibrations of the champion, and whether a stored one is still wanted."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping

from recommender_operator.api.status import RetrainStatus
from recommender_operator.api.version import VersionStage
from recommender_operator.observed import ModelObject, VersionObject
from recommender_operator.resources import names

#: Time in which a new calibration may begin, as long as a window of labels acts.
_RECENT = datetime.timedelta(days=14)


def is_wanted(
    model: ModelObject,
    retrain: RetrainStatus,
    versions: Mapping[str, VersionObject],
    champion: VersionObject | None,
    now: datetime.datetime,
) -> bool:
    """Return whether a stored retraining of the current spec may still begin.

    A new calibration that has not begun is void once another version was promoted than the one
    that it is for, or its labels are those of another time: after a pin, or after the spec has
    gone back.
    """
    if retrain.recalibration is None:
        return True
    made = versions.get(names.desired_version(model.name, model.spec, retrain.token))
    is_superseded = made is not None and made.status.stage is VersionStage.SUPERSEDED
    if made is not None and not (is_superseded and made.status.artifact is None):
        return True
    if champion is None or champion.name != retrain.recalibration.of:
        return False
    return not _is_promoted_since(champion, retrain) and now - retrain.requested_at <= _RECENT


def _is_promoted_since(champion: VersionObject, retrain: RetrainStatus) -> bool:
    """Return whether a version was promoted after a request: it may have another network."""
    if retrain.sequence == 0:
        # The status of a former operator has no number; without a jump the times are right too.
        promoted_at = champion.status.promoted_at
        return promoted_at is not None and promoted_at > retrain.requested_at
    return champion.status.promotion >= retrain.sequence


def recalibrations_of(
    champion: VersionObject | None, versions: Iterable[VersionObject]
) -> list[VersionObject]:
    """Return the versions with the champion's network and a new calibration."""
    return [
        version
        for version in versions
        if champion is not None
        and version.spec.recalibration is not None
        and version.spec.recalibration.of == champion.name
    ]
