"""A real API server judges the limits of lists."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.integration.crd_rig import Json, Server, changed, installed, refusal, sample

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with installed() as server:
        yield server


def shop(**serving: Any) -> Json:
    """The sample with a mapping of its own, with these limits."""
    body = sample("csv-events")
    body["spec"]["serving"] = serving
    return body


def reported(**events: Any) -> Json:
    """The sample with this use of events."""
    body = sample("csv-events")
    body["spec"]["events"] = events
    return body


def features(body: Json) -> list[str]:
    """The names of the item features that have categories."""
    declared = body["spec"]["data"]["source"]["mapping"]["items"]["features"]
    kinds = ("Categorical", "MultiCategorical", "Boolean")
    return [each["name"] for each in declared if each["kind"] in kinds]


def test_limits_of_declared_features_are_accepted(server: Server) -> None:
    name = features(shop())[0]
    half = {"feature": name, "categories": ["a"], "minShare": 0.5}
    body = shop(diversity=[{"feature": name, "maxPerCategory": 3}], exposure=[half, half])
    created = server.create(body, dry_run="All")
    assert created["spec"]["serving"]["diversity"] == body["spec"]["serving"]["diversity"]
    assert created["spec"]["serving"]["exposure"] == [half, half]


def test_the_features_of_movielens_need_no_mapping(server: Server) -> None:
    body = changed("serving.diversity", [{"feature": "genre", "maxPerCategory": 3}])
    assert server.create(body, dry_run="All")


@pytest.mark.parametrize(
    ("serving", "message"),
    [
        ({"diversity": [{"feature": "colour", "maxPerCategory": 1}]}, "serving.diversity must be"),
        (
            {"exposure": [{"feature": "colour", "categories": ["a"], "minShare": 0.1}]},
            "each feature of serving.exposure must be one of data.source.mapping.items.features",
        ),
        ({"diversity": [{"feature": "{0}", "maxPerCategory": 0}]}, "greater than or equal to 1"),
        (
            {"diversity": [{"feature": "{0}", "maxPerCategory": n} for n in (1, 2)]},
            "spec.serving.diversity[1]: Duplicate value",
        ),
        (
            {"exposure": [{"feature": "{0}", "categories": [], "minShare": 0.1}]},
            "categories in body should have at least 1 items",
        ),
        (
            {"exposure": [{"feature": "{0}", "categories": ["a"], "minShare": 0.95}]},
            "less than or equal to 0.9",
        ),
        (
            {"exposure": [{"feature": "{0}", "categories": [c], "minShare": 0.6} for c in "ab"]},
            "minShare of all groups of serving.exposure together must not exceed 1",
        ),
    ],
)
def test_an_invalid_limit_is_rejected_with_its_field(
    server: Server, serving: dict[str, list[Json]], message: str
) -> None:
    name = features(shop())[0]
    given = {
        section: [each | {"feature": each["feature"].format(name)} for each in limits]
        for section, limits in serving.items()
    }
    assert message in refusal(lambda: server.create(shop(**given), dry_run="All"))


def test_answers_explore_only_if_they_are_reported(server: Server) -> None:
    explores = {"exploration": {"share": 0.01}}
    message = "events.exploration requires events.impressions above 0"
    for given in ({}, {"impressions": 0}):
        body = reported(**explores, **given)
        assert message in refusal(partial(server.create, body, dry_run="All"))
    created = server.create(reported(**explores, impressions=0.5), dry_run="All")
    assert created["spec"]["events"]["exploration"] == {"share": 0.01, "pool": 10}


@pytest.mark.parametrize(
    ("exploration", "message"),
    [
        ({"share": 0}, "greater than 0"),
        ({"share": 0.21}, "less than or equal to 0.2"),
        ({"share": 0.1, "pool": 1}, "greater than or equal to 2"),
        ({"share": 0.1, "pool": 21}, "less than or equal to 20"),
        ({"pool": 10}, "Required value"),
    ],
)
def test_exploration_is_bounded(server: Server, exploration: Json, message: str) -> None:
    body = reported(exploration=exploration, impressions=1)
    assert message in refusal(lambda: server.create(body, dry_run="All"))


def test_a_holdout_needs_all_impressions(server: Server) -> None:
    held = {"holdout": {"percent": 5}}
    message = "events.holdout requires events.impressions 1"
    for given in ({}, {"impressions": 0.5}):
        body = reported(**held, **given)
        assert message in refusal(partial(server.create, body, dry_run="All"))
    created = server.create(reported(**held, impressions=1), dry_run="All")
    expected = {"percent": 5, "answers": "Baseline", "period": "", "revenueCap": 1000}
    assert created["spec"]["events"]["holdout"] == expected


@pytest.mark.parametrize(
    ("holdout", "message"),
    [
        ({}, "Required value"),
        ({"percent": 0}, "greater than or equal to 1"),
        ({"percent": 11}, "less than or equal to 10"),
        ({"percent": 2.5}, "integer"),
        ({"percent": 5, "answers": "Model"}, "Unsupported value"),
        ({"percent": 5, "period": "4th quarter"}, "should match"),
        ({"percent": 5, "revenueCap": 0}, "greater than 0"),
    ],
)
def test_a_holdout_is_bounded(server: Server, holdout: Json, message: str) -> None:
    body = reported(holdout=holdout, impressions=1)
    assert message in refusal(lambda: server.create(body, dry_run="All"))
