"""The usual logs of shops go from `init` over `check` to a model, with the mapping as proposed."""

from __future__ import annotations

import asyncio
import datetime
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recommender_training.cli import main
from tests.integration.training.transformer_in_process import ask
from tests.mapped_files import START, Row, write

CONFIG = {"seed": 3, "hyperparameters": {"epochs": 1, "embeddingDim": 4, "batchSize": 256}}
USERS, ITEMS, ROWS = 40, 30, 2400


def acts() -> Iterator[tuple[int, int, int, bool]]:
    """User, item, second, and whether the user likes the item, by a taste for one of two kinds."""
    random = np.random.default_rng(7)
    for number in range(ROWS):
        user, item = int(random.integers(USERS)), int(random.integers(ITEMS))
        liked = bool(random.random() < (0.8 if user % 2 == item % 2 else 0.2))
        yield user, item, START - 86_400 * 20 + number * 600, liked


def text_of(second: int, form: str) -> str:
    return datetime.datetime.fromtimestamp(second, datetime.UTC).strftime(form)


def ratings() -> list[Row]:
    return [
        {"user_id": user, "item_id": item, "rating": 4.5 if liked else 2.0, "timestamp": at}
        for user, item, at, liked in acts()
    ]


def typed_events() -> list[Row]:
    """Views, some with a purchase a minute later, and columns of the item."""
    return [
        {"event_time": text_of(at + later, "%Y-%m-%d %H:%M:%S UTC"), "event_type": kind,
         "product_id": 1000 + item, "brand": f"brand-{item % 5}", "price": 9.5 + item,
         "user_id": 500_000 + user, "user_session": f"s{user}-{at // 86_400}"}
        for user, item, at, liked in acts()
        for kind, later in (("view", 0), ("purchase", 60))[: 1 + liked]
    ]  # fmt: skip


def shown_items() -> list[Row]:
    """Lists of five items, each clicked or not, in a column of 0 and 1."""
    rows = list(acts())
    return [
        {"request_id": f"r{number // 5}", "visitor": f"v{rows[number - number % 5][0]}",
         "item_id": f"i{(rows[number - number % 5][1] + number % 5) % ITEMS}",
         "position": number % 5 + 1, "ts": rows[number - number % 5][2] * 1000,
         "clicked": int(liked)}
        for number, (_, _, _, liked) in enumerate(rows)
    ]  # fmt: skip


def clicks_and_orders() -> list[Row]:
    """Events as JSON, of which most are clicks."""
    return [
        {"customer": f"c{user}", "sku": f"sku-{item}",
         "created_at": text_of(at, "%Y-%m-%dT%H:%M:%SZ"), "type": "order" if liked else "click",
         "device": "phone" if user % 3 else "desktop"}
        for user, item, at, liked in acts()
    ]  # fmt: skip


def orders() -> list[Row]:
    """Purchases alone."""
    return [
        {"order_id": f"o{number}", "customer_id": user, "product_id": item,
         "quantity": 1 + number % 3, "ordered_at": text_of(at, "%Y-%m-%d %H:%M:%S")}
        for number, (user, item, at, liked) in enumerate(acts()) if liked
    ]  # fmt: skip


def page_views() -> list[Row]:
    """Views alone, of visitors who are known by their session."""
    return [
        {"session_id": f"s{user}-{at // 864_000}", "article_id": item, "section": f"s{item % 4}",
         "viewed_on": text_of(at, "%Y-%m-%dT%H:%M:%SZ"), "event": "page_view"}
        for user, item, at, _ in acts()
    ]  # fmt: skip


def clicks_alone() -> list[Row]:
    """A column of 1 without any 0."""
    return [{"uid": user, "sku": item, "ts": at, "clicked": 1} for user, item, at, _ in acts()]


def run(*words: str, report: Path) -> tuple[int, dict[str, Any]]:
    code = main.main([*words, "--report", str(report)])
    return code, json.loads(report.read_text())


def _write(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tsv":
        pl.DataFrame(rows).write_csv(path, separator="\t")
    elif path.suffix == ".json":
        pl.DataFrame(rows).write_ndjson(path)
    else:
        write(path, rows)


def save(folder: Path, file: str, rows: list[Row]) -> None:
    """One file, or a Delta table (no ending), or three files of months with a `*` in the name."""
    if "." not in file:
        pl.DataFrame(rows).write_delta(str(folder / file))
    elif "*" in file:
        for month in range(3):
            part = rows[month * len(rows) // 3 : (month + 1) * len(rows) // 3]
            _write(folder / file.replace("*", f"2026-{month + 1:02}"), part)
    else:
        _write(folder / file, rows)


@pytest.mark.parametrize(
    ("rows", "file", "kind"),
    [
        (ratings, "ratings.csv", "CSV"),
        (ratings, "ratings", "Delta"),
        (typed_events, "2026-Jan.csv", "CSV"),
        (typed_events, "events-*.parquet", "Parquet"),
        (shown_items, "impressions.parquet", "Parquet"),
        (shown_items, "impressions/day.csv", "CSV"),
        (clicks_and_orders, "events.jsonl", "JSONLines"),
        (clicks_and_orders, "events/*.json", "JSONLines"),
        (orders, "orders.tsv", "CSV"),
        (page_views, "views.parquet", "Parquet"),
        (clicks_alone, "clicks.csv", "CSV"),
    ],
)
def test_a_usual_log_becomes_a_model_by_the_mapping_that_init_proposes(
    rows: Callable[[], list[Row]], file: str, kind: str, tmp_path: Path
) -> None:
    raw, mapping, lake = tmp_path / "raw", tmp_path / "mapping.json", tmp_path / "lake"
    events = rows()
    save(raw, file, events)
    report = tmp_path / "report.json"
    code, said = run("init", str(raw), "--output", str(mapping), report=report)
    assert code == 0, said
    assert said["format"] == kind
    assert "would refuse" not in said["message"], said
    code, said = run(
        "check", "--source", str(raw), "--format", kind, "--mapping", f"@{mapping}",
        "--lake", str(lake), "--window-days", "30", report=report,
    )  # fmt: skip
    assert code == 0, said
    assert said["rows"] == len(events)
    assert said["quarantinedRows"] == 0
    code, said = run(
        "train", "--lake", str(lake), "--data-version", said["dataVersion"],
        "--output", str(tmp_path / "staged"), "--config", json.dumps(CONFIG), report=report,
    )  # fmt: skip
    assert code == 0, said
    assert all(math.isfinite(value) for value in said["metrics"].values())
    section = json.loads(mapping.read_text())["interactions"]
    known = {str(each[section["item"]]) for each in events}
    asked = {"user_id": events[-1][section["user"]], "top_n": 3, "timestamp": START}
    answer = asyncio.run(ask(tmp_path / "staged", {"instances": [asked]}, tmp_path))
    (found,) = answer["predictions"]
    assert found["items"]
    assert {*map(str, found["items"])} <= known
