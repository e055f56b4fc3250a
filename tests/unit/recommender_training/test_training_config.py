"""The section `training` is understood as the operator sends it, and nothing else is."""

from __future__ import annotations

import json

import pytest

from recommender_operator.api import spec as operator_spec
from recommender_training.config import Fault, TrainingConfig, parse_config
from recommender_training.errors import InputError


def test_the_operators_defaults_are_the_defaults_here() -> None:
    theirs = operator_spec.TrainingSpec().model_dump(mode="json", by_alias=True)
    parsed = parse_config(json.dumps(theirs))
    assert parsed == TrainingConfig()
    ours = parsed.model_dump(mode="json", by_alias=True)
    assert ours == {key: theirs[key] for key in ours}


def test_both_sides_know_the_same_faults_and_algorithms() -> None:
    assert {fault.value for fault in Fault} == {fault.value for fault in operator_spec.Fault}
    for algorithm in operator_spec.Algorithm:
        assert (
            parse_config(json.dumps({"algorithm": algorithm.value})).algorithm.value
            == algorithm.value
        )


def test_both_sides_have_the_same_limits() -> None:
    theirs = operator_spec.Hyperparameters.model_json_schema()["properties"]
    ours = type(TrainingConfig().hyperparameters).model_json_schema()["properties"]
    limits = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "type")
    for name, rules in theirs.items():
        for limit in limits:
            assert rules.get(limit) == ours[name].get(limit), (name, limit)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ('{"sed": 3}', "sed"),
        ('{"hyperparameters": {"epochs": 0}}', "hyperparameters.epochs=0"),
        ('{"algorithm": "Magic"}', "algorithm='Magic'"),
        ('{"faultInjection": {"fault": "Nap"}}', "faultInjection.fault='Nap'"),
    ],
)
def test_a_wrong_section_is_refused_with_the_field_and_the_value(text: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_config(text)
    assert caught.value.reason == "InvalidConfig"
    assert named in caught.value.message
