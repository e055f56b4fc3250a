"""The benchmark of declared features compares a model with the same one without them."""

from __future__ import annotations

import json

import numpy as np

from recommender_contract.resource.mapping import Format
from recommender_examples import shop
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests.benchmarks import schema


def test_an_undeclared_mapping_reads_the_same_log_without_a_feature() -> None:
    bare = parse_mapping(schema.undeclared(shop.mapping()), Format.PARQUET)
    assert "features" not in schema.undeclared(shop.mapping())
    parts = json.loads(schema.undeclared(shop.mapping()))
    assert parts["interactions"]["value"] == "clicked"
    assert bare != parse_mapping(shop.mapping(), Format.PARQUET)


def test_the_gain_of_a_model_over_itself_is_zero_and_over_noise_above_it() -> None:
    random = np.random.default_rng(0)
    user = np.repeat(np.arange(60), 20)
    label = random.random(1200) < 0.2
    noise = random.random(1200)
    informed = noise + label
    assert schema.gain_low(label, informed, informed, user) == 0.0
    assert schema.gain_low(label, informed, noise, user) > 0.2
    assert schema.gain_low(label, noise, informed, user) < -0.2
