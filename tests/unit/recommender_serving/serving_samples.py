"""A small artifact by the contract, and requests for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recommender_contract.ids import hashed
from recommender_serving.artifact.loader import Artifact, load
from recommender_serving.artifact.vocabulary import Vocabulary, build_vocabulary
from recommender_serving.artifact.vocabulary_file import VocabularyFile
from recommender_serving.domain.types import RecommendRequest, SessionEvent

HISTORY_LENGTH = 5
MAX_TOP_N = 20
CATALOGUE = 50
GENRES = ["action", "comedy", "drama"]
NOW = 881_250_949  # seconds since 1970


def _items(count: int, **categories: list[str]) -> dict[str, Any]:
    """Items 0, 1, 2, ... whose first categories take turns."""
    features = [
        {"name": name, "categories": own, "primary": [i % len(own) for i in range(count)]}
        for name, own in categories.items()
    ]
    return {"ids": list(range(count)), "features": features}


def further(features: Mapping[str, tuple[list[str], list[list[int]]]]) -> dict[str, Any]:
    """Items 0, 1, 2, ... with these categories, by feature: the names, and the codes of each."""
    columns = []
    for name, (names, codes) in features.items():
        pairs = [(place, code) for place, own in enumerate(codes) for code in own[1:]]
        column: dict[str, Any] = {
            "name": name,
            "categories": names,
            "primary": [*map(_first, codes)],
        }
        if pairs:
            items, others = zip(*pairs, strict=True)
            column["further"] = {"items": list(items), "categories": list(others)}
        columns.append(column)
    count = max(len(codes) for _, codes in features.values())
    return {"ids": list(range(count)), "features": columns}


def _first(codes: list[int]) -> int:
    return codes[0] if codes else -1


def declared(name: str, of: str, kind: str, **settings: Any) -> dict[str, Any]:
    """A feature of users or of the context, as vocabulary.json has it."""
    return {"name": name, "of": of, "kind": kind, **settings}


#: The declaration of MovieLens.
VOCABULARY: dict[str, Any] = {
    "schema": "recommender.dev/vocabulary/v2",
    "historyLength": HISTORY_LENGTH,
    "features": [
        declared("age", "user", "Numeric", minimum=0.0, maximum=120.0, edges=[18.0, 50.0]),
        declared("gender", "user", "Categorical", categories=["F", "M"]),
        declared("occupation", "user", "Categorical", categories=["artist", "student"]),
    ],
    "items": _items(CATALOGUE, genre=GENRES),
    "maxTopN": MAX_TOP_N,
}

#: A shop with every kind and place, and with a feature that the version sets itself.
SHOP: dict[str, Any] = VOCABULARY | {
    "features": [
        declared("member", "user", "Boolean", categories=["false", "true"]),
        declared("plan", "user", "Categorical", categories=["basic", "gold", "silver"]),
        declared("spend", "user", "Numeric", minimum=None, maximum=None, edges=[-10.5, 100.0]),
        declared("device", "context", "Categorical", categories=["desktop", "phone"]),
        declared("logged_in", "context", "Boolean", categories=["false", "true"]),
        declared("hour", "context", "Numeric", minimum=0.0, maximum=None, edges=[]),
        declared(
            "position", "context", "Numeric", minimum=1.0, maximum=None, edges=[2.0], servedAs="1"
        ),
    ],
    "items": _items(CATALOGUE, brand=["a", "b"], aisle=["food", "garden", "home"]),
}


def vocabulary_of(content: dict[str, Any]) -> Vocabulary:
    """The vocabulary in memory of vocabulary.json."""
    return build_vocabulary(VocabularyFile.model_validate(content))


def numeric(name: str, edges: list[float], counts: list[int], nulls: int = 0) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "numeric",
        "edges": edges,
        "counts": counts,
        "nulls": nulls,
        "unknowns": 0,
    }


def categorical(
    name: str, categories: list[str], counts: list[int], others: int = 0
) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "categorical",
        "categories": categories,
        "counts": counts,
        "others": others,
        "nulls": 1,
        "unknowns": 2,
    }


REFERENCE: dict[str, Any] = {
    "schema": "recommender.dev/reference/v1",
    "sessions": 100,
    "features": [
        numeric("age", [20.0, 40.0], [30, 50, 20]),
        categorical("gender", ["F", "M"], [40, 57]),
        categorical("occupation", ["student"], [47], others=50),
        numeric("session_length", [1.0, 5.0], [10, 60, 30]),
        numeric("mean_value", [3.0], [45, 45], nulls=10),
        categorical("last_genre", GENRES, [30, 30, 37]),
        numeric("top_score", [0.5], [50, 50]),
    ],
}


def bins_of(feature: dict[str, Any]) -> dict[str, int]:
    """The count of each bin of a feature of reference.json."""
    counts = {str(index): count for index, count in enumerate(feature["counts"])}
    others = {"other": feature["others"]} if feature["kind"] == "categorical" else {}
    return counts | others | {"null": feature["nulls"], "unknown": feature["unknowns"]}


POPULARITY: dict[str, Any] = {
    "items": [7, 8, 9, 10, 11, 12],
    "scores": [0.9, 0.8, 0.7, 0.6, 0.5, 0.4],
}


def set_at(content: Any, path: str, value: Any) -> None:
    """Set the value at a path such as `features.0.name`."""
    *parents, last = path.split(".")
    target = content
    for key in parents:
        target = target[int(key)] if isinstance(target, list) else target[key]
    target[int(last) if isinstance(target, list) else last] = value


def write_files(folder: Path, **contents: Any) -> None:
    """Write what the transformer reads; `contents` has other files than those of MovieLens."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"vocabulary": VOCABULARY, "reference": REFERENCE, "popularity": POPULARITY}
    for name, content in (files | contents).items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    write_manifest(folder)


#: Ids as shops have them; the first are the items of `write_text_files`, most popular first.
TEXTS = ["a,b", '"quoted"', "naïve-ß", "日本", "  spaced  ", "SKU-1/é;x", "🛒", "42"]
TEXT_KINDS = {"user": "Text", "item": "Text", "hash": "blake2b-63"}


def write_text_files(folder: Path, **kinds: Any) -> None:
    """Write an artifact whose ids are texts."""
    ids = [hashed(text) for text in TEXTS]
    write_files(
        folder,
        vocabulary=VOCABULARY | {"items": _items(len(ids), genre=GENRES) | {"ids": ids}},
        popularity={"items": ids[:3], "scores": [0.9, 0.8, 0.7]},
        item_ids={"schema": "recommender.dev/item-ids/v1", "texts": TEXTS},
    )
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


def sample_artifact(folder: Path, **contents: Any) -> Artifact:
    """Write and load the artifact."""
    write_files(folder, **contents)
    return load(folder)


def request(**changes: Any) -> RecommendRequest:
    """A request of user 1 for three items."""
    fields: dict[str, Any] = {"user_id": 1, "timestamp": NOW, "top_n": 3}
    return RecommendRequest(**(fields | changes))


def session(*items: int, value: float = 4.0) -> tuple[SessionEvent, ...]:
    """Events a second apart, the newest one second before the request."""
    start = NOW - len(items)
    return tuple(SessionEvent(item, start + i, value) for i, item in enumerate(items))
