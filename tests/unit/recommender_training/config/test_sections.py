"""The section `training` is accepted as the operator sends it, and nothing else."""

from __future__ import annotations

import json

import pytest

from recommender_operator.api import rules_search
from recommender_operator.api import spec as operator_spec
from recommender_training.common.errors import InputError
from recommender_training.config import search_space
from recommender_training.config.training import Hyperparameters, TrainingConfig, parse_config


def test_a_training_takes_the_section_of_the_operator_without_what_is_of_its_job() -> None:
    assert parse_config(json.dumps(operator_spec.TrainingSpec().dump())) == TrainingConfig()


def test_the_operator_knows_which_hyperparameters_have_no_default_range() -> None:
    numbers = [f for f in Hyperparameters.model_fields.values() if f.annotation in (int, float)]
    names = {str(field.alias) for field in numbers}
    assert set(rules_search.WITHOUT_DEFAULT_RANGE) == names - search_space.DECLARED.keys()


def test_a_search_is_accepted_as_the_operator_sends_it() -> None:
    sent = operator_spec.TrainingSpec.model_validate(
        {"search": {"space": {"learningRate": {"min": 0.001, "max": 0.01},
                              "embeddingDim": {"choices": [16, 32]}, "dropout": {}}}}
    ).dump()  # fmt: skip
    search = parse_config(json.dumps(sent)).search
    assert search is not None
    found = search_space.dimensions(search.space, Hyperparameters())
    assert [(d.name, d.low, d.high, d.choices) for d in found] == [
        ("dropout", 0, 0.5, None),
        ("embeddingDim", 16, 32, (16, 32)),
        ("learningRate", 0.001, 0.01, None),
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ('{"sed": 3}', "sed"),
        ('{"hyperparameters": {"epochs": 0}}', "hyperparameters.epochs=0"),
        ('{"hyperparameters": {"features": ["Moon"]}}', "hyperparameters.features.0='Moon'"),
        ('{"algorithm": "Magic"}', "algorithm='Magic'"),
        ('{"faultInjection": {"fault": "Nap"}}', "faultInjection.fault='Nap'"),
        ('{"export": {"variants": ["Int4"]}}', "export.variants.0='Int4'"),
        ('{"export": {"keep": 0}}', "export.keep=0"),
        (
            '{"export": {"variants": ["Int8"]}, "hyperparameters": {"retrieval": "TwoTower"}}',
            "retrieval=TwoTower has none",
        ),
        ('{"search": {"trials": 0}}', "search.trials=0"),
        ('{"search": {"space": {"dropout": {"maximum": 1}}}}', "search.space.dropout.maximum"),
        ('{"search": {"space": {"dropout": {"max": 1}}}}', "search.space.dropout has 1"),
        ('{"search": {}, "algorithm": "LogisticRegression"}', "needs the algorithm DeepRanker"),
    ],
)
def test_a_wrong_section_is_refused_with_the_field_and_the_value(text: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_config(text)
    assert caught.value.reason == "InvalidConfig"
    assert named in caught.value.message
