"""CEL rules of the label that `spec.data.source.mapping` declares.

The check Job has the same rules (`recommender_training.config.label` and
`recommender_training.ingestion.mapping`).
"""

from __future__ import annotations

Pairs = tuple[tuple[str, str], ...]
_WHERE = "mapping.label"
_TYPES = "self.interactions.eventTypes"


def rules() -> dict[str, Pairs]:
    """Return the rules by path below `source.mapping`."""
    return {
        "label": (
            (
                "!has(self.minimumValue) || !has(self.positiveTypes)",
                f"minimumValue and positiveTypes of {_WHERE} are mutually exclusive: set only "
                "one of them",
            ),
            (
                "!has(self.attribution) || has(self.positiveTypes)",
                f"{_WHERE}.attribution requires positiveTypes, the events to attribute",
            ),
            (
                "!has(self.attribution) || !has(self.negatives)",
                f"negatives and attribution of {_WHERE} are mutually exclusive: impressions "
                "without a positive event are the negatives",
            ),
            (
                "!has(self.negatives) || has(self.positiveRate)",
                f"{_WHERE}.negatives requires positiveRate: drawn rows do not show the true "
                "share of positives",
            ),
        ),
        "label.attribution.impressions": (
            (
                "self.all(t, self.exists_one(u, u == t))",
                f"{_WHERE}.attribution.impressions must not contain a type twice",
            ),
        ),
    }


#: Rules between the label and the interactions.
BETWEEN: Pairs = (
    (
        "has(self.interactions.value) || !has(self.interactions.eventType) || "
        "has(self.label) && has(self.label.positiveTypes) || "
        f"has({_TYPES}) && {_TYPES}.all(t, has(t.value))",
        "with eventType, the mapping requires label.positiveTypes, the types that are positive, "
        "or interactions.value, or interactions.eventTypes with a value for each type",
    ),
    (
        "!has(self.label) || !has(self.label.positiveTypes) || has(self.interactions.eventType)",
        f"{_WHERE}.positiveTypes requires mapping.interactions.eventType, the column of the types",
    ),
    (
        f"!has(self.label) || !has(self.label.positiveTypes) || !has({_TYPES}) || "
        f"self.label.positiveTypes.all(p, {_TYPES}.exists(t, t.type == p.type))",
        f"the types of {_WHERE}.positiveTypes must be in mapping.interactions.eventTypes, as rows "
        "of other types are quarantined",
    ),
    (
        f"!has(self.label) || !has(self.label.attribution) || !has({_TYPES}) || "
        f"self.label.attribution.impressions.all(p, {_TYPES}.exists(t, t.type == p))",
        f"the types of {_WHERE}.attribution.impressions must be in "
        "mapping.interactions.eventTypes, as rows of other types are quarantined",
    ),
)
