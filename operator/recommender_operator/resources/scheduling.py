"""Fields of pods from a section `scheduling` of the spec."""

from __future__ import annotations

from recommender_operator.api.spec_scheduling import Scheduling
from recommender_operator.resources.labels import Manifest

_OF_METADATA = {"pod_labels", "pod_annotations"}


def of_removal(wanted: Scheduling | None) -> Scheduling | None:
    """Return the scheduling of a Job that removes files: the nodes that it may run on.

    An account, priority class, affinity, label or annotation that nothing admits any more would
    block the deletion of a model.
    """
    if wanted is None:
        return None
    return Scheduling(node_selector=wanted.node_selector, tolerations=wanted.tolerations)


def pod(wanted: Scheduling | None) -> Manifest:
    """Return the fields of a pod's spec that are set."""
    if wanted is None:
        return {}
    content: Manifest = wanted.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude=_OF_METADATA
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
