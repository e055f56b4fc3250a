"""The transformers know whom the model does not answer, as docs/contracts.md says."""

from __future__ import annotations

import dataclasses
from typing import Any

import pydantic
import pytest

from recommender_contract.environment import HOLDOUT
from recommender_contract.events import Source
from recommender_operator.api.spec import EventsSpec, ServingSpec
from recommender_operator.api.spec_holdout import HoldoutSpec
from recommender_operator.resources import holdout_users, inference_service, transformer_env
from recommender_serving.experiments import holdout as holdouts
from tests.holdout_vectors import salt_of_the_shop
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version

OWN = dataclasses.replace(
    OPTIONS, collector_url="http://collector.team.svc", store_namespace="team"
)


def events(**held: Any) -> dict[str, Any]:
    return {"impressions": 1, "holdout": {"percent": 5, **held}}


def given(options: Any = OWN, **held: Any) -> dict[str, str]:
    wanted = model(events=events(**held))
    found = transformer_env.variables(wanted, version(), options)
    return {each["name"]: each["value"] for each in found}


def test_both_sides_have_the_same_groups() -> None:
    assert holdout_users.TIMES == holdouts.TIMES
    most = HoldoutSpec.model_fields["percent"].metadata
    assert any(getattr(each, "le", None) == holdouts.MAX_PERCENT for each in most)


def test_the_transformer_understands_the_holdout() -> None:
    found = pydantic.TypeAdapter(holdouts.Holdout).validate_json(
        given(answers="Popularity", revenueCap=50.5)[HOLDOUT]
    )
    wanted = model(events=events(answers="Popularity", revenueCap=50.5))
    assert found == holdouts.Holdout(
        str(holdout_users.measure(wanted)), holdout_users.salt(wanted), 5, Source.POPULARITY, 50.5
    )


def test_nobody_is_kept_from_the_model_where_nothing_would_be_measured() -> None:
    for options in (OPTIONS, dataclasses.replace(OWN, store_namespace="news")):
        assert HOLDOUT not in given(options)
    wanted = model(events={"impressions": 1})
    found = transformer_env.variables(wanted, version(), OWN)
    assert HOLDOUT not in {each["name"] for each in found}
    assert holdout_users.measure(wanted) is None


def test_the_users_are_those_of_the_name_and_not_of_an_object() -> None:
    one = model(events=events())
    shop = dataclasses.replace(one, namespace="default", name="shop", uid="another")
    assert holdout_users.salt(shop) == salt_of_the_shop()
    again = dataclasses.replace(one, uid="another")
    assert holdout_users.salt(again) == holdout_users.salt(one) != holdout_users.salt(shop)
    assert holdout_users.measure(again) != holdout_users.measure(one)


@pytest.mark.parametrize(
    "change", [{"percent": 6}, {"answers": "Popularity"}, {"period": "2026-q4"}, {"revenueCap": 9}]
)
def test_a_change_starts_the_measure_again_and_reaches_served_transformers(
    change: dict[str, object],
) -> None:
    one, other = model(events=events()), model(events=events(**change))
    assert holdout_users.salt(one) == holdout_users.salt(other)
    assert holdout_users.measure(one) != holdout_users.measure(other)
    digests = {
        inference_service.serving_digest(ServingSpec(), of)
        for of in (EventsSpec(impressions=1), one.spec.events, other.spec.events)
    }
    assert len(digests) == 3
