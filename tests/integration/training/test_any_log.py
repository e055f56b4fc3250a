"""Any log that a shop may have is trained and answered from, or refused with a reason and what to
declare; never retried.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.checks import DataChecks
from recommender_training.cli import dispatch, main
from recommender_training.common import progress
from recommender_training.common.errors import InputError
from recommender_training.data_checks import run as data_checks
from tests.effort import COSTLY
from tests.integration.training import worlds
from tests.integration.training.transformer_in_process import ask
from tests.integration.training.worlds import World
from tests.mapped_files import INTERACTIONS, START, Row, check, declare, write

FIT = {"epochs": 1, "embeddingDim": 4, "batchSize": 256}
CONFIGS = (
    {"seed": 3, "algorithm": "LogisticRegression"},
    {"seed": 3, "hyperparameters": FIT},
)
#: What a message names that refuses a log: a field to declare or to change.
REMEDY = re.compile(r"data\.|label\.|mapping|timestamp|minimumValue|positiveTypes|remove|map ")


def version_of(world: World, folder: Path) -> str:
    """Ingest the tables of a world, as `check` does, and check them; the data version."""
    write(folder / "raw/events/a.csv", world.events)
    for name, rows in (("users", world.users), ("items", world.items)):
        if rows:
            write(folder / f"raw/{name}.csv", rows)
    fields = INTERACTIONS | dict(world.interactions)
    mapped = {name: value for name, value in fields.items() if value is not None}
    mapping = declare(interactions=mapped, **world.sections)
    version = check(folder / "raw", folder / "lake", mapping).data_version
    data_checks.run_checks(
        folder / "lake", version, DataChecks()
    )  # a blocked version is trained all the same
    return version


def train(folder: Path, version: str, config: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The exit code and the report of `train`."""
    report = folder / "report.json"
    code = main.main(
        ["train", "--lake", str(folder / "lake"), "--data-version", version,
         "--output", str(folder / "staged"), "--config", json.dumps(config),
         "--report", str(report)]
    )  # fmt: skip
    found: dict[str, Any] = json.loads(report.read_text())
    return code, found


def answers(folder: Path, world: World) -> list[dict[str, Any]]:
    """What the transformer answers from the exported graphs: to a known and to an unknown user."""
    last = world.events[-1]
    unknown = "nobody" if isinstance(last["user"], str) else worlds.LAST_ID - 1
    seen = {"item": last["item"], "timestamp": START - 1, "value": 5.0}
    body = {
        "instances": [
            {"user_id": user, "top_n": 3, "timestamp": START, "session": session}
            for user in (last["user"], unknown)
            for session in ([], [seen])
        ]
    }
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        answer = asyncio.run(ask(folder / "staged", body, Path(scratch)))
    found: list[dict[str, Any]] = answer["predictions"]
    return found


def works_or_says_what_to_declare(folder: Path, world: World, *configs: dict[str, Any]) -> str:
    """Train and ask, or read the reason; what came of it."""
    try:
        version = version_of(world, folder)
    except InputError as error:
        return error.reason
    reason = ""
    for config in configs:
        code, report = train(folder, version, config)
        reason = str(report["reason"])
        if code != dispatch.SUCCESS:
            assert code == dispatch.INVALID_INPUT, report
            assert REMEDY.search(str(report["message"])), report["message"]
            return reason
        assert all(np.isfinite(value) for value in report["metrics"].values())
        known = {row["item"] for row in world.events} | {row["id"] for row in world.items}
        for answer in answers(folder, world):
            assert answer["items"], "the popularity list has an item for everybody"
            assert {*answer["items"]} <= known
            assert np.isfinite(answer["scores"]).all()
    return reason


REFUSED = {
    "all positive", "no positive", "one positive", "one second", "a second for each window",
    "eleven rows", "five rows", "one row", "positives alone", "no positive, with negatives",
    "positives of one item, with negatives", "positives of one user, with negatives",
    "impressions without purchases", "purchases without impressions",
    "a window of attribution longer than the log",
}  # fmt: skip


@pytest.mark.parametrize("name", worlds.WORLDS)
def test_a_log_at_the_edge_is_trained_or_refused_with_what_to_declare(
    name: str, tmp_path: Path
) -> None:
    found = works_or_says_what_to_declare(tmp_path, worlds.WORLDS[name](), *CONFIGS)
    assert found == ("TooFewRows" if name in REFUSED else "Done")


def _numbers(least: int, most: int) -> st.SearchStrategy[int]:
    return st.one_of(st.sampled_from([least, least + 1, most]), st.integers(least, most))


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "tier": st.sampled_from(["", "a", "b", "ü", "x" * 64, "NULL"]),
    "flag": st.sampled_from(["", "true", "false"]),
    "price": st.sampled_from(["", "0", "-1", "1e15", "-1e15", "1e-300", "9.99"]),
    "since": st.sampled_from(["", "1", str(START), str(START - 10**8)]),
    "tags": st.sampled_from(["", "a", "a|b", "|", "a|a|a", "|".join(map(str, range(16)))]),
    "vector": st.sampled_from(["", "[0,0,0]", "[1e30,-1e30,0]", "[1,2,3]", "[1e-30,0,0]"]),
}


@st.composite
def generated(draw: st.DrawFn) -> World:
    """A log of few distinct or of many users, items, times, values and types, with features."""
    rows = draw(_numbers(10, 200))
    users, items = draw(_numbers(1, 50)), draw(_numbers(1, 60))
    span = draw(st.sampled_from([1, 20, 3600, 30 * 86_400]))
    rate = draw(st.sampled_from([0.02, 0.3, 0.9, 1.0]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    late = draw(st.booleans())  # whether items come in the order of time

    def item(number: int) -> int:
        return number * items // rows if late else int(random.integers(items))

    at = np.sort(random.integers(0, span, rows)) + START - 40 * 86_400
    typed = draw(st.booleans())
    events: list[Row] = [
        {"user": int(random.integers(users)), "item": item(number), "at": int(at[number]),
         **({"event": "buy" if liked else "view"} if typed else {"rating": 5 if liked else 2})}
        for number, liked in enumerate((random.random(rows) < rate).tolist())
    ]  # fmt: skip
    world = worlds.described(lambda name, _: draw(VALUES[name])) if draw(st.booleans()) else None
    sections: dict[str, Any] = dict(world.sections) if world else {}
    fields: dict[str, Any] = dict(worlds.TYPES) if typed else {}
    if typed:
        sections |= draw(st.sampled_from([{}, {"label": worlds.NEGATIVES}, {"label": {
            "positiveTypes": [{"type": "buy"}],
            "attribution": {"impressions": ["view"], "hours": 0.1}}}]))  # fmt: skip
    return World(
        events, world.users if world else [], world.items if world else [], sections, fields
    )


SETTINGS = st.fixed_dictionaries(
    {
        "historyLength": st.sampled_from([1, 20, 200]),
        "retrieval": st.sampled_from(["Weights", "TwoTower", "Both"]),
        "features": st.sampled_from([[], ["DemographicRates", "RollingPopularity", "Calendar"]]),
    }
)


@given(world=generated(), settings=SETTINGS, fair=st.booleans())
@COSTLY
def test_any_log_is_trained_or_refused_with_what_to_declare(
    world: World, settings: dict[str, Any], fair: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config: dict[str, Any] = {"seed": 3, "hyperparameters": {**FIT, **settings}}
    if fair:
        config["mitigation"] = {"reweighting": {}, "exposure": {}}
    folder = tmp_path_factory.mktemp("world")
    with progress.silence():
        works_or_says_what_to_declare(folder, world, config)
