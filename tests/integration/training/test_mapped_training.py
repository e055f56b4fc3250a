"""Events are enough: a model without any attributes is trained, exported and loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import polars as pl
import pytest

from recommender_examples import synthetic
from recommender_serving.artifact import loader
from recommender_training.cli import main
from recommender_training.data import load, splits
from recommender_training.data_checks import profile

SCHEMA = Path(__file__).parents[3] / "docs" / "evaluation.schema.json"

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


def shop(folder: Path) -> None:
    """Half of 2,000 views are of good items, which are bought an hour later one time in three."""
    random = np.random.default_rng(4)
    user, item = random.integers(0, 60, 2000), random.integers(0, 30, 2000)
    at = 1_700_000_000 + np.cumsum(random.integers(1, 600, 2000))
    bought = random.random(2000) < np.where(item % 2, 0.3, 0.03)
    views = pl.DataFrame({"user": user, "item": item, "at": at}).with_columns(kind=pl.lit("view"))
    buys = views.filter(bought).with_columns(pl.col("at") + 3600, kind=pl.lit("buy"))
    folder.mkdir()
    events = pl.concat([views, buys]).with_columns(pl.from_epoch("at", time_unit="s"))
    events.write_parquet(folder / "events.parquet")
    (folder / "users").mkdir()
    middle = int(at[1000])
    users = [
        {"id": number, "since": since, "tier": tier}
        for number in range(60)
        for since, tier in ((int(at[0]), "free"), (middle, "gold" if number % 2 else "free"))
    ]
    pl.DataFrame(users).write_parquet(folder / "users" / "users.parquet")
    (folder / "items").mkdir()
    items = [
        {"id": number, "since": since, "price": price}
        for number in range(30)
        for since, price in ((int(at[0]), 9.0), (middle, 19.0 if number % 2 else 9.0))
    ]
    pl.DataFrame(items).write_parquet(folder / "items" / "items.parquet")


#: Users have a row for each time that their tier may have changed, and items for their price.
USERS = {
    "files": "users/*.parquet",
    "id": "id",
    "validFrom": "since",
    "features": [{"name": "tier", "kind": "Categorical", "fairness": True, "coldStart": True}],
}
ITEMS = {
    "files": "items/*.parquet",
    "id": "id",
    "validFrom": "since",
    "features": [{"name": "price", "kind": "Numeric", "edges": [10], "fairness": True}],
}
TABLES = {"users": USERS, "items": ITEMS}
LABELS: dict[str, dict[str, Any]] = {
    "attributed": {
        "positiveTypes": [{"type": "buy"}],
        "attribution": {"impressions": ["view"], "hours": 2},
    },
    "drawn": {
        "positiveTypes": [{"type": "buy"}],
        "negatives": {"perPositive": 3, "by": "Uniform"},
        "positiveRate": 0.01,
    },
}


@pytest.mark.parametrize("label", LABELS)
def test_a_declared_label_is_checked_trained_and_carried_in_the_artifact(
    label: str, tmp_path: Path
) -> None:
    shop(tmp_path / "shop")
    report = tmp_path / "report.json"
    code = main.main(
        ["run", "--source", str(tmp_path / "shop"), "--format", "Parquet",
         "--mapping", json.dumps(MAPPING | {"label": LABELS[label], **TABLES}),
         "--work", str(tmp_path / "work"), "--config", CONFIG, "--report", str(report)]
    )  # fmt: skip
    answer = json.loads(report.read_text())
    assert (code, answer["reason"]) == (0, "Done"), answer
    artifact = tmp_path / "work" / answer["path"]
    page = json.loads((artifact / "report.json").read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(page)
    assert page["label"]["declared"] == LABELS[label]
    manifest = json.loads((artifact / "manifest.json").read_text())
    assert manifest["label"] == LABELS[label]
    said = "are positive." if label == "drawn" else "is positive if buy follows within 2 hours."
    assert said in (artifact / "report.html").read_text()

    lake, version = tmp_path / "work" / "lake" / "local", manifest["dataVersion"]
    _, data = load.load_dataset(lake, version, None)
    events, split = data.events, splits.temporal(data.events)
    found = page["label"]
    assert found["rows"] == len(events.rows)
    assert found["positives"] == events.label.sum()
    checked = profile.build_profile(lake, version, None).profile
    assert checked["window"]["validationStart"] == split.validation_start
    assert checked["window"]["testStart"] == split.test_start
    for part in profile.PARTS:
        own = events.label[getattr(split, part)]
        assert checked["labels"][part] == {"rows": len(own), "positive": int(own.sum())}
    if label == "attributed":
        assert found["openRows"] > 0
        assert found["leftOutRows"] > 0
        assert found["drawnNegatives"] == 0
        assert page["metrics"]["auc"] > 0.6
        tier = data.side_of_events(np.arange(len(events)))[:, 0]
        assert len(set(tier[events.user == 1].tolist())) == 2
        assert len(set(tier[events.user == 2].tolist())) == 1
        known, rows = data.items.at(events.item, events.time)
        price = known.first[0][rows]
        assert [len(set(price[events.item == item])) for item in (1, 2)] == [2, 1]
    else:
        assert found["drawnNegatives"] == 3 * found["positives"]
        assert found["logitShift"] == pytest.approx(np.log(3 * 0.01 / 0.99), abs=0.02)
