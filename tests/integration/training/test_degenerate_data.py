"""Degenerate data: the findings of `check` and the errors of `train`."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from recommender_contract.resource.checks import DataChecks
from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from recommender_training.config.training import parse_config
from recommender_training.data import load
from recommender_training.data_checks import run
from recommender_training.ingestion import ingest
from recommender_training.pipeline import training
from tests.mapped_files import INTERACTIONS, NOW, START, check, declare, event, write

CONFIG = '{"seed": 3, "hyperparameters": {"epochs": 1, "embeddingDim": 4, "batchSize": 256}}'
USER, ITEM, RATING, TIME = ("user_id:token", "item_id:token", "rating:float", "timestamp:float")

Edit = Callable[[pl.DataFrame], pl.DataFrame]


def lake(source: Path, folder: Path, edit: Edit) -> str:
    """Ingest the generated data with its interactions edited; the data version."""
    raw = folder / "raw"
    raw.mkdir()
    for path in source.iterdir():
        (raw / path.name).write_bytes(path.read_bytes())
    rows = pl.read_csv(raw / "synthetic.inter", separator="\t").head(1200)
    edit(rows).write_csv(raw / "synthetic.inter", separator="\t", quote_style="never")
    return ingest.ingest_and_check(raw, folder / "lake", kind=Format.MOVIELENS_100K).data_version


def one_user(rows: pl.DataFrame) -> pl.DataFrame:
    rows = rows.with_row_index("n").with_columns(pl.lit(1).alias(USER), pl.col(TIME) + pl.col("n"))
    return rows.drop("n")


def one_item(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.lit(7).alias(ITEM)).unique([USER, TIME], maintain_order=True)


def constant(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.lit(5).alias(RATING))


def one_user_after_the_other(rows: pl.DataFrame) -> pl.DataFrame:
    """Twelve events each, so that no user of the validation window was there before it."""
    place = pl.int_range(pl.len())
    return rows.with_columns(
        (place // 12 + 1).alias(USER), (pl.lit(START - 90 * 86_400) + place * 60).alias(TIME)
    )


def one_second(rows: pl.DataFrame) -> pl.DataFrame:
    """The time of an import in place of that of the events."""
    return rows.with_columns(pl.lit(START - 86_400).alias(TIME)).unique(
        [USER, ITEM], maintain_order=True
    )


@pytest.mark.parametrize(
    ("edit", "check", "level", "named"),
    [
        (one_user, "users", "block", "1 user"),
        (one_item, "items", "block", "1 item"),
        (constant, "labels", "block", "960 of 960 rows positive"),
        (one_second, "labels", "block", "0 of 0 rows positive"),
        (one_user_after_the_other, "cold", "warn", "0 of"),
    ],
)
def test_check_reports_the_problem(
    source: Path, tmp_path: Path, edit: Edit, check: str, level: str, named: str
) -> None:
    version = lake(source, tmp_path, edit)
    found = run.run_checks(tmp_path / "lake", version, DataChecks())
    (first, *_) = [each for each in found.findings if each.level != "pass"]
    assert (first.check, first.level) == (check, level)
    assert named in first.value
    assert first.remedy


@pytest.mark.parametrize("edit", [one_user, one_user_after_the_other])
def test_train_accepts_data_that_the_check_ignores(
    source: Path, tmp_path: Path, edit: Edit
) -> None:
    """The metrics are finite, and intervals exist only with enough users."""
    version = lake(source, tmp_path, edit)
    result = training.train(
        training.TrainingRun(tmp_path / "lake", version, parse_config(CONFIG), tmp_path / "staged")
    )
    assert all(math.isfinite(value) for value in result.metrics.values())
    assert {"auc", "logLoss", "ndcgAt10"} <= result.metrics.keys()
    assert ("aucLow" in result.metrics) == (edit is not one_user)


def test_features_without_any_value_are_reported_trained_and_exported(tmp_path: Path) -> None:
    """Of each table and of numbers, categories and vectors."""
    tier, device = ({"name": name, "kind": "Categorical"} for name in ("tier", "device"))
    price = {"name": "price", "kind": "Numeric"}
    vector = {"name": "vector", "kind": "Embedding", "length": 3}
    mapping = declare(
        users={"files": "users.csv", "id": "id", "features": [tier]},
        items={"files": "items.csv", "id": "id", "features": [price, vector]},
        interactions=INTERACTIONS | {"features": [device]},
    )
    rows = [
        event(n * 7 % 40, n * 11 % 30, START - n * 60, n % 3 * 2 + 1, device=None)
        for n in range(1200)
    ]
    write(tmp_path / "raw/events/a.csv", rows)
    write(tmp_path / "raw/users.csv", [{"id": n, "tier": None} for n in range(40)])
    write(tmp_path / "raw/items.csv", [{"id": n, "price": "", "vector": ""} for n in range(30)])
    version = check(tmp_path / "raw", tmp_path / "lake", mapping).data_version
    found = run.run_checks(tmp_path / "lake", version, DataChecks())
    named = {each.name for each in found.warned if each.check == "features"}
    assert named == {"users.tier", "items.price", "items.vector", "interactions.device"}
    result = training.train(
        training.TrainingRun(tmp_path / "lake", version, parse_config(CONFIG), tmp_path / "staged")
    )
    assert all(math.isfinite(value) for value in result.metrics.values())


def test_a_catalogue_of_one_item_is_trained_and_served(source: Path, tmp_path: Path) -> None:
    """The model has nothing new for who has seen it; the popularity list has the item."""
    for path in source.iterdir():
        rows = pl.read_csv(path, separator="\t")
        if path.suffix != ".user":
            rows = rows.filter(pl.col(ITEM) == 7) if path.suffix == ".item" else one_item(rows)
        rows.write_csv(tmp_path / path.name, separator="\t", quote_style="never")
    checked = ingest.ingest_and_check(tmp_path, tmp_path / "lake", kind=Format.MOVIELENS_100K)
    result = training.train(
        training.TrainingRun(
            tmp_path / "lake", checked.data_version, parse_config(CONFIG), tmp_path / "staged"
        )
    )
    assert all(math.isfinite(value) for value in result.metrics.values())
    seen = {"item": 7, "timestamp": START - 1, "value": 5.0}
    asked = [
        {"user_id": 1, "top_n": 10, "timestamp": START, "session": session}
        for session in ([], [seen])
    ]
    answer = subprocess.run(
        [sys.executable, "-m", "tests.integration.training.transformer_in_process",
         str(result.staged)],
        input=json.dumps({"instances": asked}), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)["predictions"]
    assert [(each["items"], each["source"]) for each in found] == [
        ([7], "model"),
        ([7], "popularity"),
    ]


@pytest.mark.parametrize(
    ("edit", "report"),
    [(constant, "960 of them positive"), (one_second, "events share one second, which is never")],
)
def test_train_refuses_equal_labels_and_equal_times(
    source: Path, tmp_path: Path, edit: Edit, report: str
) -> None:
    version = lake(source, tmp_path, edit)
    found = run.run_checks(tmp_path / "lake", version, DataChecks())
    assert (report in " ".join(each.remedy for each in found.findings)) is (edit is one_second)
    with pytest.raises(InputError) as caught:
        training.train(
            training.TrainingRun(
                tmp_path / "lake", version, parse_config(CONFIG), tmp_path / "staged"
            )
        )
    assert caught.value.reason == "TooFewRows"
    assert report in caught.value.message


@pytest.mark.parametrize(
    ("time", "reason"),
    [(START * 1000, "BadTimestamp"), (NOW + 2 * 86_400, "FutureTimestamp"),
     (START, "DuplicateRow")],
)  # fmt: skip
def test_milliseconds_future_times_and_duplicates_never_reach_a_training(
    source: Path, tmp_path: Path, time: int, reason: str
) -> None:
    """What `train` reads is the lake, and these rows are in the quarantine."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for path in source.iterdir():
        (raw / path.name).write_bytes(path.read_bytes())
    header = (raw / "synthetic.inter").read_text().splitlines()[0]
    rows = [f"1\t2\t4\t{START}", f"1\t2\t4\t{time}"]
    (raw / "late.inter").write_text("\n".join([header, *rows, ""]))
    checked = ingest.ingest_and_check(raw, tmp_path / "lake", now=NOW, kind=Format.MOVIELENS_100K)
    assert checked.quarantined_rows == 1
    quarantine = pl.scan_delta(str(tmp_path / "lake" / "quarantine")).collect()
    assert quarantine["reason"].to_list() == [reason]
    _, data = load.load_dataset(tmp_path / "lake", checked.data_version, None)
    assert (data.events.time >= START).sum() == 1
