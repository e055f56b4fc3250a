"""A lake of text ids in which one user is in every table, and what of a user is left in files."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from recommender_contract.erasures import digest
from recommender_contract.ids import hashed
from recommender_contract.resource.mapping import Format
from recommender_training.data import lake, time_format
from recommender_training.ingestion import erase, erasure_list, ingest
from recommender_training.ingestion.mapping import Mapping
from recommender_training.ingestion.mapping_argument import parse_mapping

DAY = 86_400
#: 2026-11-01T00:00:00Z
START = 1_793_491_200
NOW = START + 40 * DAY
#: When the user was erased.
ERASED = START + 20 * DAY
USER = "zoe/é,1"
DIGEST = digest(hashed(USER))
OTHERS = ("ada#17", "bob#18", "carl#19")
ITEMS = ("tea", "cup", "jam", "mug")
MAPPING: dict[str, Any] = {
    "interactions": {
        "files": "*/interactions.jsonl",
        "user": "user_id",
        "item": "item_id",
        "timestamp": "time",
        "timestampUnit": "Milliseconds",
        "eventType": "kind",
        "eventTypes": [{"type": "impression", "value": 2}, {"type": "click", "value": 5}],
        "session": "session",
    },
    "users": {
        "files": "users.jsonl",
        "id": "name",
        "features": [{"name": "tier", "kind": "Categorical", "fairness": True}],
    },
    "ids": {"user": "Text", "item": "Text"},
}


def mapping() -> Mapping:
    found = parse_mapping(json.dumps(MAPPING), Format.JSON_LINES)
    assert found is not None
    return found


def batch(source: Path, number: int, users: tuple[str, ...], day: int) -> None:
    """A folder as the collector's writer makes it: clicks, an exploration, a bad row of each."""
    folder = source / f"{number:012}"
    folder.mkdir(parents=True)
    rows, events = [], []
    for place, user in enumerate(users):
        at = START + day * DAY + 60 * place
        shared: dict[str, Any] = {"user_id": user, "kind": "click", "session": f"visit of {user}"}
        rows += [
            {**shared, "item_id": item, "time": 1000 * at} for item in ITEMS[: 2 + number % 2]
        ]
        rows.append({**shared, "item_id": "tea", "time": -1})
        explored = {"place": 1, "pool": ["cup", "jam"]}
        shown: dict[str, Any] = {"id": f"{user}{number}", "kind": "impression", "user": user}
        events.append(
            {
                **shown,
                "items": ["tea", "cup"],
                "time": time_format.iso_time(at),
                "explored": explored,
            }
        )
        events.append({**shown, "explored": 7, "time": "never"})
    for name, lines in (("interactions", rows), ("events", events)):
        text = "".join(json.dumps(each, ensure_ascii=number % 2 == 0) + "\n" for each in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def users_file(source: Path, users: tuple[str, ...]) -> None:
    """A row of attributes of each user."""
    source.mkdir(parents=True, exist_ok=True)
    lines = [{"name": user, "tier": "gold"} for user in users]
    text = "".join(json.dumps(each) + "\n" for each in lines)
    (source / "users.jsonl").write_text(text, encoding="utf-8")


def raw_files(folder: Path) -> Path:
    """Two batches with the user among others."""
    for number in (1, 2):
        batch(folder / "raw", number, (*OTHERS, USER), number)
    users_file(folder / "raw", (*OTHERS, USER))
    return folder / "raw"


def checked_twice(source: Path, folder: Path) -> Path:
    """A lake of two checks, the user in every table of it."""
    later = source / f"{2:012}"
    later.rename(folder / "later")
    check(source, folder / "lake")
    (folder / "later").rename(later)
    check(source, folder / "lake")
    return folder / "lake"


def listed(source: Path, user: str = USER, at: int = ERASED) -> None:
    """The erasure of a user in the list beside the files, as the writer adds it."""
    folder = source / erasure_list.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    time = time_format.iso_time(at).replace("Z", ".250Z")
    line = json.dumps({"user": digest(hashed(user)), "time": time})
    (folder / f"{1000 * at}-0.jsonl").write_text(line + "\n")


def check(source: Path, path: Path, now: int = NOW) -> ingest.CheckResult:
    return ingest.ingest_and_check(
        source, path, kind=Format.JSON_LINES, mapping=mapping(), max_quarantined_share=1.0, now=now
    )


def traces(folder: Path, user: str = USER) -> list[str]:
    """Every file below a folder in which a user is left, with the form of the trace."""
    forms = {user, str(hashed(user)), json.dumps(user)[1:-1]}
    binary = {form.encode() for form in forms} | {
        hashed(user).to_bytes(8, order) for order in ("little", "big")
    }
    found = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = str(path.relative_to(folder))
        content = path.read_bytes()
        found += [f"{name}: bytes" for form in binary if form in content]
        if content.startswith(b"PAR1"):
            found += [f"{name}: {form}" for form in forms for text in _texts(path) if form in text]
        found += [f"{name}: name" for form in forms if form in name]
    return found


def _texts(path: Path) -> Iterator[str]:
    """Every row of a Parquet file as text; the bytes of its footer have the statistics as such."""
    for row in pl.read_parquet(path).iter_rows(named=True):
        for is_ascii in (False, True):
            yield json.dumps(row, ensure_ascii=is_ascii, default=str)


def without_user(source: Path) -> None:
    """Rewrite the raw files as the writer does."""
    shutil.rmtree(source)
    for number in (1, 2):
        batch(source, number, OTHERS, number)
    users_file(source, OTHERS)


def apply(path: Path, at: int = ERASED, **options: Any) -> erase.Erased:
    with lake.locked(path):
        return erase.erase(path, {DIGEST: at}, **options)


def content(path: Path) -> dict[str, str]:
    return {
        str(each.relative_to(path)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(path.rglob("*"))
        if each.is_file() and each.name != ".lock"
    }
