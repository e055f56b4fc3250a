"""A real API server judges `spec.rollout.experiment`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.crd_rig import Json, Server, installed, refusal, sample

pytestmark = pytest.mark.integration

CLICKS = {"metric": "ClickThroughRate", "smallestEffect": 0.05}
REVENUE = {"metric": "RevenuePerUser", "largestLoss": 0.1}
FALLBACKS = {"metric": "FallbackShare", "largestLoss": 2}


EXPOSURE = {"metric": "GroupExposure", "largestLoss": 0.1}
GROUP: Json = {"itemGroup": {"feature": "genre", "categories": ["Film-Noir", "Documentary"]}}
OLD, OLDER = {"version": "movies-0a1b2c3d"}, {"version": "movies-4e5f6a7b"}
DEVICE: Json = {"feature": "device", "largestLoss": 0.1}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with installed() as server:
        yield server


def body(*, rollout: Json | None = None, serving: Json | None = None, **experiment: Any) -> Json:
    """A model with an experiment."""
    made = sample("minimal")
    plan = {"primary": [CLICKS]} | experiment
    made["spec"]["serving"] = {"impressions": 1} if serving is None else serving
    made["spec"]["rollout"] = {"experiment": plan} | (rollout or {})
    return made


def test_one_primary_metric_is_enough_and_gets_the_documented_defaults(server: Server) -> None:
    created = server.create(body(), dry_run="All", field_validation="Strict")
    assert created["spec"]["rollout"]["experiment"] == {
        "weight": 50, "primary": [CLICKS], "goal": "Superior", "guardrails": [], "segments": [],
        "arms": [],
        "alpha": 0.05,
        "power": 0.8, "minDays": 7, "maxDays": 28, "revenueCap": 1000, "mode": "Decide",
        "slowerThanMilliseconds": 200,
    }  # fmt: skip


def test_a_full_plan_with_a_testers_header_is_accepted(server: Server) -> None:
    plan: Json = {
        "weight": 30, "goal": "NotWorse", "primary": [CLICKS | {"baseline": 0.04}],
        "guardrails": [REVENUE, FALLBACKS], "segments": [DEVICE], "minDays": 0.5, "maxDays": 0.5,
        "mode": "Observe", "arms": [OLD, OLDER],
    }  # fmt: skip
    made = body(rollout={"testHeader": "let-me-see-it-first"}, **plan)
    created = server.create(made, dry_run="All", field_validation="Strict")
    assert created["spec"]["rollout"]["experiment"].items() >= plan.items()
    assert created["spec"]["rollout"]["testHeader"] == "let-me-see-it-first"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rollout": {"traffic": "Knative"}},
            "rollout.experiment requires rollout.traffic Gateway: Knative splits requests, not "
            "users",
        ),
        ({"serving": {}}, "rollout.experiment requires serving.impressions 1"),
        ({"serving": {"impressions": 0.5}}, "rollout.experiment requires serving.impressions 1"),
        ({"primary": []}, "should have at least 1 items"),
        ({"primary": [CLICKS, CLICKS]}, "spec.rollout.experiment.primary[1]: Duplicate value"),
        (
            {"guardrails": [REVENUE, REVENUE]},
            "spec.rollout.experiment.guardrails[1]: Duplicate value",
        ),
        ({"primary": [{"metric": "Clicks", "smallestEffect": 0.1}]}, "Unsupported value"),
        ({"primary": [CLICKS | {"smallestEffect": 0}]}, "should be greater than 0"),
        ({"primary": [CLICKS | {"smallestEffect": 9e-4}]}, "smallestEffect must be from 0.001"),
        ({"primary": [CLICKS | {"smallestEffect": 1}]}, "smallestEffect must be from 0.001"),
        ({"guardrails": [REVENUE | {"largestLoss": 1.5}]}, "largestLoss must be from 0.001"),
        ({"guardrails": [FALLBACKS | {"largestLoss": 10.5}]}, "less than or equal to 10"),
        ({"primary": [CLICKS | {"baseline": 0}]}, "should be greater than 0"),
        ({"primary": [CLICKS | {"baseline": 1e-7}]}, "baseline must be at least 0.000001"),
        ({"segments": [DEVICE, DEVICE]}, "spec.rollout.experiment.segments[1]: Duplicate value"),
        ({"segments": [DEVICE | {"largestLoss": 9e-4}]}, "largestLoss must be at least 0.001"),
        ({"segments": [DEVICE | {"largestLoss": 1}]}, "largestLoss must be below 1"),
        ({"segments": [{"feature": "Device"}]}, "spec.rollout.experiment.segments[0].feature"),
        ({"segments": [{"feature": f"f{n}"} for n in range(4)]}, "must have at most 3 items"),
        ({"arms": [OLD]}, "set weight to at most 49 with one arm"),
        ({"arms": [OLD, OLDER], "weight": 34}, "33 with two"),
        ({"arms": [OLD, OLD], "weight": 10}, "spec.rollout.experiment.arms[1]: Duplicate value"),
        ({"arms": [OLD, OLDER] * 2, "weight": 1}, "must have at most 3 items"),
        (
            {"arms": [{"version": "movies"}], "weight": 10},
            "spec.rollout.experiment.arms[0].version",
        ),
        (
            {"guardrails": [EXPOSURE]},
            "the metrics GroupExposure and GroupExcess require rollout.experiment.itemGroup",
        ),
        (
            {"primary": [{"metric": "GroupExcess", "smallestEffect": 2}]},
            "the metrics GroupExposure and GroupExcess require rollout.experiment.itemGroup",
        ),
        ({"guardrails": [EXPOSURE | {"largestLoss": 2}], **GROUP}, "largestLoss must be from"),
        (
            {"itemGroup": {"feature": "genre", "categories": ["a" * 101, "b" * 100]}},
            "rollout.experiment.itemGroup.categories must have at most 200 characters together",
        ),
        (
            {"itemGroup": {"feature": "genre", "categories": []}},
            "spec.rollout.experiment.itemGroup.categories",
        ),
        (
            {"itemGroup": {"feature": "genre", "categories": ["a"] * 21}},
            "must have at most 20 items",
        ),
        ({"itemGroup": {"feature": "Genre", "categories": ["a"]}}, "itemGroup.feature"),
        ({"slowerThanMilliseconds": 0}, "should be greater than or equal to 1"),
        ({"slowerThanMilliseconds": 60001}, "should be less than or equal to 60000"),
        (
            {"minDays": 8, "maxDays": 7},
            "rollout.experiment.minDays must not be above rollout.experiment.maxDays",
        ),
        (
            {"minDays": 30},
            "rollout.experiment.minDays must not be above rollout.experiment.maxDays",
        ),
        ({"maxDays": 61}, "should be less than or equal to 60"),
        ({"weight": 100}, "should be less than or equal to 99"),
        ({"weight": 0}, "should be greater than or equal to 1"),
        ({"alpha": 0.5}, "should be less than or equal to 0.2"),
        ({"revenueCap": 0}, "should be greater than 0"),
        ({"rollout": {"testHeader": "a b"}}, "spec.rollout.testHeader"),
        ({"rollout": {"testHeader": ""}}, "spec.rollout.testHeader"),
        ({"rollout": {"testHeader": "let-me-see-it"}}, "must have at least 16 characters"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused_with_its_remedy(
    server: Server, changes: Json, message: str
) -> None:
    assert message in refusal(lambda: server.create(body(**changes), dry_run="All"))


def test_requests_and_a_group_of_items_may_be_watched(server: Server) -> None:
    limits = {"ErrorRate": 3, "SlowShare": 1.5, "GroupExposure": 0.5, "GroupExcess": 2}
    plan: Json = {
        "primary": [CLICKS, {"metric": "ErrorRate", "smallestEffect": 5}],
        "guardrails": [{"metric": m, "largestLoss": loss} for m, loss in limits.items()],
        "slowerThanMilliseconds": 80,
        **GROUP,
    }
    created = server.create(body(**plan), dry_run="All", field_validation="Strict")
    assert created["spec"]["rollout"]["experiment"].items() >= plan.items()


def test_the_group_is_one_of_a_declared_feature_with_categories(server: Server) -> None:
    made = sample("csv-events")
    declared = made["spec"]["data"]["source"]["mapping"]["items"]["features"]
    kinds = ("Categorical", "MultiCategorical", "Boolean")
    name = next(each["name"] for each in declared if each["kind"] in kinds)
    made["spec"]["serving"] = {"impressions": 1}
    group: Json = {"feature": name, "categories": ["a"]}
    made["spec"]["rollout"] = {"experiment": {"primary": [CLICKS], "itemGroup": group}}
    assert server.create(made, dry_run="All")
    group["feature"] = "colour"
    told = refusal(lambda: server.create(made, dry_run="All"))
    assert "rollout.experiment.itemGroup.feature must be one of data.source.mapping.items" in told


def test_a_header_for_testers_is_refused_where_no_route_can_choose_by_it(server: Server) -> None:
    made = sample("minimal")
    made["spec"]["rollout"] = {"traffic": "Knative", "testHeader": "let-me-see-it-first"}
    assert "rollout.testHeader requires rollout.traffic Gateway" in refusal(
        lambda: server.create(made, dry_run="All")
    )


def test_a_shadow_phase_is_refused_where_no_route_can_ask_for_copies(server: Server) -> None:
    made = sample("minimal")
    made["spec"]["rollout"] = {"traffic": "Knative", "shadow": {}}
    assert "rollout.shadow requires rollout.traffic Gateway" in refusal(
        lambda: server.create(made, dry_run="All")
    )
    made["spec"]["rollout"] = {"shadow": {}}
    created = server.create(made, dry_run="All")
    expected = {"share": 0.1, "minRequests": 100, "seconds": 600}
    assert created["spec"]["rollout"]["shadow"] == expected


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"rollout": {"traffic": "Knative", "interleaving": {}}}, "rollout.traffic Gateway"),
        ({"serving": {"impressions": 0.5}}, "requires serving.impressions 1"),
        ({"serving": None}, "requires serving.impressions 1"),
        (
            {"serving": {
                "impressions": 1, "diversity": [{"feature": "genre", "maxPerCategory": 2}]}},
            "cannot keep serving.diversity",
        ),
    ],
)  # fmt: skip
def test_mixed_lists_are_refused_where_they_cannot_be_counted_or_kept_within_limits(
    server: Server, sections: dict[str, Any], message: str
) -> None:
    made = sample("minimal")
    made["spec"] |= {"rollout": {"interleaving": {}}, "serving": {"impressions": 1}} | sections
    if made["spec"]["serving"] is None:
        del made["spec"]["serving"]
    assert message in refusal(lambda: server.create(made, dry_run="All"))


def test_mixed_lists_have_defaults(server: Server) -> None:
    made = sample("minimal")
    made["spec"] |= {"rollout": {"interleaving": {}}, "serving": {"impressions": 1}}
    created = server.create(made, dry_run="All", field_validation="Strict")
    expected = {"percent": 10, "users": 1000, "alpha": 0.05, "seconds": 259200}
    assert created["spec"]["rollout"]["interleaving"] == expected


def test_a_fresh_champion_is_refused_where_no_route_has_a_third_arm(server: Server) -> None:
    made = sample("minimal")
    made["spec"]["rollout"] = {"traffic": "Knative", "freshChampion": True}
    assert "rollout.freshChampion requires rollout.traffic Gateway" in refusal(
        lambda: server.create(made, dry_run="All")
    )
    made["spec"]["rollout"] = {"traffic": "Knative", "freshChampion": False}
    assert not server.create(made, dry_run="All")["spec"]["rollout"]["freshChampion"]
    made["spec"]["rollout"] = {"freshChampion": True}
    created = server.create(made, dry_run="All", field_validation="Strict")
    assert created["spec"]["rollout"]["freshChampion"]


def test_a_list_does_not_divide_users(server: Server) -> None:
    made = sample("csv-events")
    plain, tags = ({"name": "device", "kind": "Categorical"},
                   {"name": "tags", "kind": "MultiCategorical"})  # fmt: skip
    made["spec"]["data"]["source"]["mapping"]["interactions"]["features"] = [plain, tags]
    made["spec"]["serving"] = {"impressions": 1}
    plan: Json = {"primary": [CLICKS], "segments": [{"feature": "device"}]}
    made["spec"]["rollout"] = {"experiment": plan}
    assert server.create(made, dry_run="All")
    plan["segments"].append({"feature": "tags"})
    told = refusal(lambda: server.create(made, dry_run="All"))
    assert "rollout.experiment.segments must not name a MultiCategorical, an Embedding" in told
