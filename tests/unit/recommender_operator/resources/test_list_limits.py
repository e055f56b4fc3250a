"""The transformer understands the limits of lists as the resource states them."""

from __future__ import annotations

from recommender_operator.api.spec_serving import ServingSpec
from recommender_operator.resources.transformer_env import list_limits
from recommender_serving.domain.list_limits import Diversity, Exposure, ListLimits
from recommender_serving.process import settings

SPEC = {
    "diversity": [{"feature": "brand", "maxPerCategory": 3}],
    "exposure": [{"feature": "vendor", "categories": ["small", "new"], "minShare": 0.2}],
}


def parsed(serving: ServingSpec) -> ListLimits:
    names = {"RECOMMENDER_MODEL": "movies", "RECOMMENDER_VERSION": "movies-1"}
    found = settings.parse(["serve", "--artifact", "/artifact"], list_limits(serving) | names)
    assert isinstance(found, settings.ServeSettings)
    return found.list_limits


def test_limits_arrive_as_they_are_stated() -> None:
    assert parsed(ServingSpec.model_validate(SPEC)) == ListLimits(
        (Diversity("brand", 3),), (Exposure("vendor", frozenset({"small", "new"}), 0.2),)
    )


def test_without_limits_there_is_no_variable() -> None:
    assert list_limits(ServingSpec()) == {}
    assert not parsed(ServingSpec())
