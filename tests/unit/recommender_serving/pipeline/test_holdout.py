"""Users of a holdout get the fallbacks, over every protocol, and count for no version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recommender_contract.events import HELD, OTHERS, Source
from recommender_serving.domain.types import FallReason, RankerError
from recommender_serving.experiments.assignment import bucket
from recommender_serving.experiments.holdout import Holdout
from recommender_serving.ranking.answer_cache import Bounds
from tests.unit.recommender_serving.serving_asking import (
    OURS_BEST,
    infer,
    outputs,
    predict,
    v2,
)
from tests.unit.recommender_serving.serving_fakes import PLAIN, Parts, failing, giving
from tests.unit.recommender_serving.serving_versions import (
    CANDIDATE,
    HEADERS,
    ID,
    INFER,
    PREDICT,
    RECEIVER,
    STAMP,
    Pair,
    opened,
    pair,
)

HOLDOUT = Holdout("5c0ffee5", "holdout-0a1b2c3d", 10, Source.BASELINE, 500.0)
BASELINE_BEST = [21, 22]  # also the candidate's, so sources tell them apart


def users(group: str | None, *, theirs: bool) -> list[int]:
    """Users of a group, of the candidate or of the receiver."""

    def is_in(place: int) -> bool:
        if group == HELD:
            return place < 1000
        return place >= 6000 if group == OTHERS else 1000 <= place < 6000

    return [
        user
        for user in range(300)
        if is_in(bucket(HOLDOUT.salt, str(user))) and (bucket(ID, str(user)) < 5000) == theirs
    ]


KEPT, KEPT_OF_THEIRS = users(HELD, theirs=False)[0], users(HELD, theirs=True)[0]
OTHER, OTHER_OF_THEIRS = users(OTHERS, theirs=False)[0], users(OTHERS, theirs=True)[0]
FREE, FREE_OF_THEIRS = users(None, theirs=False)[0], users(None, theirs=True)[0]
STAMPED: dict[str, Any] = {"id": "5c0ffee5", "cap": 500.0}


def counted(both: Pair) -> dict[str, float]:
    """All that the operator reads of the receiver, which is not 0 and no constant."""
    found = {}
    for metric in both.receiver.served.parts.registry.collect():
        for sample in metric.samples:
            name = sample.name
            constant = "reference" in name or name.endswith("_created")
            if name.startswith("recommender_") and not constant and sample.value:
                found[f"{name} {sorted(sample.labels.items())}"] = sample.value
    return found


@pytest.mark.parametrize("user", [KEPT, KEPT_OF_THEIRS])
async def test_a_user_of_the_holdout_gets_the_baseline_over_each_protocol(
    tmp_path: Path, user: int
) -> None:
    async with pair(tmp_path, holdout=HOLDOUT) as both:
        (first,) = (await predict(both, user)).json()["predictions"]
        assert (first["items"], first["source"]) == (BASELINE_BEST, "baseline")
        assert (first["version"], first["score_kind"]) == (RECEIVER, "probability")
        assert "arm" not in first
        answer = await both.receiver.served.http.post(INFER, json=v2(user), headers=HEADERS)
        found = {each["name"]: each["data"] for each in answer.json()["outputs"]}
        assert (found["item_ids"], found["source"]) == (BASELINE_BEST, ["baseline"])
        assert "arm" not in found
        told = outputs(await infer(both, user))
        assert (told["item_ids"], told["source"]) == (BASELINE_BEST, [b"baseline"])
        # Nothing of it judges a version, and none was asked for it.
        assert counted(both) == {}
        assert both.receiver.forwarded() == {}
        assert both.receiver.value("transformer_holdout_answers_total", source="baseline") == 3
        assert both.receiver.value("transformer_requests_in_flight") == 0
        shown = await both.receiver.desk.reported()
        assert await both.candidate.desk.reported() == []
    assert [each["holdout"] for each in shown] == [{**STAMPED, "group": HELD}] * 3
    assert not any(STAMP.keys() & each.keys() or "arm" in each for each in shown)
    assert {each["path"] for each in shown} == {"baseline"}


async def test_everybody_else_is_answered_and_assigned_as_without_a_holdout(
    tmp_path: Path,
) -> None:
    everybody = [OTHER, OTHER_OF_THEIRS, FREE, FREE_OF_THEIRS]
    async with pair(tmp_path, holdout=HOLDOUT) as both:
        found = (await predict(both, *everybody)).json()["predictions"]
        assert [each["arm"] for each in found] == [RECEIVER, CANDIDATE] * 2
        assert {each["source"] for each in found} == {"model"}
        shown = {
            each["user"]: each
            for version in (both.receiver, both.candidate)
            for each in await version.desk.reported()
        }
    assert all(each.items() >= STAMP.items() for each in shown.values())
    # Whoever answers says the group, also of a request that another version passed on.
    for user in (OTHER, OTHER_OF_THEIRS):
        assert shown[user]["holdout"] == {**STAMPED, "group": OTHERS}
    assert "holdout" not in shown[FREE]
    assert "holdout" not in shown[FREE_OF_THEIRS]


async def test_a_call_with_users_of_the_holdout_and_others_is_answered_in_order(
    tmp_path: Path,
) -> None:
    async with pair(tmp_path, holdout=HOLDOUT) as both:
        asked = [KEPT, OTHER, KEPT_OF_THEIRS, OTHER_OF_THEIRS]
        found = (await predict(both, *asked)).json()["predictions"]
        assert [each["source"] for each in found] == ["baseline", "model"] * 2
        assert [each.get("arm") for each in found] == [None, RECEIVER, None, CANDIDATE]
        assert both.receiver.forwarded() == {"answered": 1}


async def test_the_baseline_obeys_the_selection_of_a_request(tmp_path: Path) -> None:
    async with pair(tmp_path, holdout=HOLDOUT) as both:
        answer = await predict(both, KEPT, excluded_items=[21], candidate_items=[21, 23, 30])
        (found,) = answer.json()["predictions"]
        assert found["items"] == [23, 30]
        answer = await predict(both, KEPT, deny={"genre": ["action"]})
        (found,) = answer.json()["predictions"]
        assert found["items"] == [22, 23]


async def test_the_cache_of_answers_never_mixes_the_holdout_and_others(tmp_path: Path) -> None:
    bounds = Bounds(seconds=60, entries=100, bytes=10**6)
    async with pair(tmp_path, cache=bounds, holdout=HOLDOUT) as both:
        for _ in range(2):
            (first, second) = (await predict(both, KEPT, OTHER)).json()["predictions"]
            assert (first["source"], second["source"]) == ("baseline", "model")
        value = both.receiver.value
        assert value("transformer_cache_lookups_total", outcome="miss") == 1
        assert value("transformer_cache_lookups_total", outcome="hit") == 1
        assert value("transformer_cache_entries") == 1


async def test_a_baseline_that_fails_leaves_the_popularity_list(tmp_path: Path) -> None:
    broken = failing(RankerError(FallReason.EMPTY))
    parts = Parts(tmp_path / "a", giving(PLAIN), broken, version=RECEIVER)
    async with opened(parts, holdout=HOLDOUT) as version:
        body = {"instances": [{"user_id": KEPT, "top_n": 2}]}
        answer = await version.served.http.post(PREDICT, json=body)
        (found,) = answer.json()["predictions"]
        assert found["source"] == "popularity"
        assert len(found["items"]) == 2
        assert version.value("transformer_holdout_answers_total", source="popularity") == 1
        fell = {"source": "baseline", "reason": "empty"}
        assert version.value("transformer_fallbacks_total", **fell) == 1
        # What judges a version has none of it.
        falls = [version.value("recommender_fallbacks_total", reason=each) for each in FallReason]
        assert not any(falls)
        assert version.value("recommender_answers_total", source="popularity") == 0


async def test_a_bug_that_the_holdout_meets_is_no_error_of_the_version_and_costs_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = Parts(tmp_path / "a", giving(PLAIN), giving(PLAIN), version=RECEIVER)

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    held = parts.recommender._holdout
    assert held is not None
    monkeypatch.setattr(held._fallbacks, "answer", fail)
    async with opened(parts, holdout=HOLDOUT) as version:
        body = {"instances": [{"user_id": KEPT, "top_n": 2}]}
        answer = await version.served.http.post(PREDICT, json=body)
        (found,) = answer.json()["predictions"]
        assert found["source"] == "popularity"
        assert version.value("transformer_holdout_errors_total") == 1
        assert version.value("transformer_holdout_answers_total", source="popularity") == 0
        assert version.value("recommender_requests_total", outcome="error") == 0
        assert version.value("transformer_requests_in_flight") == 0


async def test_requests_without_a_user_get_the_model(tmp_path: Path) -> None:
    async with pair(tmp_path, holdout=HOLDOUT) as both:
        session = [{"item": 5, "timestamp": 881250949}]
        for number in range(30):
            instance = {"session": session, "session_id": f"s{number}", "top_n": 2}
            answer = await both.receiver.served.http.post(PREDICT, json={"instances": [instance]})
            (found,) = answer.json()["predictions"]
            assert (found["items"], found["source"]) == (OURS_BEST, "model")


async def test_a_copy_or_a_named_version_is_answered_by_the_model(tmp_path: Path) -> None:
    async with pair(tmp_path, holdout=HOLDOUT) as both:
        http = both.receiver.served.http
        copy = {"x-recommender-copy": CANDIDATE}
        answer = await http.post(INFER, json=v2(KEPT), headers=copy)
        assert answer.headers["x-recommender-source"] == "model"
        named = f"/v2/models/recommender/versions/{RECEIVER}/infer"
        answer = await http.post(named, json=v2(KEPT))
        assert answer.headers["x-recommender-source"] == "model"
        assert await both.receiver.desk.reported() != []
