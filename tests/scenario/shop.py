"""The data of a generated shop: raw files with declared features and text ids, and requests."""

from __future__ import annotations

import json
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from recommender_contract.resource.mapping import Format
from recommender_examples import shop
from recommender_examples.shop_settings import Drift, Settings
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data.sessions import sample_session_requests
from recommender_training.ingestion.mapping_argument import parse_mapping

#: Small, and with as many clicks as the generator allows, so that a training takes seconds.
SETTINGS = Settings(
    users=1500, items=240, impressions=60_000, days=14, positive_rate=0.01, new_item_share=0.05
)
#: The feature of the context that changes in the drifted requests, from the first day on.
DRIFTED = Drift(feature="device", day=0)
SEED = 5


def declaration() -> FeatureSchema:
    """Return the declaration of the shop's features."""
    mapping = parse_mapping(shop.mapping(), Format.PARQUET)
    assert mapping is not None
    return mapping.declaration


def write(folder: pathlib.Path) -> None:
    """Write `raw/`, `traffic.jsonl` and `traffic-drifted.jsonl`, all or nothing."""
    if folder.exists():
        return
    part = folder.with_name(f".{folder.name}")
    shutil.rmtree(part, ignore_errors=True)
    shop.write(part, SETTINGS, SEED)
    drifted = Settings(**{**vars(SETTINGS), "drift": DRIFTED})
    shop.write(part / "drifted", drifted, SEED)
    _write_requests(part / "raw", part / "traffic.jsonl")
    _write_requests(part / "drifted/raw", part / "traffic-drifted.jsonl")
    shutil.rmtree(part / "drifted")
    part.rename(folder)


def _write_requests(raw: pathlib.Path, path: pathlib.Path) -> None:
    requests = list(_requests(raw))
    order = np.random.default_rng(SEED).permutation(len(requests))
    lines = (json.dumps(requests[at]) for at in order.tolist())
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _requests(raw: pathlib.Path) -> Iterator[dict[str, Any]]:
    """Yield one request of each session, with the ids of the shop."""
    log, users, items = (
        pl.read_parquet(raw / name / "*.parquet") for name in ("impressions", "users", "items")
    )
    user_ids, item_ids = (
        sorted(rows[column].unique().to_list())
        for rows, column in ((users, "user_id"), (items, "item_id"))
    )
    events = log.select(
        _numbered(log["user_id"], user_ids),
        _numbered(log["item_id"], item_ids),
        pl.when("clicked").then(5.0).otherwise(1.0).cast(pl.Float32).alias("value"),
        pl.col("time").dt.epoch("s").alias("timestamp"),
        "device",
        "page",
    )
    known = users.with_columns(
        _numbered(users["user_id"], user_ids), pl.col(pl.Datetime).dt.epoch("s")
    )
    for request in sample_session_requests(
        events,
        known,
        pl.DataFrame({"item_id": range(len(item_ids))}),
        SEED,
        declared=declaration(),
    ):
        session = [{**event, "item": item_ids[event["item"]]} for event in request["session"]]
        yield {**request, "user_id": user_ids[request["user_id"]], "session": session}


def _numbered(texts: pl.Series, known: list[str]) -> pl.Series:
    numbers = {text: number for number, text in enumerate(known)}
    return texts.replace_strict(numbers, return_dtype=pl.Int64)
