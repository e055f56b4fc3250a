"""The popularity list is that of the request's segment, where its values are known."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from recommender_contract.events import Source
from recommender_serving.artifact.loader import ArtifactError
from recommender_serving.artifact.popularity import build_popularity
from recommender_serving.artifact.popularity_file import PopularityFile
from recommender_serving.ranking.fallback_chain import popularity_list
from tests.unit.recommender_serving import serving_samples as samples
from tests.unit.recommender_serving.serving_fakes import Parts, failing
from tests.unit.recommender_serving.serving_samples import request, session, set_at

OVERALL, YOUNG_WOMEN, OLD_MEN = 7, 20, 30
SEGMENTS: dict[str, Any] = {
    "features": ["age", "gender"],
    "lists": [
        {"values": [1, 0], "items": [20, 21], "scores": [1.0, 0.5]},
        {"values": [2, 1], "items": [30, 31], "scores": [1.0, 0.25]},
        {"values": [-1, -1], "items": [40], "scores": [1.0]},  # of nobody in particular
    ],
    "users": {"ids": [9, 5, 6], "values": [[-1, 1], [1, 0], [2, -1]]},
}
WITH_SEGMENTS: dict[str, Any] = samples.POPULARITY | {"segments": SEGMENTS}


def first_of(content: dict[str, Any], vocabulary: dict[str, Any], **fields: Any) -> int:
    """The first item of the list for a request."""
    features = samples.vocabulary_of(vocabulary).features
    popularity = build_popularity(PopularityFile.model_validate(content), features)
    return popularity_list(request(**fields), popularity)[0][0]


@pytest.mark.parametrize(
    ("user_id", "features", "first"),
    [
        (1, {"age": 18.0, "gender": "F"}, YOUNG_WOMEN),
        (1, {"age": 49.5, "gender": "F"}, YOUNG_WOMEN),
        (1, {"age": 50.0, "gender": "M"}, OLD_MEN),
        (1, {"age": 50.0, "gender": "F"}, OVERALL),  # a segment without a list of its own
        (1, {"age": 30.0}, OVERALL),
        (1, {"gender": "F"}, OVERALL),
        (1, {"age": 30.0, "gender": "other"}, OVERALL),
        (1, {}, OVERALL),
        (5, {}, YOUNG_WOMEN),  # the user table
        (5, {"age": 60.0, "gender": "M"}, OLD_MEN),  # the request counts for more
        (5, {"gender": "other"}, YOUNG_WOMEN),  # a word that nobody knows says nothing
        (6, {}, OVERALL),
        (6, {"gender": "M"}, OLD_MEN),
        (9, {"age": 70.0}, OLD_MEN),
    ],
)
def test_what_the_request_says_and_else_the_user_table_chooses_the_list(
    user_id: int, features: dict[str, Any], first: int
) -> None:
    found = first_of(WITH_SEGMENTS, samples.VOCABULARY, user_id=user_id, features=features)
    assert found == first


OF_CONTEXT: dict[str, Any] = samples.POPULARITY | {
    "segments": {
        "features": ["position", "member", "device"],
        "lists": [
            {"values": [0, 1, 1], "items": [20], "scores": [1.0]},
            {"values": [1, 1, 1], "items": [30], "scores": [1.0]},
        ],
        "users": {"ids": [5], "values": [[-1, 1, -1]]},
    }
}


def test_a_feature_that_the_version_sets_itself_has_that_value_in_the_segment() -> None:
    known = {"member": "true", "device": "phone"}
    assert first_of(OF_CONTEXT, samples.SHOP, features=known) == 20
    assert first_of(OF_CONTEXT, samples.SHOP, user_id=5, features={"device": "phone"}) == 20
    assert first_of(OF_CONTEXT, samples.SHOP, user_id=5) == OVERALL


async def test_the_list_of_the_segment_is_served_where_no_model_answers(tmp_path: Path) -> None:
    broken = failing(ConnectionRefusedError())
    artifact = samples.sample_artifact(tmp_path, popularity=WITH_SEGMENTS)
    parts = Parts(tmp_path, broken, broken, artifact=artifact)
    young_woman = {"age": 20.0, "gender": "F"}
    answer = await parts.chain.answer(request(features=young_woman, session=session(20)))
    assert (answer.items, answer.scores) == ((21,), (0.5,))
    assert answer.source is Source.POPULARITY


def test_without_segments_everybody_gets_the_list_of_all_users() -> None:
    known = {"age": 20.0, "gender": "F"}
    found = first_of(samples.POPULARITY, samples.VOCABULARY, user_id=5, features=known)
    assert found == OVERALL


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("features", [], "features"),
        ("features", ["age", "age"], "the feature age is listed twice"),
        ("features", ["age", "height"], "the feature height is not in the vocabulary"),
        ("features", ["age", "genre"], "the feature genre is not in the vocabulary"),
        ("features", ["age"], "2 values for 1 features"),
        ("lists.0.values", [3, 0], "the value 3 of 3 of age"),
        ("lists.0.values", [1, 2], "the value 2 of 2 of gender"),
        ("lists.0.values", [1, -2], "lists.0.values.1"),
        ("lists.0.values", [1], "1 values for 2 features"),
        ("lists.0.values", [2, 1], r"the list of the values [2, 1] is listed twice"),
        ("lists.0.scores", [1.0], "2 items but 1 scores"),
        ("lists.0.items", [], "items"),
        ("users.ids", [5], "1 users but values of 3"),
        ("users.ids", [5, 6, 5], "the id 5 is listed twice"),
        ("users.values.0", [1, 2], "the value 2 of 2 of gender"),
        ("users.values.0", [1, 0, 0], "3 values for 2 features"),
        ("users", None, "users"),
    ],
)
def test_segments_that_break_the_contract_are_refused_with_the_problem(
    tmp_path: Path, path: str, value: Any, message: str
) -> None:
    content = copy.deepcopy(WITH_SEGMENTS)
    set_at(content["segments"], path, value)
    with pytest.raises(ArtifactError, match=rf"popularity\.json: segments.*{re.escape(message)}"):
        samples.sample_artifact(tmp_path, popularity=content)
