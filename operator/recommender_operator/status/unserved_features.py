"""Settings that name a feature which a version does not have.

A version has the features of the data section that it was trained with. The schema requires that
the current mapping declares the features of limits, but a champion may be older than the mapping,
and the sample format has no mapping.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from recommender_contract.features import WITH_CATEGORIES
from recommender_operator.api.spec import DataSpec, RecommenderModelSpec
from recommender_operator.context import Context

#: The features of the sample format MovieLens100K: of items with categories, and of users. The
#: training has the same.
SAMPLE_ITEMS = frozenset({"genre"})
SAMPLE_USERS = frozenset({"age", "gender", "occupation"})


class Named(NamedTuple):
    """A field that names a feature, and what it does without it."""

    field: str
    feature: str
    of_items: bool
    instead: str


def lacking(ctx: Context) -> Iterator[str]:
    """Return the settings without effect in the champion or the spec, and the remedy."""
    named = list(_named(ctx.spec))
    if not named:
        return
    trained_on = {ctx.desired: ctx.spec.data}
    if ctx.champion is not None:
        trained_on |= {ctx.champion.name: ctx.champion.spec.data}
    for version, data in trained_on.items():
        items, users = _of_items(data), _of_users(data)
        for each in named:
            if each.feature not in (items if each.of_items else users):
                what = "items with categories" if each.of_items else "users or of the context"
                yield (
                    f"{each.field} {each.feature}: no effect in {version}, whose data has no "
                    f"such feature of {what}, so {each.instead}: correct the name, or let a "
                    "version serve that was trained with the feature (data.source.mapping)"
                )


def _named(spec: RecommenderModelSpec) -> Iterator[Named]:
    for limit in spec.serving.diversity:
        yield Named("serving.diversity", limit.feature, True, "its lists are not limited by it")
    for group in spec.serving.exposure:
        yield Named("serving.exposure", group.feature, True, "its lists are not limited by it")
    plan = spec.rollout.experiment
    if plan is None:
        return
    if (group_of := plan.watched_group) is not None:
        instead = "no item is counted in the group"
        yield Named("rollout.experiment.itemGroup", group_of.feature, True, instead)
    for segment in plan.segments:
        instead = "all users are in the segment unknown"
        yield Named("rollout.experiment.segments", segment.feature, False, instead)


def _of_items(data: DataSpec) -> frozenset[str]:
    mapping = data.source.mapping
    if mapping is None:
        return SAMPLE_ITEMS
    return frozenset(each.name for each in mapping.of_items if each.kind in WITH_CATEGORIES)


def _of_users(data: DataSpec) -> frozenset[str]:
    mapping = data.source.mapping
    if mapping is None:
        return SAMPLE_USERS
    return frozenset(each.name for each in (*mapping.of_context, *mapping.of_users))
