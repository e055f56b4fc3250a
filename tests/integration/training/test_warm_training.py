"""A whole training with towers, weights of rows and a bonus, from the champion's checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from recommender_training.artifact import manifest, triton
from recommender_training.export import torchscript
from recommender_training.export.request import places_of
from recommender_training.pipeline import training
from recommender_training.pipeline.champion import Comparison
from recommender_training.trainer import fit_towers
from tests.unit.recommender_training.pipeline.warm_starts import configured

SCHEMA_FILE = Path(__file__).parents[3] / "docs" / "evaluation.schema.json"


def test_a_training_with_towers_from_the_champion_is_told_in_report_and_lineage(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fit_towers._SETTINGS, "epochs", 2)
    config = configured(
        hyperparameters={"retrieval": "Both"},
        mitigation={"reweighting": {"by": "gender"}, "exposure": {"by": "genre"}},
    )
    champion = Comparison(trained.staged, trained.digest)
    result = training.train(
        training.TrainingRun(
            trained.lake, trained.data_version, config, tmp_path / "staged", champion=champion
        )
    )
    told = result.report["warmStart"]
    assert told["warm"] is True
    assert told["champion"] == trained.digest
    assert (told["newItems"], told["newUsers"]) == (0, 0)
    lineage = manifest.verify_artifact(result.staged, result.digest)
    assert lineage["warmStart"] == told
    assert lineage["hyperparameters"]["retrieval"] == "Both"
    assert result.report["learning"]["looks"][0][0] == 0.0
    assert result.report["retrieval"]["orders"] == "Both"
    jsonschema.validate(result.report, json.loads(SCHEMA_FILE.read_text()))
    graph = torchscript.load(triton.model_path(result.staged))
    assert graph.by_towers
    assert result.report["mitigation"]["reweighting"]["before"]
    assert graph.tower_items.shape[1] == places_of(graph.item_ids.shape[0])
