"""Reports compare the served lists with those of the peers, on the same requests."""

from __future__ import annotations

import numpy as np
import pytest

from recommender_contract.peers import GAIN, PEERS, ndcg_of
from recommender_training.evaluation import predictions, ranking_metrics
from recommender_training.evaluation.confidence_intervals import Sampled
from recommender_training.evaluation.evaluate import evaluate
from recommender_training.evaluation.peers import comparison, peer_lists
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.statistics import bootstrap


@pytest.fixture(scope="module")
def judged(bundle: Bundle, prepared: PreparedData) -> predictions.Window:
    return predictions.window(prepared, prepared.split.validation, bundle.sources)


@pytest.fixture(scope="module")
def found(judged: predictions.Window) -> peer_lists.PeerLists:
    return peer_lists.peer_lists(judged)


def test_every_peer_answers_every_request_with_distinct_items_that_it_may_get(
    judged: predictions.Window, found: peer_lists.PeerLists
) -> None:
    assert found.top.keys() == PEERS.keys()
    for top in found.top.values():
        assert top.shape == (len(judged.task.requests), predictions.TOP_K)
        assert all(len(set(row)) == len(row) for row in top.tolist())
        rows = np.arange(len(top))[:, None]
        assert not judged.task.excluded[rows, top].toarray().any()


def test_popularity_of_all_time_is_the_list_of_the_report(
    judged: predictions.Window, found: peer_lists.PeerLists
) -> None:
    popular = judged.counts.positives.astype(np.float64)
    expected = ranking_metrics.best_of_all(popular, judged.task.excluded, predictions.TOP_K)
    np.testing.assert_array_equal(found.top["popularity"], expected)


def test_blocks_of_requests_change_no_list(
    judged: predictions.Window, found: peer_lists.PeerLists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_lists, "_BLOCK", 2 * judged.data.items.count)
    for name, top in peer_lists.peer_lists(judged).top.items():
        np.testing.assert_array_equal(top, found.top[name], err_msg=name)


def test_peers_do_not_read_the_window_but_for_recent_popularity(
    judged: predictions.Window, found: peer_lists.PeerLists
) -> None:
    assert found.events == (judged.data.events.time < judged.start).sum()


def test_requests_are_drawn_where_the_catalogue_is_too_large_for_all(
    judged: predictions.Window, bundle: Bundle, prepared: PreparedData,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(peer_lists, "MAX_SCORES", 12 * judged.data.items.count)
    section = evaluate(bundle, prepared, prepared.split.validation)["peers"]
    assert section["requests"] == 12
    assert section["lists"]["ease"]["ndcgAt10"]["value"] is not None


def test_the_gain_is_over_the_peer_with_the_largest_ndcg(
    bundle: Bundle, prepared: PreparedData
) -> None:
    report = evaluate(bundle, prepared, prepared.split.validation)
    flat, lists = report["metrics"], report["peers"]["lists"]
    best = report["peers"]["best"]
    assert flat[ndcg_of(best)] == max(flat[ndcg_of(name)] for name in PEERS)
    assert flat[GAIN] == pytest.approx(flat["ndcgAt10"] - flat[ndcg_of(best)], abs=2e-6)
    alone = lists[best]["minus"]["ndcgAt10"]
    assert flat[f"{GAIN}Low"] < alone["low"] < alone["high"] < flat[f"{GAIN}High"]
    without = evaluate(bundle, prepared, prepared.split.validation, with_peers=False)
    assert "peers" not in without
    assert GAIN not in without["metrics"]


def end_of_gain(random: np.random.Generator, gains: list[float]) -> float:
    """Upper end of the gain over the best of some peers, of 60 users, with these true gains."""
    user = np.arange(60)
    drawn = bootstrap.draw(user, resamples=300)
    shared, found = random.normal(0, 0.1, 60), {}
    for place, gain in enumerate(gains):
        values = gain + shared + random.normal(0, 0.2, 60)
        resampled = bootstrap.mean(drawn, values, user)
        found[f"peer{place}"] = Sampled(float(values.mean()), resampled, 60)
    best = min(found, key=lambda name: found[name].value)
    high = comparison.simultaneous(drawn, found, best)["high"]
    assert high is not None
    return high


def test_eight_peers_that_are_as_good_seldom_look_better_beyond_chance() -> None:
    """By the interval of the best peer alone, a version would lose in about one run of seven."""
    random = np.random.default_rng(3)
    lost = sum(end_of_gain(random, [0.0] * 8) < 0 for _ in range(200))
    assert lost <= 10, "2.5 % of 200, and two standard errors"


def test_a_peer_that_is_better_is_found_among_others() -> None:
    random = np.random.default_rng(4)
    assert all(end_of_gain(random, [0.0] * 7 + [-0.3]) < 0 for _ in range(20))


def test_lists_that_no_resample_tells_apart_have_no_interval() -> None:
    drawn = bootstrap.draw(np.arange(30))
    same = {"ease": Sampled(0.0, np.zeros(len(drawn)), 30)}
    assert comparison.simultaneous(drawn, same, "ease") == {
        "value": 0.0, "low": None, "high": None
    }  # fmt: skip
