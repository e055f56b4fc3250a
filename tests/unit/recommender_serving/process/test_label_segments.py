"""The setting with the features that divide predictions."""

from __future__ import annotations

import pytest

from recommender_serving.process import environment
from recommender_serving.process.environment import SettingsError


def test_up_to_three_features_divide_the_predictions() -> None:
    assert environment.label_segments({}) == ()
    assert environment.label_segments({"RECOMMENDER_LABEL_SEGMENTS": ""}) == ()
    found = environment.label_segments({"RECOMMENDER_LABEL_SEGMENTS": "age,gender"})
    assert found == ("age", "gender")


@pytest.mark.parametrize("text", ["Age", "a,", "a,b,c,d", "a b"])
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match="RECOMMENDER_LABEL_SEGMENTS"):
        environment.label_segments({"RECOMMENDER_LABEL_SEGMENTS": text})
