"""A small artifact by the contract, and requests for it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from recommender_serving.artifact.loader import Artifact, load
from recommender_serving.domain.ids import hashed
from recommender_serving.domain.types import RecommendRequest, SessionEvent

HISTORY_LENGTH = 5
MAX_TOP_N = 20
CATALOGUE = 50
GENRES = ["action", "comedy", "drama"]
NOW = 881_250_949  # seconds since 1970

VOCABULARY: dict[str, Any] = {
    "schema": "recommender.dev/vocabulary/v1",
    "historyLength": HISTORY_LENGTH,
    "genders": ["F", "M"],
    "occupations": ["artist", "student"],
    "genres": GENRES,
    "items": {"ids": list(range(CATALOGUE)), "genre": [i % 3 for i in range(CATALOGUE)]},
    "maxTopN": MAX_TOP_N,
}


def _numeric(name: str, edges: list[float], counts: list[int], nulls: int = 0) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "numeric",
        "edges": edges,
        "counts": counts,
        "nulls": nulls,
        "unknowns": 0,
    }


def _categorical(name: str, categories: list[str], counts: list[int]) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "categorical",
        "categories": categories,
        "counts": counts,
        "nulls": 1,
        "unknowns": 2,
    }


REFERENCE: dict[str, Any] = {
    "schema": "recommender.dev/reference/v1",
    "sessions": 100,
    "features": [
        _numeric("age", [20.0, 40.0], [30, 50, 20]),
        _categorical("gender", ["F", "M"], [40, 57]),
        _categorical("occupation", ["artist", "student"], [47, 50]),
        _numeric("session_length", [1.0, 5.0], [10, 60, 30]),
        _numeric("mean_value", [3.0], [45, 45], nulls=10),
        _categorical("last_genre", GENRES, [30, 30, 37]),
        _numeric("top_score", [0.5], [50, 50]),
    ],
}
POPULARITY: dict[str, Any] = {
    "items": [7, 8, 9, 10, 11, 12],
    "scores": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4],
}


def write_files(folder: Path) -> None:
    """Write what the transformer reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("vocabulary", VOCABULARY),
        ("reference", REFERENCE),
        ("popularity", POPULARITY),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content))
    write_manifest(folder)


#: Ids as shops have them; the first are the items of `write_text_files`, most popular first.
TEXTS = ["a,b", '"quoted"', "naïve-ß", "日本", "  spaced  ", "SKU-1/é;x", "🛒", "42"]
TEXT_KINDS = {"user": "Text", "item": "Text", "hash": "blake2b-63"}


def write_text_files(folder: Path, **kinds: Any) -> None:
    """Write an artifact whose ids are texts."""
    write_files(folder)
    ids = [hashed(text) for text in TEXTS]
    items = {"ids": ids, "genre": [i % 3 for i in range(len(ids))]}
    popular = {"items": ids[:3], "scores": [0.9, 0.8, 0.7]}
    texts = {"schema": "recommender.dev/item-ids/v1", "texts": TEXTS}
    for name, content in (
        ("vocabulary", VOCABULARY | {"items": items}),
        ("popularity", popular),
        ("item_ids", texts),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content))
    write_manifest(folder, ids=TEXT_KINDS | kinds)


def write_manifest(folder: Path, **facts: Any) -> str:
    """List every file of the folder in its manifest, with these facts; returns the digest."""
    files = [
        {
            "path": path.relative_to(folder).as_posix(),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    ]
    content = {"schema": "recommender.dev/manifest/v1", "files": files, **facts}
    text = json.dumps(content).encode()
    (folder / "manifest.json").write_bytes(text)
    return "sha256:" + hashlib.sha256(text).hexdigest()


def sample_artifact(folder: Path) -> Artifact:
    """Write and load the artifact."""
    write_files(folder)
    return load(folder)


def request(**changes: Any) -> RecommendRequest:
    """A request of user 1 for three items."""
    fields: dict[str, Any] = {"user_id": 1, "timestamp": NOW, "top_n": 3}
    return RecommendRequest(**(fields | changes))


def session(*items: int, value: float = 4.0) -> tuple[SessionEvent, ...]:
    """Events a second apart, the newest one second before the request."""
    start = NOW - len(items)
    return tuple(SessionEvent(item, start + i, value) for i, item in enumerate(items))
