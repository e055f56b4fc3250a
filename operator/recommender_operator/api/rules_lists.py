"""CEL rules of lists: `diversity` and `exposure` of `spec.serving`."""

from __future__ import annotations

from recommender_contract.features import WITH_CATEGORIES

#: The mapping, which MovieLens100K does not have.
MAPPING = "self.data.source.mapping"
DECLARED = (
    "one of data.source.mapping.items.features of kind "
    f"{', '.join(WITH_CATEGORIES[:-1])} or {WITH_CATEGORIES[-1]}"
)


def is_declared(feature: str) -> str:
    """Return whether the mapping declares a feature of items with categories."""
    kinds = ", ".join(f"'{kind}'" for kind in WITH_CATEGORIES)
    return (
        f"has({MAPPING}.items) && has({MAPPING}.items.features) && "
        f"{MAPPING}.items.features.exists(f, f.name == {feature} && f.kind in [{kinds}])"
    )


def _declared(section: str) -> tuple[str, str]:
    """Return the rule that the mapping declares the features."""
    return (
        f"!has(self.serving) || !has(self.serving.{section}) || !has({MAPPING}) || "
        f"self.serving.{section}.all(each, {is_declared('each.feature')})",
        f"each feature of serving.{section} must be {DECLARED}",
    )


SPEC = (_declared("diversity"), _declared("exposure"))
SERVING = (
    (
        "!has(self.exposure) || self.exposure.map(e, e.minShare).sum() <= 1.0",
        "the minShare of all groups of serving.exposure together must not exceed 1",
    ),
)
