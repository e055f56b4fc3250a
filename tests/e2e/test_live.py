"""What users do comes back as events, and changes the next answer."""

from __future__ import annotations

import collections
import contextlib
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from recommender_client import EventClient, events
from tests.e2e.conftest import SMALL
from tests.e2e.test_shop import DATA, SPEC
from tests.scenario import collecting, install, mixed_lists, shop, stories
from tests.scenario.experiment_specs import EXPERIMENT, SLOW, SLOWED, WATCHED
from tests.scenario.setup import Platform
from tests.scenario.world import JOBS_SECONDS, World, merged

pytestmark = pytest.mark.e2e

#: Simulated users differ from those of the data, and their drift would hold a promotion.
LIVE = merged(
    SPEC,
    {
        "serving": {"impressions": 1, "holdout": {"percent": 10, "answers": "Popularity"}},
        "retrain": {"drift": {"enabled": False}},
    },
)
PARTS = ("store", "writer", "collector")


@pytest.fixture(scope="module")
def live(platform: Platform) -> Iterator[World]:
    """A shop in the namespace of the release, whose collector knows it, with a champion."""
    shop.write(DATA)
    spec = merged(SMALL, LIVE)
    world = platform.world(install.SYSTEM_NAMESPACE, spec, name=collecting.MODEL)
    world.remove()
    install.copy_into(world.cluster, world.kube.namespace, DATA / "raw")
    world.traffic = DATA / "traffic.jsonl"
    collecting.until_ready(world)
    collecting.route(world)
    stories.first_version(world)
    yield world
    world.kube.delete_model(world.name)
    world.kube.changes.stop()


def test_given_collected_events_when_parts_are_killed_then_no_event_is_lost_and_answers_follow(
    live: World,
) -> None:
    # The files of an earlier run on this cluster stay.
    prefix = f"killed-{secrets.token_hex(2)}-"
    users = collecting.Users(
        live, seconds=600, rate=15, users=300, click_rate=0.2, user_prefix=prefix
    )
    try:
        live.until("the first events", lambda: bool(collecting.archived(live, prefix)), 120)
        for part in PARTS:
            collecting.kill(live, part)
            collecting.until_ready(live)
        assert users.act, "all parts were killed while users acted"
        report = users.end()
    finally:
        users.stop()
    (arm,) = report["versions"].values()
    # Impressions of the serving path wait for seconds only: what is not taken then is dropped.
    acts = collections.Counter(click=arm["clicks"], purchase=arm["purchases"])

    def found() -> collections.Counter[str]:
        kinds = collecting.archived(live, prefix)
        assert kinds["impression"] <= arm["answers"], "one for each answer"
        return collections.Counter({kind: kinds[kind] for kind in acts})

    live.until("every acknowledged event in the files", lambda: found() == acts, 120)

    # An item that the user has clicked on does not come back.
    user = "u-live"
    shown = live.answer({"user_id": user, "top_n": 5})["items"]
    with EventClient(live.gateway, host=collecting.HOST) as client:
        assert client.send(events.click(user, shown[0])).accepted == 1
    live.until(
        "an answer without the item",
        lambda: shown[0] not in live.answer({"user_id": user, "top_n": 5})["items"],
        120,
    )


#: A tenth of them is in the holdout, whatever version serves.
VISITORS = [f"visitor-{number}" for number in range(60)]


def until_undeployed(live: World, *versions: str) -> None:
    left = {*versions}
    live.until("no deployment", lambda: left.isdisjoint(live.objects()["InferenceService"]), 60)


def until_weight(live: World, version: str, weight: int) -> None:
    """Wait until so many percent of the users get a version."""
    live.until(
        "its users",
        lambda: live.version(version).get("status", {}).get("weight") == weight,
        JOBS_SECONDS,
    )


def rehearsed(
    live: World,
    seed: int,
    appeal: float,
    arms: Mapping[str, float] | None = None,
    *,
    rate: float = 25,
    fault: dict[str, Any] | None = None,
    **changed: Any,
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Roll out a version while users like its answers so many times as much.

    `arms`: former versions that are compared too, and how much users like those. `rate`: requests
    a second. `fault`: that of the version's training. `changed`: sections of the spec. Return the
    version's name, what the users did, and its experiment.
    """
    changes = merged(merged(EXPERIMENT, {"training": {"seed": seed}}), changed)
    if arms:
        # All versions have as many users as the champion.
        compared = {
            "weight": 100 // (2 + len(arms)), "arms": [{"version": name} for name in arms]
        }  # fmt: skip
        changes = merged(changes, {"rollout": {"experiment": compared}})
    candidate = live.new_version_after(lambda: live.apply(changes, fault))
    until_weight(live, candidate, changes["rollout"]["experiment"]["weight"])
    liked = {candidate: appeal, **(arms or {})}
    users = collecting.Users(
        live, seconds=600, rate=rate, users=1500, click_rate=0.2, seed=seed,
        appeal=tuple(f"{name}={factor}" for name, factor in liked.items()),
        user_prefix=f"user-{seed}-",
    )  # fmt: skip
    try:
        live.until_decided(candidate)
        report = users.end()
    finally:
        users.stop()
    assert report["failed"] == 0, report
    return candidate, report, live.version(candidate)["status"]["experiment"]


@contextlib.contextmanager
def guests(live: World) -> Iterator[None]:
    """Let users come while a version is trained, before any experiment.

    The measure of the holdout needs a hundred: the collector has room for few experiments, and
    one with fewer users makes room for the next.
    """
    users = collecting.Users(live, seconds=20, rate=25, users=1000, user_prefix="guest-")
    try:
        yield
        users.report()
    finally:
        users.stop()


@pytest.fixture(scope="module")
def outvoted(live: World) -> str:
    """A version whose items users of mixed lists liked less, so that it was rolled back."""
    first = live.champion
    changes = {"training": {"seed": 53}, "rollout": {"interleaving": mixed_lists.SPEC}}
    with guests(live):
        candidate = live.new_version_after(lambda: live.apply(changes))
        live.until(
            "mixed lists", lambda: bool(mixed(live, candidate).get("startedAt")), JOBS_SECONDS
        )
    mixed_lists.preferring(live, candidate, f"voter-{secrets.token_hex(2)}-")
    assert live.until_decided(candidate) == "RolledBack", live.describe()
    assert live.champion == first
    return candidate


def mixed(live: World, version: str) -> dict[str, Any]:
    """Return what the status of a version tells of its mixed lists."""
    found: dict[str, Any] = live.version(version).get("status", {}).get("interleaving") or {}
    return found


def test_given_mixed_lists_when_users_click_on_the_champions_items_then_it_stays(
    live: World, outvoted: str
) -> None:
    found = mixed(live, outvoted)
    assert live.decision(outvoted)["reason"] == "InterleavingLost", live.decision(outvoted)
    assert found["verdict"] == "Worse", found
    assert found["users"] >= found["clicked"] >= 100, found
    assert -1 <= found["low"] < found["preference"] < found["high"] < 0, found
    assert not live.version(outvoted)["status"].get("steps"), "no user was its own"


def sources(live: World) -> dict[str, str]:
    """Return what answers each visitor."""
    return {user: live.answer({"user_id": user})["source"] for user in VISITORS}


def measured(live: World) -> bool:
    """Return whether the status says what the recommender gains over the holdout's list."""
    found = live.status.get("holdout") or {}
    gains = {each["metric"]: each for each in found.get("gains", [])}
    return found.get("users", 0) > 0 and "difference" in gains.get("ClickThroughRate", {})


def compared(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the estimates of an experiment by metric; each watched one has both values."""
    metrics = {each["metric"]: each for each in found["metrics"]}
    for metric in WATCHED:
        known = metrics[metric]
        assert min(known["championUsers"], known["candidateUsers"]) >= 100, known
        assert 0 <= known["champion"] <= 1, known
        assert 0 <= known["candidate"] <= 1, known
    assert 0 < metrics["GroupExposure"]["champion"] < 1, metrics["GroupExposure"]
    return metrics


def test_given_an_experiment_when_a_version_is_slow_then_it_is_rolled_back_although_users_like_it(
    live: World,
) -> None:
    first = live.champion
    # The model is busy for the delay: a candidate with half of these users has time left.
    slow, _, found = rehearsed(live, 61, appeal=2.5, rate=9, fault=SLOWED, **SLOW)
    decision = live.decision(slow)
    assert (decision["outcome"], decision["reason"]) == ("RolledBack", "ExperimentLost"), decision
    assert "SlowShare" in decision["message"], decision
    metrics = compared(found)
    requests, clicks = metrics["SlowShare"], metrics["ClickThroughRate"]
    print(f"{decision['message']} {requests}")
    assert requests["candidate"] > 0.95 > 1.2 * requests["champion"], requests
    assert clicks["candidate"] > clicks["champion"], clicks
    assert metrics["ErrorRate"]["candidate"] < 0.05, metrics["ErrorRate"]
    assert live.champion == first


def test_given_an_experiment_when_users_dislike_a_version_then_it_is_rolled_back_else_promoted(
    live: World, outvoted: str
) -> None:
    first = str(live.champion)
    disliked, report, found = rehearsed(live, 31, appeal=0.4)
    assert live.decision(disliked)["outcome"] == "RolledBack", live.describe()
    assert live.decision(disliked)["reason"] == "ExperimentLost", live.decision(disliked)
    assert found["mixed"] == 0, "no user has seen both versions"
    assert "ClickThroughRate" in live.decision(disliked)["message"], live.decision(disliked)
    assert compared(found)["ErrorRate"]["candidate"] < 0.05, found
    assert live.champion == first
    # Each user stays with a version, and users of the holdout see neither's model.
    assert set(report["versions"]) == {first, disliked}, report
    assert "popularity" not in report["versions"][disliked]["sources"], report
    listed = report["versions"][first]["sources"]["popularity"]
    assert 0.03 < listed / report["answers"] < 0.2, "a tenth of the users is in the holdout"
    before = sources(live)
    assert set(before.values()) == {"model", "popularity"}, before

    arms = {disliked: 0.4, outvoted: 1.3}
    liked, report, found = rehearsed(live, 23, appeal=1.8, arms=arms)
    assert live.decision(liked)["outcome"] == "Promoted", live.describe()
    assert (found["verdict"], found["mixed"]) == ("Promote", 0), found
    assert compared(found)["ClickThroughRate"]["low"] > 0, found
    # Two former versions had users of their own. One was withdrawn, and that one alone.
    assert set(report["versions"]) == {first, liked, *arms}, report
    others = {arm["version"]: arm for arm in found["arms"]}
    assert all(arm["users"] >= 100 for arm in others.values()), found
    assert "ClickThroughRate" in others[disliked]["withdrawn"], found
    assert not others[outvoted].get("withdrawn"), found
    assert others[outvoted]["result"] in ("Passed", "Undecided"), found
    withdrawn = [event["message"] for event in live.events("ArmWithdrawn")]
    assert any(disliked in message and liked in message for message in withdrawn), withdrawn
    until_undeployed(live, *arms)
    assert sources(live) == before, "the holdout has the same users, whatever version serves"
    live.until("what the recommender gains over the holdout's list", lambda: measured(live), 180)
