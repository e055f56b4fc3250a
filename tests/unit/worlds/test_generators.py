"""Each generated world is a shop with a truth: probabilities, one seed one world, valid files."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import numpy as np
import pytest

from recommender_contract.resource.mapping import Format
from recommender_training.ingestion import ingest
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests.worlds import product
from tests.worlds.every import WORLDS
from tests.worlds.generators import groceries, marketplace, second_order, series, seventy_clicks
from tests.worlds.world import DAY, START, Recorder, World, normalised, zipf

NAMES = list(WORLDS)


@functools.cache
def world(name: str) -> World:
    return WORLDS[name](7, "small")


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_is_a_distribution_over_what_may_be_taken(name: str) -> None:
    of = world(name)
    assert len(of.requests) >= 100
    for request in of.requests:
        chances = request.chances
        assert chances.shape == of.born.shape
        assert (chances >= 0).all()
        if of.shown:
            assert (chances < 1).all()
        else:
            assert chances.sum() == pytest.approx(1)
        assert not chances[of.born > request.time].any()
        assert request.time >= of.cut
        if request.candidates is not None:
            assert set(np.flatnonzero(chances)) <= set(request.candidates.tolist())
        if not of.repeats:
            mine = (of.log.user == request.user) & (of.log.time < request.time)
            assert not chances[of.log.item[mine]].any()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_drawn_is_what_the_truth_says(name: str) -> None:
    """The mean chance of the items that were taken is that of a draw, within five errors."""
    of = world(name)
    drawn = expected = variance = 0.0
    for request in of.requests:
        same = (of.log.user == request.user) & (of.log.time == request.time)
        taken = of.log.item[same & of.log.positive]
        if of.shown:  # the ten that were shown; the number of their clicks
            chances = request.chances[of.log.item[same]]
            drawn += len(taken)
            expected += chances.sum()
            variance += (chances * (1 - chances)).sum()
        else:
            chances = request.chances
            (item,) = taken
            drawn += chances[item]
            expected += (chances**2).sum()
            variance += (chances**3).sum() - (chances**2).sum() ** 2
    assert abs(drawn - expected) < 5 * variance**0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_repeats_its_world_and_another_makes_another(name: str) -> None:
    of, again, other = world(name), WORLDS[name](7, "small"), WORLDS[name](8, "small")
    for field in ("user", "item", "time", "positive"):
        np.testing.assert_array_equal(getattr(of.log, field), getattr(again.log, field))
    pairs = list(zip(of.requests, again.requests, strict=True))
    assert all((one.chances == two.chances).all() for one, two in pairs)
    assert of.items == again.items
    assert len(other.log) != len(of.log) or (other.log.item != of.log.item).any()


@pytest.mark.parametrize("name", NAMES)
def test_its_files_are_those_of_the_declared_mapping(name: str, tmp_path: Path) -> None:
    of = world(name)
    source = tmp_path / "source"
    source.mkdir()
    product.write(of, source)
    mapping = parse_mapping(json.dumps(of.mapping), Format.CSV)
    checked = ingest.ingest_and_check(source, tmp_path / "lake", kind=Format.CSV, mapping=mapping)
    assert checked.quarantined_rows == 0
    assert checked.rows == len(of.log.before(of.cut))


def test_no_file_knows_what_comes_after_the_cut(tmp_path: Path) -> None:
    of, source = world("marketplace"), tmp_path / "source"
    source.mkdir()
    product.write(of, source)
    events = (source / "events.csv").read_text(encoding="utf-8").splitlines()
    assert all(int(line.split(",")[2]) < of.cut for line in events[1:])
    listed = len((source / "items.csv").read_text(encoding="utf-8").splitlines()) - 1
    assert listed == (of.born < of.cut).sum() < len(of.born)


def test_of_a_pair_the_order_decides() -> None:
    """In the world of the second order, the last item alone does not say what comes next."""
    of = second_order.generate(7, "small")
    best: dict[int, set[int]] = {}
    for request in of.requests:
        mine = (of.log.user == request.user) & (of.log.time < request.time)
        best.setdefault(int(of.log.item[mine][-1]), set()).add(int(request.chances.argmax()))
    assert max(len(each) for each in best.values()) > 1


def test_what_is_in_the_basket_has_no_chance_and_staples_come_again() -> None:
    of = groceries.generate(7, "small")
    for request in of.requests:
        basket = (of.log.user == request.user) & (of.log.time < request.time)
        basket &= of.log.time > request.time - 300
        assert not request.chances[of.log.item[basket]].any()
    pairs = np.unique(np.stack([of.log.user, of.log.item]), axis=1)
    assert pairs.shape[1] < len(of.log) / 2


def test_half_of_the_listings_are_new_each_month() -> None:
    of = marketplace.generate(7, "small")
    shares = [
        (of.born[request.candidates] > request.time - 30 * DAY).mean()
        for request in of.requests
        if request.candidates is not None
    ]
    assert 0.4 < np.mean(shares) < 0.6


def test_the_season_moves_from_one_genre_to_the_next() -> None:
    weeks = [int(series.demand(START + week * 7 * DAY).argmax()) for week in range(5)]
    assert weeks == [0, 1, 2, 3, 0]


def test_a_young_shop_has_about_seventy_clicks() -> None:
    counts = [
        int(of.log.before(of.cut).positive.sum())
        for of in (seventy_clicks.generate(seed, "small") for seed in range(6))
    ]
    assert 55 < np.mean(counts) < 85


def test_a_recorder_sorts_events_and_keeps_the_requests_after_the_cut() -> None:
    recorder = Recorder(100)
    recorder.event(0, 3, 120, event="b")
    recorder.event(1, 2, 90, positive=False, event="a")
    recorder.ask(0, 99, np.ones(1))
    recorder.ask(0, 100, np.ones(1), query=["x"])
    log = recorder.log()
    assert log.item.tolist() == [2, 3]
    assert log.positive.tolist() == [False, True]
    assert log.columns == {"event": ["a", "b"]}
    assert log.before(120).columns == {"event": ["a"]}
    (request,) = recorder.requests(5, np.random.default_rng(0))
    assert (request.time, request.context) == (100, {"query": ["x"]})


def test_popularity_falls_with_the_rank() -> None:
    shares = np.sort(zipf(4, 1.0, np.random.default_rng(0)))[::-1]
    np.testing.assert_allclose(shares, normalised(np.array([1, 1 / 2, 1 / 3, 1 / 4])))


def test_a_request_has_only_what_happened_before_it() -> None:
    of = world("rare-purchases")
    request = of.requests[0]
    (instance,) = product.body(request, of.log)["instances"]
    assert instance["session"]
    assert all(event["timestamp"] < request.time for event in instance["session"])
    assert {event["value"] for event in instance["session"]} <= {1.0, 5.0}
    named = dataclasses.replace(request, candidates=np.array([4, 2]))
    (instance,) = product.body(named, of.log)["instances"]
    assert instance["candidate_items"] == [5, 3]
