"""How many pods of a version may be missing during an update or a drain of a node."""

from __future__ import annotations

import pytest

from recommender_operator.adapters.traffic.knative import knative_manifests
from recommender_operator.resources import disruption_budgets, labels
from tests.unit.recommender_operator.resources.built_manifests import Golden, standard


@pytest.mark.parametrize(("replicas", "missing"), [(1, 0), (2, 1), (9, 1)])
def test_of_several_pods_one_may_be_missing_and_the_only_one_is_replaced_first(
    replicas: int, missing: int
) -> None:
    update = disruption_budgets.strategy(replicas)["rollingUpdate"]
    assert update == {"maxSurge": 1, "maxUnavailable": missing}


def test_a_disruption_budget_is_as_expected(golden: Golden) -> None:
    stored = standard()
    stored["metadata"]["uid"] = "uid-service"
    component = labels.Component.TRANSFORMER
    golden(
        "disruption_budget",
        disruption_budgets.budget("movies", "movies-0123abcd", component, stored),
    )


def test_in_knative_mode_one_pod_of_all_revisions_may_be_evicted_and_none_of_a_job_counts() -> (
    None
):
    stored = standard()
    stored["metadata"]["uid"] = "uid-service"
    budget = knative_manifests.budget("movies", stored)
    spec, metadata = budget["spec"], budget["metadata"]
    assert (metadata["name"], spec["maxUnavailable"]) == ("movies-predictor", 1)
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert spec["selector"]["matchLabels"] == labels.of_model("movies")
    (revisions,) = spec["selector"]["matchExpressions"]
    assert revisions == {"key": "serving.knative.dev/revision", "operator": "Exists"}
    assert metadata["ownerReferences"] == labels.owned_by_service(stored)
