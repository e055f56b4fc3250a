"""The features whose values mean something else than in the profile of the reference."""

from __future__ import annotations

from typing import Any

from recommender_contract.local_calendar import UTC
from recommender_training.config.feature_schema import FeatureSchema, FeatureTable
from recommender_training.data_checks.profile import Profile


def changed_encodings(now: Profile, before: Profile) -> frozenset[str]:
    """Return the names of session features whose bins are not those of the reference.

    These are features that only one of both declares, and those that have another kind, length,
    calendar, time zone or number of hash buckets. A feature of items is also there as
    `last_<name>`.
    """
    here, there = (_meanings(profile) for profile in (now, before))
    return frozenset(
        name for name in here.keys() | there.keys() if here.get(name) != there.get(name)
    )


def _meanings(profile: Profile) -> dict[str, Any]:
    declaration = FeatureSchema.model_validate(profile.get("declaration", {}))
    found: dict[str, Any] = {}
    for place in FeatureTable:
        for each in declaration.of(place):
            zone = each.time_zone or UTC
            meaning = (place, each.kind, each.length, each.calendar, zone, each.hash_buckets)
            found[each.name] = meaning
            if place is FeatureTable.ITEMS:
                found[f"last_{each.name}"] = meaning
    return found
