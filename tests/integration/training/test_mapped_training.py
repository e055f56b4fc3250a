"""Events are enough: a model without any attributes is trained, exported and loaded."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from recommender_serving.artifact import loader
from recommender_training.cli import main
from recommender_training.samples import synthetic

CONFIG = '{"algorithm": "LogisticRegression", "seed": 3}'
MAPPING = {
    "interactions": {
        "files": "*.parquet",
        "user": "user",
        "item": "item",
        "timestamp": "at",
        "timestampUnit": "ISO8601",
        "eventType": "kind",
        "eventTypes": [{"type": "view", "value": 2}, {"type": "buy", "value": 5}],
    }
}


def test_a_model_is_trained_on_typed_events_alone_and_served(tmp_path: Path) -> None:
    synthetic.generate(tmp_path / "ml", synthetic.Size(80, 40, 2000), seed=5)
    events = pl.read_csv(tmp_path / "ml" / "synthetic.inter", separator="\t")
    bought = pl.col("rating:float") >= 4
    (tmp_path / "shop").mkdir()
    events.select(
        user="user_id:token",
        item="item_id:token",
        at=pl.from_epoch("timestamp:float", time_unit="s"),
        kind=pl.when(bought).then(pl.lit("buy")).otherwise(pl.lit("view")),
    ).write_parquet(tmp_path / "shop" / "events.parquet")
    report = tmp_path / "report.json"
    code = main.main(
        ["run", "--source", str(tmp_path / "shop"), "--format", "Parquet",
         "--mapping", json.dumps(MAPPING), "--work", str(tmp_path / "work"),
         "--config", CONFIG, "--report", str(report)]
    )  # fmt: skip
    answer = json.loads(report.read_text())
    assert (code, answer["reason"]) == (0, "Done")
    loaded = loader.load(tmp_path / "work" / answer["path"])
    assert not loaded.vocabulary.features
    assert not loaded.vocabulary.items.features
