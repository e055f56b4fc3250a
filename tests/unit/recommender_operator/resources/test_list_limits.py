"""The transformer understands the limits of lists as the resource states them."""

from __future__ import annotations

import dataclasses
import re

import pytest

from recommender_operator.api.spec_serving import ServingSpec
from recommender_operator.resources import transformer_env
from recommender_operator.resources.transformer_env import list_limits
from recommender_serving.process import settings
from recommender_serving.ranking.list_composition import Diversity, Exposure, ListLimits
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version

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


def expanded(variables: list[dict[str, str]]) -> dict[str, str]:
    """Return the variables of a container as the kubelet expands them."""
    values: dict[str, str] = {}

    def replace(found: re.Match[str]) -> str:
        name = found["name"]
        return "$" if name is None else values.get(name, found[0])

    for variable in variables:
        text = variable["value"]
        values[variable["name"]] = re.sub(r"\$(?:\$|\((?P<name>[^)]*)\))", replace, text)
    return values


@pytest.mark.parametrize("category", ["$$", "$(RECOMMENDER_LOG_LEVEL)", "a$b", "$$(X)"])
def test_a_category_is_not_expanded_by_the_kubelet(category: str) -> None:
    exposure = {"feature": "vendor", "categories": [category], "minShare": 0.2}
    wanted = model(serving={"exposure": [exposure]})
    options = dataclasses.replace(OPTIONS, serving_log_level="DEBUG")
    values = expanded(transformer_env.variables(wanted, version(), options))
    assert (
        values["RECOMMENDER_LIST_LIMITS"]
        == list_limits(wanted.spec.serving)["RECOMMENDER_LIST_LIMITS"]
    )
