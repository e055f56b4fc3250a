"""Which version's predictions are compared with labels."""

from __future__ import annotations

from recommender_operator.observed import ModelObject


def compared(model: ModelObject) -> str | None:
    """Return the champion if its impressions become positive or do not; None otherwise."""
    mapping = model.spec.data.source.mapping
    label = mapping.label if mapping is not None else None
    if label is None or label.attribution is None:
        return None
    if model.deleting or not model.spec.drift.enabled or not model.spec.serving.impressions:
        return None
    return model.status.champion
