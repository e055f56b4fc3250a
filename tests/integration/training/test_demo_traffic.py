"""Replayed traffic matches the reference; the shifted population differs in age and genre.

On MovieLens 100K where it is in the cache, else on generated data.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from recommender_contract.resource.mapping import Format
from recommender_examples import demo, movielens, synthetic
from recommender_training.artifact import reference, vocabulary
from recommender_training.data import dataset, version_content
from recommender_training.data.sessions import sample_session_requests
from recommender_training.ingestion import ingest, raw

WINDOW = 200
ALPHA = 0.01
FLOOR = 0.1  # total variation distance


@dataclass(frozen=True)
class World:
    folder: Path
    counts: dict[str, Any]
    reader: reference.FeatureReader

    def requests(self, name: str) -> list[dict[str, Any]]:
        text = (self.folder / f"{name}.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("demo")
    source = movielens.cache_folder()
    if not movielens.cached():
        source = tmp_path_factory.mktemp("raw")
        synthetic.generate(source, synthetic.Size(943, 400, 60_000), seed=2)
    demo.write_demo(source, folder, 17, 4000)
    data = raw.read_source(folder / "initial")
    tables = version_content.Tables(data.interactions, data.users, data.items, raw.declaration())
    words = vocabulary.vocabulary(dataset.build_dataset(tables), 20)
    requests = list(
        sample_session_requests(
            data.interactions, data.users, data.items, 17, declared=raw.declaration()
        )
    )
    counts = reference.reference(requests, [None] * len(requests), words)
    return World(folder, counts, reference.FeatureReader(words))


def compared(world: World, rows: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """P-value and total variation distance by feature, sparse bins pooled."""
    found = {}
    for feature in world.counts["features"]:
        if feature["name"] == "top_score":
            continue
        before = np.array([*feature["counts"], feature["nulls"], feature["unknowns"]], dtype=float)
        after = np.zeros_like(before)
        for row in rows:
            after[place(feature, row[feature["name"]])] += 1
        distance = 0.5 * np.abs(before / before.sum() - after / after.sum()).sum()
        dense = before / before.sum() * after.sum() >= 5
        table = np.array([[*part[dense], part[~dense].sum()] for part in (before, after)])
        table = table[:, table.sum(0) > 0]
        found[feature["name"]] = (
            float(chi2_contingency(table, correction=False).pvalue),
            distance,
        )
    return found


def place(feature: dict[str, Any], value: Any) -> int:
    size = len(feature["counts"])
    if value is None:
        return size
    if feature["kind"] == "numeric":
        return bisect_right(feature["edges"], value)
    return size + 1 if value == reference.UNKNOWN else int(value)


def breaches(world: World, name: str) -> list[set[str]]:
    """By window, the features that drift by Holm's correction and the floor of the effect."""
    rows = [world.reader.read(request) for request in world.requests(name)]
    result = []
    for start in range(0, len(rows) - WINDOW + 1, WINDOW):
        found = sorted(compared(world, rows[start : start + WINDOW]).items(), key=lambda x: x[1])
        named: set[str] = set()
        for rank, (feature, (p, distance)) in enumerate(found):
            if p > ALPHA / (len(found) - rank):
                break
            if distance > FLOOR:
                named.add(feature)
        result.append(named)
    return result


def test_steady_traffic_never_drifts_three_windows_in_a_row(world: World) -> None:
    found = breaches(world, "traffic")
    assert len(found) == 20
    runs = [bool(a and b and c) for a, b, c in zip(found, found[1:], found[2:], strict=False)]
    assert not any(runs), found
    assert sum(bool(named) for named in found) <= 2, found


def test_p_values_of_age_are_spread_as_chance_spreads_them(world: World) -> None:
    rows = [world.reader.read(request) for request in world.requests("traffic")]
    windows = [rows[start : start + WINDOW] for start in range(0, len(rows), WINDOW)]
    values = [compared(world, window)["age"][0] for window in windows]
    assert np.mean(np.array(values) < 0.05) <= 0.2
    assert np.median(values) > 0.15


def test_shifted_traffic_shows_in_age_and_genre_in_every_window(world: World) -> None:
    for named in breaches(world, "traffic-shifted"):
        assert {"age", "last_genre"} <= named


def test_traffic_comes_from_users_that_training_never_saw(world: World) -> None:
    known = set(raw.read_source(world.folder / "initial").users["user_id"].to_list())
    requests = world.requests("traffic")
    assert not known & {request["user_id"] for request in requests}
    assert len({request["session_id"] for request in requests}) == len(requests) == 4000


def test_the_window_holds_only_the_shifted_population(world: World, tmp_path: Path) -> None:
    first = ingest.ingest_and_check(
        world.folder / "initial",
        tmp_path / "lake",
        window_days=demo.WINDOW_DAYS,
        kind=Format.MOVIELENS_100K,
    )
    assert first.rows == raw.read_source(world.folder / "initial").interactions.height
    second = ingest.ingest_and_check(
        world.folder / "shifted",
        tmp_path / "lake",
        window_days=demo.WINDOW_DAYS,
        kind=Format.MOVIELENS_100K,
    )
    assert second.rows == second.new_rows > 1000
    assert second.quarantined_rows == 0
