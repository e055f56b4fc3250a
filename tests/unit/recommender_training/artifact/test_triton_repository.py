"""config.pbtxt, docs/contracts/artifact.md and the exported graph agree."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from recommender_contract.online_store import RANKED_TRENDS
from recommender_training.artifact import triton
from recommender_training.export import torchscript
from recommender_training.export.compressed_ranker import (
    TrendingInt8Ranker,
    TrendingPrunedRanker,
)
from recommender_training.export.logistic import LogisticServing, TrendingLogistic
from recommender_training.export.modules import Serving
from recommender_training.export.ranker import RankerServing, TrendingRanker

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("name", triton.MODELS)
def test_the_reviewed_configuration_equals_the_written_one(name: str, trained: Any) -> None:
    rendered = triton.render_config(name, 3)
    assert (ROOT / "model_repository" / name / "config.pbtxt").read_text() == rendered
    written = trained.staged / "repository" / name / "config.pbtxt"
    assert written.read_text() == rendered


@pytest.mark.parametrize(
    ("module", "trends"),
    [
        (RankerServing, False),
        (LogisticServing, False),
        (TrendingRanker, True),
        (TrendingLogistic, True),
        (TrendingInt8Ranker, True),
        (TrendingPrunedRanker, True),
    ],
)
def test_inputs_are_the_arguments_of_the_graph_in_order(
    module: type[Serving], *, trends: bool
) -> None:
    arguments = list(inspect.signature(module.forward).parameters)[1:]
    assert arguments == [name for name, _, _ in triton.inputs(3, trends=trends)]


@pytest.mark.parametrize("name", triton.MODELS)
def test_the_saved_graph_has_these_arguments(name: str, trained: Any) -> None:
    model = torchscript.load(trained.staged / "repository" / name / "1" / "model.pt")
    arguments = [argument.name for argument in model._c._get_method("forward").schema.arguments][
        1:
    ]
    assert arguments == [name for name, _, _ in triton.inputs(3)]


def test_docs_contracts_lists_the_same_tensors() -> None:
    text = (ROOT / "docs" / "contracts" / "artifact.md").read_text()
    line = r"^\| `(\w+)` \| (INT64|FP32) \| \[(-?\d+|max\(F, 1\))\] \|"
    rows = re.findall(line, text, re.MULTILINE)
    widths = {"max(F, 1)": 3}
    found = [(name, f"TYPE_{kind}", widths.get(width) or int(width)) for name, kind, width in rows]
    assert found == list(triton.inputs(3, trends=True))


def test_without_a_declared_feature_the_input_has_one_column() -> None:
    assert {name: width for name, _, width in triton.inputs(0)}["features"] == 1
    assert "dims: [ 0 ]" not in triton.render_config("recommender", 0)


def test_only_a_graph_that_reads_trends_has_inputs_for_them() -> None:
    assert "trend" not in triton.render_config("recommender", 3)
    config = triton.render_config("recommender", 3, trends=True)
    for name, kind in (("trend_items", "TYPE_INT64"), ("trend_counts", "TYPE_FP32")):
        assert f'name: "{name}" data_type: {kind} dims: [ {RANKED_TRENDS} ]' in config
        assert config.count(f'key: "{name}"') == 2, "in each warm-up"


def test_docs_contracts_names_the_outputs_and_the_batch() -> None:
    text = (ROOT / "docs" / "contracts" / "artifact.md").read_text()
    for name, _, _ in triton.OUTPUTS:
        assert f"`{name}`" in text
    assert f"`max_batch_size` {triton.MAX_BATCH_SIZE}" in text
