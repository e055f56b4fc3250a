"""The popularity list is that of the request's age band and gender, where they are known."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from recommender_serving.answering.popularity import PopularityLists
from recommender_serving.artifact.file_schemas import PopularityFile
from recommender_serving.artifact.loader import ArtifactError, load
from recommender_serving.domain.types import Source
from tests.unit.recommender_serving import serving_samples as samples
from tests.unit.recommender_serving.serving_fakes import Parts, failing
from tests.unit.recommender_serving.serving_samples import request, session

OVERALL, YOUNG_WOMEN, OLD_MEN = 7, 20, 30
WITH_SEGMENTS: dict[str, Any] = {
    **samples.POPULARITY,
    "segments": {
        "ageEdges": [18, 50],
        "genders": ["F", "M"],
        "lists": [
            {"ageBand": 1, "gender": 0, "items": [20, 21], "scores": [1.0, 0.5]},
            {"ageBand": 2, "gender": 1, "items": [30, 31], "scores": [1.0, 0.25]},
        ],
        "users": {"ids": [5, 6, 9], "ageBand": [1, 2, -1], "gender": [0, -1, 1]},
    },
}


@pytest.fixture(scope="module")
def lists() -> PopularityLists:
    return PopularityLists(PopularityFile.model_validate(WITH_SEGMENTS))


@pytest.mark.parametrize(
    ("fields", "first"),
    [
        ({"age": 18, "gender": "F"}, YOUNG_WOMEN),
        ({"age": 49, "gender": "F"}, YOUNG_WOMEN),
        ({"age": 50, "gender": "M"}, OLD_MEN),
        ({"age": 50, "gender": "F"}, OVERALL),  # a segment without a list of its own
        ({"age": 30}, OVERALL),
        ({"gender": "F"}, OVERALL),
        ({"age": 30, "gender": "other"}, OVERALL),
        ({}, OVERALL),
        ({"user_id": 5}, YOUNG_WOMEN),  # the user table
        ({"user_id": 5, "age": 60, "gender": "M"}, OLD_MEN),  # the request counts for more
        ({"user_id": 5, "gender": "other"}, YOUNG_WOMEN),  # a word that nobody knows says nothing
        ({"user_id": 6}, OVERALL),
        ({"user_id": 6, "gender": "M"}, OLD_MEN),
        ({"user_id": 9, "age": 70}, OLD_MEN),
    ],
)
def test_what_the_request_says_and_else_the_user_table_chooses_the_list(
    lists: PopularityLists, fields: dict[str, Any], first: int
) -> None:
    assert lists.of(request(**fields))[0][0] == first


async def test_the_list_of_the_segment_is_served_where_no_model_answers(tmp_path: Path) -> None:
    samples.write_files(tmp_path)
    (tmp_path / "popularity.json").write_text(json.dumps(WITH_SEGMENTS))
    broken = failing(ConnectionRefusedError())
    parts = Parts(tmp_path, broken, broken, artifact=load(tmp_path))
    answer = await parts.chain.answer(request(age=20, gender="F", session=session(20)))
    assert (answer.items, answer.scores) == ((21,), (0.5,))
    assert answer.source is Source.POPULARITY


def test_without_segments_everybody_gets_the_list_of_all_users(tmp_path: Path) -> None:
    file = samples.sample_artifact(tmp_path).popularity
    assert file.segments is None
    assert PopularityLists(file).of(request(age=20, gender="F", user_id=5))[0] == (7, 0.9)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("ageEdges",), [50, 18]),
        (("lists", 0, "ageBand"), 3),
        (("lists", 0, "gender"), 2),
        (("lists", 0, "gender"), -1),
        (("lists", 0, "scores"), [1.0]),
        (("lists", 0, "items"), []),
        (("users", "ids"), [5]),
        (("users", "gender", 0), -2),
        (("users",), None),
    ],
)
def test_segments_that_break_the_contract_are_refused_by_name(
    tmp_path: Path, path: tuple[Any, ...], value: Any
) -> None:
    samples.write_files(tmp_path)
    content = copy.deepcopy(WITH_SEGMENTS)
    target: Any = content["segments"]
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    (tmp_path / "popularity.json").write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=r"popularity\.json: segments"):
        load(tmp_path)
