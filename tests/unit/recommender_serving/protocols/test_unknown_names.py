"""Messages about unknown names stay short, and name the closest known one."""

from __future__ import annotations

from recommender_contract.features import Kind
from recommender_serving.domain.features import Feature, Place
from recommender_serving.protocols.unknown_names import (
    MAX_GUESSES,
    did_you_mean,
    refuse_feature,
    short_list,
)
from recommender_serving.protocols.validation import Problems

MANY = {
    name: Feature(name, Place.USER, Kind.NUMERIC) for name in (f"feature_{i}" for i in range(50))
}


def test_a_long_list_of_names_is_cut() -> None:
    assert short_list(["a", "b"]) == "a, b"
    assert short_list([str(i) for i in range(14)]).endswith("10, 11 and 2 more")


def test_the_closest_name_is_meant_only_if_it_is_close() -> None:
    paths = {"age": "user.age", "top_n": "top_n"}
    assert did_you_mean("agee", paths, Problems()) == "did you mean user.age? "
    assert did_you_mean("shoe_size", paths, Problems()) == ""
    assert did_you_mean("x" * 10_000, paths, Problems()) == ""


def test_a_body_full_of_wrong_names_costs_only_a_few_searches() -> None:
    paths = {"age": "user.age"}
    many = Problems(found=["a problem"] * MAX_GUESSES)
    assert did_you_mean("agee", paths, many) == ""
    assert did_you_mean("age", paths, many) == "did you mean user.age? "


def test_the_message_of_a_version_with_many_features_stays_short() -> None:
    problems = Problems()
    refuse_feature("user.colour", "colour", "red", Place.USER, MANY, problems)
    (problem,) = problems.found
    assert problem.startswith("user.colour: got 'red'; the features of user are feature_0, ")
    assert problem.endswith(" and 38 more")
    assert len(problem) < 300
