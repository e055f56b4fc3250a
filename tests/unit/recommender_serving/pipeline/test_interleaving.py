"""Lists that mix those of two versions: users get them, and no failure of the candidate."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_contract.events import Source
from recommender_serving.domain.types import Ranking
from recommender_serving.experiments.assignment import bucket
from recommender_serving.experiments.holdout import Holdout
from recommender_serving.pipeline import list_assembly
from recommender_serving.ranking.answer_cache import Bounds as CacheBounds
from tests.unit.recommender_serving.serving_asking import infer, message, outputs, predict, v2
from tests.unit.recommender_serving.serving_fakes import (
    FakeRanker,
    giving,
)
from tests.unit.recommender_serving.serving_mixing import (
    ALONE,
    HALF,
    ID,
    MIXES,
    OTHERS,
    THEIRS,
    mixing,
)  # fmt: skip
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
    INFER,
    RECEIVER,
)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are mixed on a busy machine too."""
    monkeypatch.setattr(list_assembly, "PATIENCE", 30.0)


async def test_users_of_the_share_get_mixed_lists_over_each_protocol(tmp_path: Path) -> None:
    one, two, three = THEIRS[:3]
    async with mixing(tmp_path) as both:
        mixed, own = (await predict(both, one, OTHERS[0], headers=HALF)).json()["predictions"]
        assert mixed["items"] in MIXES
        assert sorted(mixed["scores"]) == pytest.approx([0.3, 0.9])
        assert (mixed["version"], mixed["source"]) == (RECEIVER, "model")
        assert own["items"] == ALONE
        body = (await both.receiver.served.http.post(INFER, json=v2(two), headers=HALF)).json()
        found = {each["name"]: each["data"] for each in body["outputs"]}
        assert found["item_ids"] in MIXES
        assert sorted(found["scores"]) == pytest.approx([0.3, 0.9])
        answer = outputs(await infer(both, three, HALF))
        assert answer["item_ids"] in MIXES
        assert (both.answers, both.waits) == ((3, 0), 3)
        assert both.counted("interleaving_asked", "answered") == 3
        shown = {each["user"]: each for each in await both.receiver.desk.reported()}
    for user, items in ((one, mixed["items"]), (two, found["item_ids"])):
        assert shown[user]["items"] == items
        teams = "AB" if items == MIXES[0] else "BA"
        assert shown[user]["interleaved"] == {"id": ID, "candidate": CANDIDATE, "teams": teams}
    assert "interleaved" not in shown[OTHERS[0]]


async def test_the_candidate_counts_its_lists_as_copies_and_reports_none(tmp_path: Path) -> None:
    async with mixing(tmp_path) as both:
        await predict(both, THEIRS[0], headers=HALF)
        value = both.candidate.value
        assert value("recommender_shadow_requests_total", outcome="ok") == 1
        assert value("recommender_requests_total", outcome="ok") == 0
        assert value("recommender_sessions_total") == 0
        assert await both.candidate.desk.reported() == []
        # Of the receiver it is an answer like any other.
        assert both.receiver.value("recommender_requests_total", outcome="ok") == 1


async def test_a_request_that_is_repeated_gets_the_same_list(tmp_path: Path) -> None:
    async with mixing(tmp_path) as both:
        headers = {**HALF, "x-request-id": "again"}
        lists = [
            (await predict(both, THEIRS[0], headers=headers, top_n=4)).json()["predictions"][0]
            for _ in range(3)
        ]
        many = []
        for n in range(8):
            headers = {**HALF, "x-request-id": f"r{n}"}
            answer = await predict(both, THEIRS[0], headers=headers)
            many.append(answer.json()["predictions"][0]["items"])
    assert all(each["items"] == lists[0]["items"] for each in lists)
    assert all(items in many for items in MIXES), "coins differ between requests"


async def test_a_mixed_list_is_neither_kept_nor_explored_nor_from_a_cache(tmp_path: Path) -> None:
    cache = CacheBounds(seconds=60, entries=100, bytes=10**6)
    async with mixing(tmp_path, cache=cache) as both:
        for _ in range(3):
            (mixed,) = (await predict(both, THEIRS[0], headers=HALF)).json()["predictions"]
            assert mixed["items"] in MIXES
        answer = await predict(both, THEIRS[0], headers={"x-nothing": "1"})
        assert answer.json()["predictions"][0]["items"] == ALONE
        assert both.candidate.value("recommender_shadow_requests_total", outcome="ok") == 3


async def test_users_of_the_holdout_get_no_list_of_a_model(tmp_path: Path) -> None:
    holdout = Holdout("5c0ffee5", "holdout-0a1b2c3d", 10, Source.BASELINE, 500.0)
    held = next(u for u in THEIRS if bucket(holdout.salt, str(u)) < 1000)
    async with mixing(tmp_path, holdout=holdout) as both:
        (found,) = (await predict(both, held, headers=HALF)).json()["predictions"]
        assert found["source"] == "baseline"
        assert both.counted("interleaving_asked", "answered") == 0
        (shown,) = await both.receiver.desk.reported()
    assert "interleaved" not in shown


async def test_what_a_request_excludes_and_its_length_hold_for_both_versions(
    tmp_path: Path,
) -> None:
    def every() -> FakeRanker:
        return giving(Ranking(tuple(range(1, 9)), tuple(1 / i for i in range(1, 9))))

    async with mixing(tmp_path, every, every) as both:
        excluded = {"excluded_items": [2, 3], "top_n": 5}
        (found,) = (await predict(both, THEIRS[0], headers=HALF, **excluded)).json()["predictions"]
        assert sorted(found["items"]) == [1, 4, 5, 6, 7]
        assert both.answers == (1, 0)


async def test_in_an_experiment_and_in_a_call_that_names_its_version_nothing_is_mixed(
    tmp_path: Path,
) -> None:
    async with mixing(tmp_path) as both:
        text = f"id={ID};phase=0;cap=100;arms={CANDIDATE}:9999-10000"
        headers = {**HALF, "x-recommender-experiment": text}
        (found,) = (await predict(both, THEIRS[0], headers=headers)).json()["predictions"]
        assert found["items"] == ALONE
        named = message(THEIRS[0], model_version=RECEIVER)
        answer = await both.rpc.ModelInfer(named, metadata=tuple(HALF.items()))
        assert outputs(answer)["item_ids"] == ALONE
        assert both.answers == (0, 0)
