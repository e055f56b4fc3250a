"""The stories of the demo, each with a champion under load, in any order, in both modes."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import REQUESTS_A_SECOND, Better, NewWorld
from tests.e2e.worlds import MODES, own
from tests.scenario import stories
from tests.scenario.world import World

pytestmark = pytest.mark.e2e


def test_given_no_model_when_one_is_applied_then_its_first_version_receives_all_requests(
    champion: World,
) -> None:
    # The fixture has its decision, because another story may have rolled back to it.
    assert next(split for split in champion.route_splits if split) == {champion.first: 100}
    champion.until("its answers", lambda: champion.requests_of(champion.first) > 0, 120)


def test_given_a_champion_when_a_better_version_comes_then_it_is_promoted_step_by_step(
    champion: World, better: Better
) -> None:
    # The story has its own claims; the fixture runs it, because others start where it ends.
    assert (better.reported.decision, better.reported.reason) == ("Promoted", "StepsPassed"), (
        better.reported
    )


def test_given_a_champion_when_a_version_fails_for_some_then_it_is_rolled_back_at_its_first_step(
    champion: World,
) -> None:
    stories.faulty_version(champion)


def test_given_a_champion_when_a_version_learned_nothing_then_it_never_gets_traffic(
    champion: World,
) -> None:
    stories.version_that_learned_nothing(champion)


def test_given_a_kept_version_when_rolled_back_to_then_it_serves_at_once(
    champion: World, better: Better
) -> None:
    # The fixture left a previous version; other tests of this world may have replaced both.
    assert better.reported.decision == "Promoted"
    assert champion.status["previous"]
    stories.roll_back_to_previous(champion)


def test_given_a_champion_when_a_candidate_sees_broken_features_then_only_it_is_rolled_back(
    champion: World,
) -> None:
    stories.broken_features_of_candidate(champion)


@pytest.mark.parametrize("mode", MODES, ids=own)
def test_given_a_champion_when_users_change_then_drift_is_reported_and_a_retraining_promoted(
    new_world: NewWorld, mode: str
) -> None:
    world = new_world({"rollout": {"traffic": mode}})
    stories.first_version(world)
    world.start_load(REQUESTS_A_SECOND)
    stories.users_change(world)
    assert world.load is not None
    assert world.load.stop()["failed"] == 0, world.load.total
