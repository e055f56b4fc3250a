"""CEL rules of lists: `diversity`, `exposure` and `exploration` of `spec.serving`."""

from __future__ import annotations

#: Kinds of item features that have categories.
WITH_CATEGORIES = ("Categorical", "MultiCategorical", "Boolean")


def _declared(section: str) -> tuple[str, str]:
    """Return the rule that the mapping declares the features; MovieLens100K has no mapping."""
    path = "self.data.source.mapping"
    kinds = ", ".join(f"'{kind}'" for kind in WITH_CATEGORIES)
    return (
        f"!has(self.serving) || !has(self.serving.{section}) || !has({path}) || "
        f"self.serving.{section}.all(each, has({path}.items) && has({path}.items.features) && "
        f"{path}.items.features.exists(f, f.name == each.feature && f.kind in [{kinds}]))",
        f"each feature of serving.{section} must be one of data.source.mapping.items.features of "
        f"kind {', '.join(WITH_CATEGORIES[:-1])} or {WITH_CATEGORIES[-1]}",
    )


SPEC = (_declared("diversity"), _declared("exposure"))
SERVING = (
    (
        "!has(self.diversity) || "
        "self.diversity.all(d, self.diversity.exists_one(e, e.feature == d.feature))",
        "serving.diversity must not have a feature twice",
    ),
    (
        "!has(self.exposure) || self.exposure.map(e, e.minShare).sum() <= 1.0",
        "the minShare of all groups of serving.exposure together must not exceed 1",
    ),
    (
        "!has(self.exploration) || has(self.impressions) && self.impressions > 0.0",
        "serving.exploration requires serving.impressions above 0: only reported answers explore",
    ),
)
