"""Settings come from flags and variables, and errors never show a password."""

from __future__ import annotations

from typing import Annotated

import pytest

from recommender_runtime.redis_access import parse_access
from recommender_runtime.settings import Model, SettingsError, Switch, Variable


class Some(Model):
    on: Annotated[Switch, Variable("ON", "give true or false")] = False
    name: Annotated[str, Variable("NAME", "give a name", "--name")]


def test_a_flag_wins_and_an_empty_variable_counts_as_not_set() -> None:
    assert Some.load({"ON": "", "NAME": "ada"}) == Some(name="ada")
    found = Some.load({"ON": "true", "NAME": "ada"}, name="eve")
    assert (found.on, found.name) == (True, "eve")


def test_an_error_names_variable_flag_and_remedy() -> None:
    with pytest.raises(SettingsError, match=r"^NAME or --name is not set: give a name$"):
        Some.load({})
    with pytest.raises(SettingsError, match=r"^ON is 'yes': give true or false$"):
        Some.load({"ON": "yes", "NAME": "ada"})


@pytest.mark.parametrize("url", ["redis://ada:secret@store", "redis://ada:secret@[::1"])
def test_a_password_in_a_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_access({"RECOMMENDER_STORE_URL": url})
    assert "secret" not in str(refused.value)
