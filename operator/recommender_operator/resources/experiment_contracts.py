"""The contracts of experiments between route and transformer, and those that a model needs.

Transformers of a release before a contract ignore what it adds: an experiment would have no users,
or all users of a feature would be unknown. So a release that changes it deploys running versions
again, but only of models whose experiment needs it.
"""

from __future__ import annotations

from recommender_contract.features import BANDED
from recommender_operator.api.spec import RecommenderModelSpec

NEWEST = "4"
#: The first has two versions, the second also withdrawn ones, the third also bands of numbers, the
#: fourth also reports of how requests are served and of the items of a group.
_ALL = ("1", "2", "3", NEWEST)


def contracts_of(spec: RecommenderModelSpec) -> tuple[str, ...]:
    """Return the contracts with which a transformer can take part in the experiment of a spec."""
    plan = spec.rollout.experiment
    if plan is None:
        return _ALL
    if plan.watches_requests or plan.watched_group is not None:
        return _ALL[3:]
    if _numbers(spec).intersection(each.feature for each in plan.segments):
        return _ALL[2:]
    return _ALL[1:] if plan.arms else _ALL


def _numbers(spec: RecommenderModelSpec) -> set[str]:
    """Return the declared features of users and of the context whose values fall into bands."""
    mapping = spec.data.source.mapping
    if mapping is None:
        return set()
    declared = (*mapping.of_context, *mapping.of_users)
    return {each.name for each in declared if each.kind in BANDED}
