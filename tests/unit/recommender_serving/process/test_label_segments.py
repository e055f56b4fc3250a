"""The setting with the features that divide predictions."""

from __future__ import annotations

import pytest

from recommender_runtime.settings import SettingsError
from tests.unit.recommender_serving.process.test_settings import serve


def test_up_to_three_features_divide_the_predictions() -> None:
    assert serve().label_segments == ()
    assert serve(RECOMMENDER_LABEL_SEGMENTS="").label_segments == ()
    found = serve(RECOMMENDER_LABEL_SEGMENTS="age,gender").label_segments
    assert found == ("age", "gender")


@pytest.mark.parametrize("text", ["Age", "a,", "a,b,c,d", "a b"])
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match="RECOMMENDER_LABEL_SEGMENTS"):
        serve(RECOMMENDER_LABEL_SEGMENTS=text)
