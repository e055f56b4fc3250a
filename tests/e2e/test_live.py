"""What users do comes back as events, and changes the next answer."""

from __future__ import annotations

import collections
from collections.abc import Iterator

import pytest

from recommender_client import EventClient, events
from tests.e2e.conftest import SMALL
from tests.e2e.test_shop import DATA, SPEC
from tests.scenario import collecting, install, shop, stories
from tests.scenario.setup import Platform
from tests.scenario.world import World, merged

pytestmark = pytest.mark.e2e

LIVE = merged(SPEC, {"serving": {"impressions": 1}})
PARTS = ("store", "writer", "collector")


@pytest.fixture
def live(platform: Platform) -> Iterator[World]:
    """A shop in the namespace of the release, whose collector knows it; not applied yet."""
    shop.write(DATA)
    spec = merged(SMALL, LIVE)
    world = platform.world(install.SYSTEM_NAMESPACE, spec, name=collecting.MODEL)
    world.remove()
    install.copy_into(world.cluster, world.kube.namespace, DATA / "raw")
    world.traffic = DATA / "traffic.jsonl"
    collecting.until_ready(world)
    collecting.route(world)
    yield world
    world.kube.delete_model(world.name)
    world.kube.changes.stop()


def test_given_collected_events_when_parts_are_killed_then_no_event_is_lost_and_answers_follow(
    live: World,
) -> None:
    stories.first_version(live)
    before = collecting.archived(live)
    users = collecting.Users(live, seconds=60, rate=15, users=300, click_rate=0.2)
    try:
        live.until("the first events", lambda: collecting.archived(live) != before, 60)
        for part in PARTS:
            collecting.kill(live, part)
            collecting.until_ready(live)
        assert users.act, "all parts were killed while users acted"
        report = users.report()
    finally:
        users.stop()
    (arm,) = report["versions"].values()
    acts = {"impression": arm["answers"], "click": arm["clicks"], "purchase": arm["purchases"]}
    wanted = collections.Counter(acts)
    live.until(
        "every acknowledged event in the files",
        lambda: collecting.archived(live) - before == wanted,
        60,
    )  # fmt: skip

    # An item that the user has clicked on does not come back.
    user = "u-live"
    shown = live.answer({"user_id": user, "top_n": 5})["items"]
    with EventClient(live.gateway, host=collecting.HOST) as client:
        assert client.send(events.click(user, shown[0])).accepted == 1
    live.until(
        "an answer without the item",
        lambda: shown[0] not in live.answer({"user_id": user, "top_n": 5})["items"],
        30,
    )
