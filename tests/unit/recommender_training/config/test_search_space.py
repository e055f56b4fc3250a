"""Values of the search space stay inside the limits; invalid ranges are refused by name."""

from __future__ import annotations

import itertools
import math
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.search import Sampler, SearchRange
from recommender_training.common.errors import InputError
from recommender_training.config import search_space
from recommender_training.config.training import Hyperparameters, parse_config
from recommender_training.search import sampling

GIVEN = Hyperparameters()
EVERY = {name: SearchRange() for name in search_space.DECLARED}


def one(name: str, **wanted: Any) -> search_space.Dimension:
    (found,) = search_space.dimensions({name: SearchRange(**wanted)}, GIVEN)
    return found


def test_every_declared_range_is_within_the_limits_and_holds_the_default() -> None:
    found = search_space.dimensions(EVERY, GIVEN)
    assert [dimension.name for dimension in found] == sorted(search_space.DECLARED)
    assert set(search_space.DEFAULT) <= set(search_space.DECLARED)
    given = search_space.inside(found, GIVEN)
    assert given is not None
    assert search_space.apply(GIVEN, given) == GIVEN


def test_without_names_the_default_hyperparameters_are_searched() -> None:
    assert {found.name for found in search_space.dimensions({}, GIVEN)} == set(
        search_space.DEFAULT
    )


def test_the_default_range_fills_in_missing_ends() -> None:
    found = one("learningRate", max=0.01)
    assert (found.low, found.high, found.log) == (0.0005, 0.01, True)
    assert one("learningRate", log=False).log is False
    assert one("embeddingDim").choices == (16, 32, 64)
    ranged = one("embeddingDim", min=8, max=64)
    assert (ranged.choices, ranged.integer, ranged.low, ranged.high) == (None, True, 8, 64)


@pytest.mark.parametrize(
    ("name", "wanted", "words"),
    [
        ("precision", {"choices": [16, 32]}, "is not a numeric hyperparameter"),
        ("learnRate", {}, "is not a numeric hyperparameter; choose from batchSize, dropout"),
        ("dropout", {"min": 0.5, "max": 0.1}, "min 0.5 and max 0.1; min must be below max"),
        ("dropout", {"min": 0.5, "max": 0.5}, "min must be below max"),
        ("dropout", {"min": 0, "max": 1}, "has 1: Input should be less than 1"),
        ("dropout", {"choices": [0.1, -0.1]}, "has -0.1: Input should be greater than or equal"),
        ("dropout", {"min": 0, "log": True}, "raise it above 0"),
        ("dropout", {"min": 0, "choices": [0.1]}, "either choices, or min and max"),
        ("epochs", {}, "no default range; give min and max, or choices"),
        ("epochs", {"min": 3}, "no default range; give min and max, or choices"),
        ("embeddingDim", {"choices": [16.5]}, "has 16.5; give a whole number"),
        ("embeddingDim", {"min": 8, "max": 1000}, "has 1000: Input should be less than"),
    ],
)
def test_an_invalid_range_is_refused_with_its_name_and_its_remedy(
    name: str, wanted: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        one(name, **wanted)
    assert caught.value.reason == "InvalidConfig"
    assert f"search.space.{name} {words}" in caught.value.message or (
        words in caught.value.message and f"search.space.{name}" in caught.value.message
    )


@given(
    st.sampled_from(sorted(search_space.DECLARED)), st.floats(0, 1), st.sampled_from(list(Sampler))
)
def test_every_drawn_value_is_inside_the_limits_and_is_accepted(
    name: str, place: float, kind: Sampler
) -> None:
    found = one(name)
    if found.choices is not None:
        value: float = found.choices[int(place * (len(found.choices) - 1))]
    else:
        value = found.low + place * (found.high - found.low)
    rounded = found.rounded(value)
    assert found.holds(rounded)
    assert isinstance(rounded, int) or not found.integer
    assert found.rounded(rounded) == rounded
    assert rounded == pytest.approx(value, rel=1e-3, abs=0.5 if found.integer else 0)
    applied = search_space.apply(GIVEN, {name: rounded})
    assert applied.model_dump(by_alias=True)[name] == rounded
    if kind is not Sampler.GRID:
        sampler = sampling.SeededSampler(kind, int(place * 1000), [found], [])
        study = optuna.create_study(sampler=sampler)
        drawn = study.ask(sampling.distributions([found])).params
        assert found.holds(sampling.params_of(drawn, [found])[name])


@given(st.integers(2, 20), st.booleans())
def test_a_grid_spans_its_range_on_its_scale(points: int, log: bool) -> None:
    found = one("learningRate", min=0.001, max=0.1, log=log, points=points)
    values = found.grid()
    assert (values[0], values[-1], len(values)) == (0.001, 0.1, points)
    scaled = [math.log(value) if log else value for value in values]
    steps = [b - a for a, b in itertools.pairwise(scaled)]
    assert max(steps) == pytest.approx(min(steps), rel=0.05)


def test_a_grid_of_whole_numbers_has_no_duplicates() -> None:
    assert one("patience", min=1, max=3, points=20).grid() == (1, 2, 3)


@given(st.integers(0, 2**31 - 1))
def test_a_grid_has_every_combination_in_an_order_set_by_the_seed(seed: int) -> None:
    found = search_space.dimensions(
        {"dropout": SearchRange(points=4), "embeddingDim": SearchRange()}, GIVEN
    )
    every = search_space.grid(found, seed)
    assert len(every) == len({tuple(params.items()) for params in every}) == 12
    assert search_space.grid(found, seed) == every


def test_a_grid_that_is_too_large_is_refused() -> None:
    section = ", ".join(f'"{name}": {{"min": 0, "max": 0.5, "points": 20}}' for name in
                        ("dropout", "userDropout", "weightDecay", "learningRate"))  # fmt: skip
    text = f'{{"search": {{"sampler": "Grid", "space": {{{section}}}}}}}'
    with pytest.raises(InputError, match="learningRate has 0: Input should be greater than 0"):
        parse_config(text)
    text = text.replace('"learningRate": {"min": 0,', '"learningRate": {"min": 0.001,')
    with pytest.raises(InputError, match="160000 combinations, more than the 10000"):
        parse_config(text)
