"""The benchmark of lists, vectors and times measures gains against the true shop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lab.benchmarks.schema_kinds import METRICS, Gain, Judged, Rows, summary
from lab.benchmarks.schema_kinds_lists import Lists
from lab.benchmarks.schema_kinds_ranker import without

from recommender_training.common.arrays import Doubles
from recommender_training.samples import shop
from recommender_training.samples.shop_kinds import KINDS
from recommender_training.samples.shop_settings import Settings
from recommender_training.samples.shop_visits import POSITION_BIAS
from tests.benchmarks.schema_gap import Logged
from tests.unit.recommender_training.samples.shop_logs import ingested

SMALL = Settings(users=120, items=90, impressions=6000, days=10, positive_rate=0.01)
SEED = 3


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Logged, Rows, Lists]:
    folder: Path = tmp_path_factory.mktemp("shop")
    shop.write(folder, SMALL, SEED, all_kinds=True)
    logged = Logged.read(folder, SMALL)
    return logged, Rows.read(folder, logged), Lists.of(SMALL, SEED, logged)


def test_the_truth_is_ahead_of_itself_without_a_kind_that_orders_items(
    judged: tuple[Logged, Rows, Lists],
) -> None:
    _, rows, lists = judged
    truth = Judged.by(rows, lists, rows.probability, lists.logit)
    assert truth.of["ndcg"] == pytest.approx(1.0)
    for kind in KINDS:
        less = rows.without(kind)
        assert less.mean() == pytest.approx(rows.probability.mean())
        ahead = truth.ahead(Judged.by(rows, lists, less, lists.logit - lists.parts[kind]))
        assert ahead["normalised_entropy"][0] > 0
        alike = kind in ("hour", "birth_month")
        assert ahead["ndcg"][0] == pytest.approx(0.0) if alike else ahead["ndcg"][0] > 0, kind


def test_the_logits_of_lists_are_those_of_the_log_but_for_the_slot(
    judged: tuple[Logged, Rows, Lists],
) -> None:
    logged, rows, lists = judged
    tested = logged.tested
    true = rows.logit + POSITION_BIAS * np.log(tested["slot_position"].to_numpy())
    time = tested["time"].dt.epoch("ms").to_numpy()
    item = tested["item_id"].str.strip_prefix("SKU-").cast(int).to_numpy()
    compared = 0
    for place, at in enumerate(lists.time):
        page = np.flatnonzero(time == at)
        place_of = {int(known): n for n, known in enumerate(lists.item[place])}
        shown = [row for row in page if int(item[row]) in place_of]
        known = lists.logit[place, [place_of[int(item[row])] for row in shown]]
        away = true[shown] - known  # what is the same for all items of a request
        np.testing.assert_allclose(away, away[0], atol=1e-4)
        compared += len(shown)
    assert compared > 5 * len(lists.user)


def test_without_a_feature_a_data_set_is_as_if_it_were_not_declared(tmp_path: Path) -> None:
    shop.write(tmp_path, SMALL, SEED, all_kinds=True)
    whole = ingested(tmp_path, shop.mapping(all_kinds=True))
    for kind in ("profile", "hour"):
        less, bare = without(whole, kind), ingested(tmp_path, undeclared(kind))
        assert [each.name for each in less.attributes] == [each.name for each in bare.attributes]
        rows = np.arange(len(bare.events))
        np.testing.assert_array_equal(less.side_of_events(rows), bare.side_of_events(rows))


def undeclared(kind: str) -> str:
    """The mapping with all kinds but one."""
    parts = json.loads(shop.mapping(all_kinds=True))
    for table in ("users", "interactions"):
        features = parts[table]["features"]
        parts[table]["features"] = [each for each in features if each["name"] != kind]
    return json.dumps(parts)


def test_a_summary_has_the_mean_of_the_shops_and_its_interval() -> None:
    def gain(point: float) -> Gain:
        drawn: Doubles = np.r_[point, point + np.linspace(-0.1, 0.1, 1001)]
        return Gain(dict.fromkeys(METRICS, drawn), dict.fromkeys(METRICS, np.array([0.5])))

    shops = [dict.fromkeys(KINDS, gain(point)) for point in (0.2, 0.4)]
    told = summary(shops)["query"]["ndcg"]
    assert told["gain"] == pytest.approx(0.3)
    assert (told["low"], told["high"]) == pytest.approx((0.205, 0.395))
    assert (told["truth"], told["recovered"]) == (0.5, 0.6)
