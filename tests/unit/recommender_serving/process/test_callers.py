"""What the operator says of the callers."""

from __future__ import annotations

import pytest

from recommender_contract.environment import CALLERS
from recommender_runtime.settings import SettingsError
from recommender_serving.domain.callers import UNKNOWN, Callers
from tests.unit.recommender_serving.process.test_settings import serve


@pytest.mark.parametrize(
    ("text", "found", "may_see"),
    [
        ('{"trusted": true}', Callers(trusted=True), True),
        ('{"userHeader": "x-user-id"}', Callers(user_header="x-user-id"), True),
        ("{}", UNKNOWN, False),
    ],
)
def test_callers_are_read_and_only_known_ones_may_see_history(
    text: str, found: Callers, may_see: bool
) -> None:
    assert serve(**{CALLERS: text}).callers == found
    assert found.may_see_history is may_see


def test_without_the_variable_nobody_is_trusted() -> None:
    assert serve().callers == UNKNOWN


@pytest.mark.parametrize("text", ["", "[]", '{"userHeader": "X User"}', '{"trusted": 7}'])
def test_a_bad_value_ends_the_start_with_the_name_of_the_variable(text: str) -> None:
    with pytest.raises(SettingsError, match=CALLERS):
        serve(**{CALLERS: text})
