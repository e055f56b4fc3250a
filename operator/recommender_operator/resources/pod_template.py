"""Fields of pods from a pod template of the spec."""

from __future__ import annotations

from recommender_operator.api import pod_scheduling
from recommender_operator.api.spec_pod_template import PodSpec, PodTemplate
from recommender_operator.resources.labels import Manifest


def of_removal(wanted: PodTemplate | None) -> PodTemplate | None:
    """Return the template of a Job that removes files: the nodes that it may run on.

    An account, priority class, affinity, label or annotation that nothing admits any more would
    block the deletion of a model, as would tolerations that are invalid.
    """
    if wanted is None or wanted.spec is None:
        return None
    nodes = PodSpec(node_selector=wanted.spec.node_selector)
    tolerant = nodes.model_copy(update={"tolerations": wanted.spec.tolerations})
    refused = pod_scheduling.refusal("", PodTemplate(spec=tolerant))
    return PodTemplate(spec=nodes if refused else tolerant)


def pod(wanted: PodTemplate | None) -> Manifest:
    """Return the fields of a pod's spec that are set."""
    if wanted is None or wanted.spec is None:
        return {}
    content: Manifest = wanted.spec.model_dump(
        mode="json", by_alias=True, exclude_none=True, include=set(PodSpec.model_fields)
    )
    return content


def pod_labels(wanted: PodTemplate | None, own: dict[str, str]) -> dict[str, str]:
    """Return the labels of a pod; the operator's own take precedence."""
    given = wanted.metadata.labels if wanted is not None and wanted.metadata is not None else None
    return {**(given or {}), **own}


def pod_annotations(wanted: PodTemplate | None) -> Manifest:
    """Return the field annotations of a pod's metadata, if there are any."""
    if wanted is None or wanted.metadata is None or not wanted.metadata.annotations:
        return {}
    return {"annotations": dict(wanted.metadata.annotations)}
