"""A shop with text ids and features of all kinds, and bodies for its endpoint, good and bad."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from recommender_examples import synthetic

#: Ids are texts. Every kind of feature, of users and of the context.
MAPPING: dict[str, Any] = {
    "interactions": {
        "files": "events.parquet", "user": "who", "item": "what", "timestamp": "at",
        "value": "rating",
        "features": [
            {"name": "device", "kind": "Categorical", "coldStart": True},
            {"name": "inside", "kind": "Boolean"},
            {"name": "place", "kind": "Numeric", "servedAs": "1", "edges": [5]},
            {"name": "hour", "kind": "Timestamp", "column": "at", "calendar": "HourOfDay"},
        ],
    },
    "users": {
        "files": "users.parquet", "id": "who",
        "features": [
            {"name": "age", "kind": "Numeric", "minimum": 0, "maximum": 120, "edges": [30],
             "coldStart": True},
            {"name": "likes", "kind": "MultiCategorical", "separator": ",", "maxPerRow": 3},
            {"name": "town", "kind": "Categorical", "hashBuckets": 8},
            {"name": "joined", "kind": "Timestamp"},
            {"name": "vector", "kind": "Embedding", "length": 2},
        ],
    },
    "items": {
        "files": "items.parquet", "id": "what",
        "features": [
            {"name": "tag", "kind": "MultiCategorical", "separator": " "},
            {"name": "sale", "kind": "Boolean"},
        ],
    },
    "ids": {"user": "Text", "item": "Text"},
}  # fmt: skip


def write_shop(folder: Path, work: Path) -> None:
    """Its tables as Parquet files."""
    synthetic.generate(work, synthetic.Size(60, 40, 1500), seed=5)
    number = random.Random(1)
    rows = pl.read_csv(work / "synthetic.inter", separator="\t")
    things = pl.read_csv(work / "synthetic.item", separator="\t")

    def text(column: str, first: str) -> pl.Expr:
        return pl.lit(first) + pl.col(column).cast(pl.String)

    folder.mkdir()
    count = rows.height
    rows.select(
        who=text("user_id:token", "ü"), what=text("item_id:token", "item "),
        at=pl.col("timestamp:float").cast(pl.Int64), rating="rating:float",
        device=pl.Series([number.choice(["phone", "desk", "tv"]) for _ in range(count)]),
        inside=pl.Series([number.random() < 0.5 for _ in range(count)]),
        place=pl.Series([float(number.randint(1, 9)) for _ in range(count)]),
    ).write_parquet(folder / "events.parquet")  # fmt: skip
    users = [
        {
            "who": f"ü{each}", "age": float(number.randint(10, 70)),
            "likes": number.choice(["a", "a,b", "b,c d"]), "town": f"town {each % 20}",
            "joined": 700_000_000 + 86_400 * each, "vector": [number.random(), 1.0],
        }
        for each in range(1, 61)
    ]  # fmt: skip
    pl.DataFrame(users).write_parquet(folder / "users.parquet")
    things.select(
        what=text("item_id:token", "item "), tag="class:token_seq",
        sale=pl.col("item_id:token") % 3 == 0,
    ).write_parquet(folder / "items.parquet")  # fmt: skip


#: Per field what may be said; the values after None are wrong.
_FIELDS: dict[str, list[Any]] = {
    "device": ["phone", "new", None, "", 3, "x" * 65],
    "inside": [True, False, None, "true", 1],
    "hour": [880_000_000, -5, None, 8.8e8, 4_200_000_000_000],
    "age": [20, 30.0, 120, None, 121, -1, "20", True],
    "likes": [["a"], ["b,a", "c d"], [], ["new"], None, "a", ["a", None], list("abcd"), [1]],
    "town": ["town 3", "elsewhere", None, 7],
    "joined": [800_000_000, 890_000_000, -1, None, "1995", 1.5],
    "vector": [[0.1, 2], [-1, 0], None, [1], [1, None], "ab", [1, "2"]],
}
_OF = {
    "context": ("device", "inside", "hour"),
    "user": ("age", "likes", "town", "joined", "vector"),
}


def bodies(count: int, now: int, tags: list[str], seed: int = 0) -> list[dict[str, Any]]:
    """So many instances; about half of them are good."""
    number = random.Random(seed)
    return [_body(number, now, tags) for _ in range(count)]


def _body(number: random.Random, now: int, tags: list[str]) -> dict[str, Any]:
    wrong = number.random() < 0.4

    def some(given: list[Any]) -> Any:
        end = given.index(None) if None in given and not wrong else len(given)
        return number.choice(given[:end])

    def item() -> Any:
        of = number.randint(1, number.choice([6, 40]))
        return some([f"item {of}"] * 12 + ["unheard of", None, 5, "", "a\nb"])

    def items(most: int) -> list[Any]:
        return [item() for _ in range(number.randint(1, most))]

    def event(dated: Any) -> dict[str, Any]:
        found: dict[str, Any] = {"item": item()}
        if dated or (wrong and number.random() < 0.1):
            found["timestamp"] = now - number.randint(-5, 10**6)
        if number.random() < 0.5:
            found["value"] = some([1, 4.5, 0, None, "5", 2e6])
        return found

    def session() -> list[Any]:
        dated = some([True, False])
        return [event(dated) for _ in range(number.choice([0, 1, 3, 18, 30, 300]))]

    def features(place: str) -> dict[str, Any]:
        said = {each: some(_FIELDS[each]) for each in _OF[place] if number.random() < 0.5}
        return said | (some([{}, {}, {}, None, {"agee": 3}, {"place": 2}]) or {})

    def rule() -> Any:
        tag = [*number.sample(tags, number.randint(1, 3)), "unheard of"]
        return some([{"tag": tag}, {"sale": [True]}, {"sale": ["false"], "tag": tag}, {}, None,
                     {"tag": []}, {"tag": "a"}, {"colour": ["red"]}, {"tag": None}])  # fmt: skip

    makers: dict[str, Callable[[], Any]] = {
        "user_id": lambda: some([f"ü{number.randint(1, 70)}", "nobody", None, 3, "", "a\nb"]),
        "session": session,
        "seed_items": lambda: items(4),
        "candidate_items": lambda: some([items(6), items(60), None, [], "item 1"]),
        "excluded_items": lambda: items(50),
        "allow": rule,
        "deny": rule,
        "user": lambda: features("user"),
        "context": lambda: features("context"),
        "timestamp": lambda: some([now, now - 10**6, now + 10, None, now * 1000, -1, "1997"]),
        "top_n": lambda: some([1, 5, 200, None, 0, 201, 3.0, True, "5"]),
        "session_id": lambda: some(["s-1", None, "", "x" * 129]),
    }
    often = {"user_id": 0.9, "session": 0.6, "user": 0.5, "context": 0.5}
    body = {
        name: make() for name, make in makers.items() if number.random() < often.get(name, 0.25)
    }
    return body | (some([{}] * 8 + [None, {"usr_id": "ü1"}]) or {})
