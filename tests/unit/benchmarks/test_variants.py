"""The benchmark of variants tells what a training with the same settings reports."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_training.config.training import parse_config
from recommender_training.data.dataset import Dataset
from tests import training_fixtures
from tests.benchmarks import variants

NAMES = {"auc": "auc", "ndcgAt10": "ndcg_at_10"}


@pytest.fixture(scope="module")
def line(data: Dataset) -> dict[str, Any]:
    return variants.run(data, parse_config(training_fixtures.VARIED))


def test_the_figures_are_those_of_a_training_with_the_same_settings(
    line: dict[str, Any], varied: Any
) -> None:
    report = varied.report
    assert line["served"] == report["variants"]["served"] == "Int8"
    assert line["int8_megabytes"] == pytest.approx(report["metrics"]["modelMegabytes"], abs=5e-4)
    for metric, short in NAMES.items():
        assert line[f"int8_{short}"] == pytest.approx(report["metrics"][metric], abs=1e-6)
        full = report["models"]["full"][metric]
        assert line[f"full_{short}"] == pytest.approx(full, abs=1e-6)
        told = report["minus"]["full"][metric]
        found = [line[f"int8_{short}_minus_full{end}"] for end in ("", "_low", "_high")]
        assert found == [told["value"], told["low"], told["high"]]
    assert line["rows"] == report["windows"]["testRows"]


def test_each_graph_has_its_size_and_its_times_and_each_variant_a_reason(
    line: dict[str, Any],
) -> None:
    for name in ("full", "int8", "pruned"):
        assert line[f"{name}_megabytes"] > 0
        assert line[f"{name}_p50_ms"] <= line[f"{name}_p99_ms"]
    assert line["decided_by"].keys() == {"Int8", "Pruned"}
    assert not [key for key in line if key.startswith("full") and "minus" in key]
