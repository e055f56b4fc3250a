"""Fields of pods from a section `scheduling` of the spec."""

from __future__ import annotations

from recommender_operator.api.spec_scheduling import Scheduling
from recommender_operator.resources.labels import Manifest

_OF_METADATA = {"pod_labels", "pod_annotations"}


def pod(wanted: Scheduling | None, *, account: bool = True) -> Manifest:
    """Return the fields of a pod's spec that are set; without `account` no service account."""
    if wanted is None:
        return {}
    content: Manifest = wanted.model_dump(
        mode="json",
        by_alias=True,
        exclude_defaults=True,
        exclude=_OF_METADATA if account else {*_OF_METADATA, "service_account_name"},
    )
    return content


def pod_labels(wanted: Scheduling | None, own: dict[str, str]) -> dict[str, str]:
    """Return the labels of a pod; the operator's own take precedence."""
    return {**(wanted.pod_labels if wanted is not None else {}), **own}


def pod_annotations(wanted: Scheduling | None) -> Manifest:
    """Return the field annotations of a pod's metadata, if there are any."""
    if wanted is None or not wanted.pod_annotations:
        return {}
    return {"annotations": dict(wanted.pod_annotations)}
