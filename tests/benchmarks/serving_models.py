"""The artifacts and requests of the serving benchmarks, made once for each state of the training.

MovieLens 100K, and a generated catalogue of 50,000 items. Both are trained for one epoch: the time
of an answer depends on shapes, not on what was learned. `movielens-int8` is the first one again,
served by its variant in 8-bit integers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender_contract.resource.mapping import Format
from tests.benchmarks import stream_training
from tests.cluster.settings import cache_folder

TRAINING = Path(__file__).resolve().parents[2] / "training" / "recommender_training"
MODELS = ("movielens", "catalogue50k")
INT8 = "movielens-int8"
#: Size of the generated catalogue, and of its events.
ITEMS, EVENTS = 50_000, 200_000
#: Exponent of the popularity of users; 1 is Zipf's law.
ZIPF, SEED, TOP, SESSION = 1.0, 17, 10, 20


def ensure(model: str) -> Path:
    """The folder of a model with `staged/` and `users.parquet`; made if it is not there."""
    digest = hashlib.sha256()
    for source in sorted(TRAINING.rglob("*.py")):
        digest.update(source.read_bytes())
    folder = cache_folder() / "bench-serving" / f"{model}-{digest.hexdigest()[:12]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as scratch:
            command = [sys.executable, "-m", "tests.benchmarks.serving_models", model, scratch]
            subprocess.run(command, check=True, stdout=sys.stderr)
            made = Path(scratch) / "made"
            made.mkdir()
            for name in ("staged", "users.parquet"):
                (Path(scratch) / name).rename(made / name)
            made.rename(folder)
    return folder


def _movielens(folder: Path, **changed: Any) -> None:
    from recommender_examples import movielens
    from recommender_training.ingestion import ingest

    movielens.fetch(folder / "raw")
    checked = ingest.ingest_and_check(folder / "raw", folder / "lake", kind=Format.MOVIELENS_100K)
    (folder / "version").write_text(checked.data_version)
    stream_training.whole(folder, **changed)


def _int8(folder: Path) -> None:
    """It serves whatever it loses, which the report says: the limits are for real versions."""
    from recommender_contract.resource.export import ExportSpec, Variant

    export = ExportSpec(variants=(Variant.INT8,), max_auc_loss=1, max_ndcg_loss=1)
    _movielens(folder, export=export)


def _catalogue(folder: Path) -> None:
    stream_training.generate(folder, EVENTS, ITEMS)
    stream_training.ingest(folder)
    stream_training.whole(folder)


_MAKERS: dict[str, Callable[[Path], None]] = dict(
    zip((*MODELS, INT8), (_movielens, _catalogue, _int8), strict=True)
)


def _make(model: str, folder: Path) -> None:
    """Train, and keep the users' newest sessions."""
    from recommender_training.data import load
    from recommender_training.data_checks import sample

    _MAKERS[model](folder)
    side, data = load.load_dataset(folder / "lake", (folder / "version").read_text(), None)
    events = sample.of_users(data).sort("user_id", "timestamp")
    newest = events.group_by("user_id").agg(pl.col("item_id", "timestamp", "value").tail(SESSION))
    people = newest.join(side.users, on="user_id").sort("user_id")
    people.write_parquet(folder / "users.parquet")


def minus_full(folder: Path) -> dict[str, Any]:
    """AUC and NDCG@10 of a variant on the test window, minus those of the full graph.

    Raises:
        RuntimeError: the full graph serves, because the variant saves too little.
    """
    report = json.loads((folder / "staged" / "report.json").read_text())
    if "full" not in report["minus"]:
        raise RuntimeError(f"{folder}: the full graph serves ({report.get('variants')})")
    return {name: report["minus"]["full"][name] for name in ("auc", "ndcgAt10")}


class Requests:
    """Requests of one model: Zipf users, with the features and sessions that they had."""

    def __init__(self, folder: Path, seed: int = SEED) -> None:
        self.artifact = folder / "staged"
        self.vocabulary: dict[str, Any] = json.loads(
            (self.artifact / "vocabulary.json").read_text()
        )
        self._people = pl.read_parquet(folder / "users.parquet")
        self._names = [
            each["name"]
            for each in self.vocabulary["features"]
            if each["of"] == "user" and each["name"] in self._people.columns
        ]
        random = np.random.default_rng(seed)
        count = len(self._people)
        shares = 1 / np.arange(1, count + 1) ** ZIPF
        self._order = random.permutation(count)
        self._shares, self._random = shares / shares.sum(), random
        self.now = int(self._people["timestamp"].list.max().max() or 0) + 60  # type: ignore[arg-type]

    def users(self) -> Iterator[dict[str, Any]]:
        """Every user with a session: id and events, oldest first."""
        for row in self._people.iter_rows(named=True):
            events = zip(row["item_id"], row["timestamp"], row["value"], strict=True)
            yield {"user_id": row["user_id"], "events": list(events)}

    def draw(self, count: int) -> list[dict[str, Any]]:
        """Instances of the v1 format without sessions, which the store knows."""
        drawn = self._random.choice(self._order, size=count, p=self._shares)
        rows = self._people.select("user_id", *self._names)[drawn].iter_rows(named=True)
        return [
            {
                "user_id": row["user_id"],
                "user": {name: row[name] for name in self._names if row[name] is not None},
                "timestamp": self.now,
                "top_n": TOP,
            }
            for row in rows
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=_MAKERS)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder / "lake", ignore_errors=True)
    _make(arguments.model, arguments.folder)


if __name__ == "__main__":
    main()
