"""A champion whose record was removed by force: the record is created again.

The finalizer of `serving_finalizer.py` keeps the record of what serves. If somebody removes that
too, the service outlives the record, because the model owns it as well, and the model's status has
a copy of what a promotion decided. It is used only if there is no record: while there is one, each
pass replaces the copy by it (`docs/adr/0135-champion-record-recovery.md`).

The two writes of a rebuild have passes of their own. Nothing else happens in them: without its
champion, a model would move its traffic and train.
"""

from __future__ import annotations

import datetime
import json
import re

import pydantic

from recommender_contract.resource.base import ApiModel
from recommender_operator.actions import Action, CreateVersion, Decision, Event, UpdateVersion
from recommender_operator.api.conditions import Reason
from recommender_operator.api.status import MAX_RECORD
from recommender_operator.api.version import ModelVersionSpec, ModelVersionStatus
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import ModelObject, Observed, VersionObject
from recommender_operator.resources import names

_SOON = datetime.timedelta(seconds=1)
_DIGEST = re.compile("sha256:[0-9a-f]{64}")
#: Fields that change while a champion serves, which would cost a write each, and the long ones,
#: which are the evidence of its rollout and its data checks.
_LEFT_OUT = {
    "weight",
    "standby",
    "unready_since",
    "interruptions",
    "requests",
    "steps",
    "experiment",
    "interleaving",
    "data_checks",
}


class _Record(ApiModel):
    spec: ModelVersionSpec
    status: ModelVersionStatus


def report_rebuild(ctx: Context, out: Outcome) -> None:
    """Keep a copy of the champion's record, as it is after this pass."""
    out.set_status(champion_record=_record_of(ctx.champion))


def _record_of(champion: VersionObject | None) -> str:
    if champion is None or champion.status.artifact is None:
        return ""
    status = champion.status.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude=_LEFT_OUT
    )
    content = {"spec": champion.spec.dump(), "status": status}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return text if len(text) <= MAX_RECORD else ""


def decision(observed: Observed) -> Decision | None:
    """Return the next write of a rebuild; None if the champion has its record."""
    name = observed.model.status.champion
    if name is None or observed.model.deleting or observed.platform.missing:
        return None
    version = next((each for each in observed.versions if each.name == name), None)
    if version is not None and version.status != ModelVersionStatus():
        return None  # as in nearly every pass, so the copy is not even read
    record = _read(observed.model)
    if record is None:
        return None
    events: tuple[Event, ...] = ()
    if version is None:
        action: Action = CreateVersion(name=name, spec=record.spec)
        events = (_event(name, record),)
    else:
        action = UpdateVersion(name=name, status=record.status)
    return Decision(
        actions=(action,), status=observed.model.status, events=events, requeue_after=_SOON
    )


def _read(model: ModelObject) -> _Record | None:
    """Return the copy; None if there is none, or none that may be used.

    It must be that of the champion, and name an artifact of this model by its digest: then pods
    serve what a publication put there, whoever wrote the status.
    """
    try:
        record = _Record.model_validate_json(model.status.champion_record)
    except pydantic.ValidationError:
        return None
    artifact = record.status.artifact
    usable = (
        record.spec.model == model.name
        and names.version_name(model.name, record.spec.spec_hash) == model.status.champion
        and artifact is not None
        and _DIGEST.fullmatch(artifact.digest) is not None
        and artifact.path == names.artifact_path(model.name, artifact.digest)
    )
    return record if usable else None


def _event(name: str, record: _Record) -> Event:
    digest = record.status.artifact.digest if record.status.artifact is not None else ""
    message = (
        f"ModelVersion {name} was removed by force while it was the champion: it is created again "
        f"and serves its artifact {digest} without a training. To replace a champion, use "
        "spec.rollbackTo or change the spec"
    )
    return Event(type="Warning", reason=Reason.REBUILT, message=message, version=name)
