"""Features are declared once; the groups on demand are causal, and the same when they serve."""

from __future__ import annotations

import dataclasses
import datetime
import math
import pathlib
import shutil
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from recommender_contract.artifact import MANIFEST
from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.artifact import manifest, triton
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data.dataset import Dataset
from recommender_training.evaluation import predictions, ranking_metrics
from recommender_training.export import build, parity, torchscript
from recommender_training.features import (
    assembly,
    attributes,
    event_features,
    event_history,
    graph,
    group_numbers,
    model_features,
    names,
)
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.features.item_content import content
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.models import item_weights
from recommender_training.models.ranker import Ranker, RankerSize
from recommender_training.pipeline.champion import Champion
from recommender_training.statistics.calibration import Calibration
from tests import small_data

ITEMS, USERS, DAY = 4, 3, 86_400
EVERY = tuple(FeatureGroup)

# half days, chosen so that many events lie exactly on the left edge of a window
event = st.tuples(
    st.integers(0, USERS - 1),
    st.integers(0, ITEMS - 1),
    st.sampled_from([1.0, 4.0]),
    st.sampled_from([0, 1, 2, 3, 14, 15, 16, 60, 62]).map(lambda n: 1_000_000 + n * DAY // 2),
)
Rows = list[tuple[int, int, float, int]]


#: Two features of users for cold start and one that is not; two of items, with a time.
DECLARED = FeatureSchema.model_validate(
    {
        "users": [
            {"name": "points", "kind": "Numeric", "edges": [30], "coldStart": True},
            {"name": "plan", "kind": "Categorical", "coldStart": True},
            {"name": "town", "kind": "Categorical"},
        ],
        "items": [
            {"name": "topic", "kind": "Categorical"},
            {"name": "size", "kind": "Numeric", "edges": [1]},
            {"name": "made", "kind": "Timestamp"},
        ],
        "context": [{"name": "device", "kind": "Categorical", "coldStart": True}],
    }
)


def dataset_of(rows: Rows) -> Dataset:
    """Users are 1 and on, the last one unknown; items are 10 and on."""
    return small_data.build(
        [(user + 1, item + 10, value, time) for user, item, value, time in rows],
        [
            {"id": 1, "points": 20.0, "plan": "free", "town": "Ulm"},
            {"id": 2, "points": 40.0, "plan": "paid", "town": "Ulm"},
            {"id": 3},
        ],
        [{"id": 10 + item, "topic": "a"} for item in range(ITEMS)],
        DECLARED,
    )


def test_every_number_of_the_models_has_its_name_and_every_declaration_its_number() -> None:
    data = dataset_of([(0, 0, 4.0, 1_000_000), (1, 1, 1.0, 2_000_000)])
    frozen = assembly.Constants(3.0, 0.5, EVERY)
    inputs = event_features.build_features(data, 2, frozen)
    assert inputs.numbers.shape[1] == len(names.both_models(data))
    assert inputs.taste.shape[1] == len(graph.TASTE_NUMBERS)
    assert inputs.extra.shape[1] == len(names.of_groups(data, EVERY))
    for group in EVERY:
        alone = event_features.build_features(
            data, 2, dataclasses.replace(frozen, groups=(group,))
        )
        assert alone.extra.shape[1] == len(names.of_groups(data, (group,))) > 0
    # a name in capitals stands for one number of each feature of its kind
    stands = {"TIME": ("made",), "ITEM": ("topic", "size"), "USER": ("points", "plan")}
    told = [
        feature.name.replace(word, name)
        for feature in model_features.FEATURES
        if feature.block in {"item_numbers", "session_numbers", "pair_numbers", "taste_numbers"}
        or feature.block in EVERY
        for word in [next((word for word in stands if word in feature.name), "")]
        for name in stands.get(word, ("",))
    ]
    found = names.number_names(data, EVERY)
    assert sorted(found) == sorted(told)
    assert len({f.name for f in model_features.FEATURES}) == len(model_features.FEATURES)


def test_groups_are_read_in_one_order_and_unknown_ones_refused() -> None:
    backwards = (*reversed(EVERY), EVERY[0])
    assert model_features.ordered(backwards) == model_features.named_features(backwards) == EVERY
    with pytest.raises(ValueError, match="does not know: Moon"):
        model_features.named_features(["Calendar", "Moon"])


@given(rows=st.lists(event, min_size=1, max_size=30), days=st.sampled_from([1, 7, 30]))
def test_a_window_is_closed_on_the_left_and_open_on_the_right(rows: Rows, days: int) -> None:
    events = dataset_of(rows).events
    own, total = event_history.counts_within(events, days * DAY)
    for row, time in enumerate(events.time):
        inside = (events.time >= time - days * DAY) & (events.time < time)
        assert total[row] == inside.sum()
        assert own[row] == (inside & (events.item == events.item[row])).sum()


def asked_of(user: int, time: int) -> group_numbers.Asked:
    """One request with every item as a candidate."""
    return group_numbers.Asked(np.array([user]), np.array([time]), np.arange(ITEMS)[None])


@given(rows=st.lists(event, min_size=1, max_size=25))
@example(rows=[(n % 2, 0, 4.0 if n % 4 else 1.0, 1_000_000 + n) for n in range(25)])
def test_one_request_against_the_catalogue_has_the_numbers_of_the_row_in_training(
    rows: Rows,
) -> None:
    data = dataset_of(rows)
    events, every = data.events, np.arange(len(rows))
    numbers = group_numbers.OfEvents.of(data, EVERY, 0.4, event_history.counts_before(data.events))
    found = numbers.take(every)
    for row in range(0, len(rows), 5):
        time, user = int(events.time[row]), int(events.user[row])
        counts = event_history.counts_at(events, time, ITEMS)
        tables = group_numbers.Tables.at(data, time)
        asked = asked_of(user, time)
        listed = group_numbers.of_candidates(data, EVERY, 0.4, counts, tables, asked)[0]
        torch.testing.assert_close(listed[int(events.item[row])], found[row], rtol=0, atol=1e-5)
    some = every[::2]
    assert torch.equal(numbers.take(some), found[::2])


def test_what_is_known_at_the_end_is_all_and_its_windows_end_with_the_newest_event() -> None:
    rows: Rows = [(0, 0, 4.0, 1_000_000), (1, 0, 1.0, 1_000_000 + 2 * DAY)]
    tables = group_numbers.Tables.at(dataset_of(rows), None)
    assert tables.recent.tolist() == [[1, 2, 2], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert tables.recent_total.tolist() == [1, 2, 2]
    assert tables.group_events.sum() == 2 * len(rows)
    assert tables.group_positives.sum() == 2


def test_rates_tell_what_a_group_thinks_of_an_item_and_nothing_of_unknown_users() -> None:
    rows: Rows = [(n % 2, 0, 4.0 if n % 2 else 1.0, 1_000_000 + n) for n in range(40)]
    rows += [(2, 0, 4.0, 1_000_100 + n) for n in range(6)]  # by somebody unknown
    data = dataset_of(rows)
    counts, tables = (
        event_history.counts_at(data.events, None, ITEMS),
        group_numbers.Tables.at(data, None),
    )
    numbers = [
        group_numbers.of_candidates(data, (EVERY[0],), 0.5, counts, tables, asked_of(user, 0))[0]
        for user in range(3)
    ]
    hers, his, unknown = (float(each[0, 1]) for each in numbers)
    rate = (26 + 10 * 0.5) / (46 + 10)
    inside = {1: (20 + 10 * rate) / 30, 0: 10 * rate / 30}
    logits = [math.log(p / (1 - p)) for p in (inside[0], inside[1], rate)]
    assert hers == pytest.approx(logits[0] - logits[2], abs=1e-5)
    assert his == pytest.approx(logits[1] - logits[2], abs=1e-5)
    assert unknown == 0
    assert not numbers[1][1:].any(), "of items without events nothing is told"


@given(time=st.integers(0, 4_000_000_000))
def test_hour_and_weekday_are_those_of_the_calendar_in_utc(time: int) -> None:
    when = datetime.datetime.fromtimestamp(time, datetime.UTC)
    day = (when.hour * 3600 + when.minute * 60 + when.second) / DAY * 2 * math.pi
    week = when.weekday() / 7 * 2 * math.pi
    expected = [math.sin(day), math.cos(day), math.sin(week), math.cos(week)]
    assert graph.calendar_numbers(torch.tensor([time]))[0].tolist() == pytest.approx(
        expected, abs=1e-5
    )


@pytest.fixture(scope="module")
def grouped(prepared: PreparedData) -> PreparedData:
    frozen = dataclasses.replace(prepared.constants, groups=EVERY)
    inputs = event_features.build_features(prepared.data, prepared.history_length, frozen)
    return dataclasses.replace(prepared, constants=frozen, inputs=inputs)


@pytest.fixture(scope="module")
def untrained(grouped: PreparedData) -> Ranker:
    """Random weights read every number, so that a wrong one shows."""
    torch.manual_seed(0)
    data, told = grouped.data, grouped.kept
    size = RankerSize(data.users.count, attributes.sizes(data), 8, 0.0, 0.0)
    numbers = torch.cat([told.numbers, told.taste, told.extra], 1)
    scale = numbers.std(0).clamp(min=1e-3)
    return Ranker(size, content(data.items), numbers.mean(0), scale).eval()


def exported(model: Ranker, grouped: PreparedData) -> tuple[Any, build.ExportInputs]:
    data = grouped.data
    weights = item_weights.fit(data, np.ones(len(data.events), dtype=np.bool_))
    state = CatalogueState.at(data, None, EVERY)
    known = build.ExportInputs(data, grouped.constants, state, weights, grouped.history_length)
    return build.ranker_module(model, known, Calibration(1.3, -0.4)), known


def test_the_served_graph_has_the_numbers_of_the_training(
    grouped: PreparedData, untrained: Ranker, bundle: Bundle, trained: Any, tmp_path: pathlib.Path
) -> None:
    module, known = exported(untrained, grouped)
    folder = tmp_path / "artifact"
    shutil.copytree(trained.staged, folder)
    (folder / MANIFEST).unlink()
    torchscript.save(module, triton.model_path(folder))
    digest = manifest.write_manifest(folder, {})
    mine = dataclasses.replace(bundle, deep=untrained, deep_calibration=Calibration(1.3, -0.4))
    task = ranking_metrics.reveal_half(grouped.data, grouped.split.test, grouped.history_length)
    loaded = torchscript.load(triton.model_path(folder))
    assert list(loaded.groups) == [group.value for group in EVERY]
    scorer = predictions.scorers(mine, grouped)[1]
    late = [dataclasses.replace(each, time=each.time + 5 * DAY) for each in task.requests[:3]]
    told = parity.check_parity(loaded, scorer, known, [*task.requests[:3], *late])
    assert told["maxDifference"] < 1e-5

    judged = predictions.window(grouped, grouped.split.test)
    said = predictions.answer(mine, grouped, judged)["recommender"]
    champion = Champion.load(folder, digest).answers(judged)
    assert said.probability is not None
    assert champion.probability is not None
    np.testing.assert_allclose(champion.probability, said.probability, atol=1e-5)
    assert (champion.top == said.top).mean() > 0.99, "ties may fall the other way"
