"""Check that the data fits the declaration of its features.

A feature without any value teaches nothing, and its requests would have an effect that no one has
measured. Categories beyond `maxCategories` are unknown to the models, which may be intended. If
events name other ids than the table of users or items, all features are null where they are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recommender_training.config.feature import Feature
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data_checks.columns import PLACES
from recommender_training.data_checks.finding import Findings
from recommender_training.data_checks.profile import Profile

CHECK = "features"
#: Least share of the users or items of the events of which a feature has a value.
DESCRIBED_SHARE = 0.05


def check_schema(findings: Findings, profile: Profile) -> None:
    """Add a finding for each declared feature, and one for its limit of categories."""
    for table, feature in _features(profile):
        facts = profile["tables"][table]
        where = f"mapping.{table}.features"
        nulls, rows = float(facts["columns"][feature.name]["nulls"]), int(facts["rows"])
        findings.add(
            CHECK,
            f"{table}.{feature.name}",
            holds=nulls < 1 or not rows,
            value=f"null in {nulls:.2%} of {rows} rows",
            expected="values",
            remedy=f"no row has a value: check column={feature.source!r}, missing and the kind "
            f"{feature.kind} in {where}, or remove the feature",
        )
        if feature.max_categories is not None:
            _limit(findings, table, feature, facts["categories"][feature.name])
    for table, one in (("users", "user"), ("items", "item")):
        if _has_values(profile, table):
            _joined(findings, profile, table, one)


def _has_values(profile: Profile, table: str) -> bool:
    """True if any declared feature of a table has a value; profiles of earlier releases do not
    tell how many ids they describe.
    """
    facts = profile["tables"].get(table, {})
    return "described" in profile and any(
        float(facts["columns"][feature.name]["nulls"]) < 1
        for name, feature in _features(profile)
        if name == table
    )


def _joined(findings: Findings, profile: Profile, table: str, one: str) -> None:
    described, active = (int(profile[key][table]) for key in ("described", "active"))
    findings.add(
        CHECK,
        f"{table}.{one}_id",
        holds=described >= DESCRIBED_SHARE * active,
        value=f"{described} of the {active} {table} of the interactions have a value of a feature",
        expected=f"at least {DESCRIBED_SHARE:.0%} of them",
        remedy=f"most features of {table} are null where models read them: check that "
        f"mapping.{table}.id and mapping.interactions.{one} name the same ids",
    )


def _limit(findings: Findings, table: str, feature: Feature, facts: Mapping[str, Any]) -> None:
    limit, distinct, beyond = feature.max_categories or 0, facts["distinct"], facts["beyond"]
    values = max(sum(facts["counts"].values()) + facts["others"], 1)
    findings.add(
        CHECK,
        f"{table}.{feature.name}[categories]",
        holds=distinct <= limit,
        value=f"{distinct} categories, {beyond / values:.2%} of the values beyond the {limit} "
        "most frequent",
        expected=f"at most maxCategories={limit}",
        remedy="the models treat the rarer categories as unknown; raise maxCategories in "
        f"mapping.{table}.features to know more",
    )


def _features(profile: Profile) -> Iterator[tuple[str, Feature]]:
    declaration = FeatureSchema.model_validate(profile["declaration"])
    for table, place in PLACES.items():
        for feature in declaration.of(place):
            yield table, feature
