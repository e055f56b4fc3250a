"""The stories of the demo, each given a champion under load; in any order."""

from __future__ import annotations

import pytest

from tests.scenario import stories
from tests.scenario.world import World

pytestmark = pytest.mark.e2e


def test_given_no_model_when_one_is_applied_then_its_first_version_serves(
    champion: World,
) -> None:
    assert champion.condition("Ready")["status"] in {"True", "False"}
    first = [v for v in champion.kube.versions(champion.name).values()
             if v["status"].get("decision", {}).get("reason") == "InitialRollout"]  # fmt: skip
    assert len(first) == 1


def test_given_a_champion_when_a_better_version_comes_then_it_is_promoted_step_by_step(
    champion: World,
) -> None:
    stories.better_version(champion)


def test_given_a_champion_when_a_version_answers_late_then_it_is_rolled_back_at_its_first_step(
    champion: World,
) -> None:
    stories.faulty_version(champion)


def test_given_a_champion_when_a_version_learned_nothing_then_it_never_gets_traffic(
    champion: World,
) -> None:
    stories.version_that_learned_nothing(champion)


def test_given_a_kept_version_when_rolled_back_to_then_it_serves_at_once(
    champion: World,
) -> None:
    if not champion.status.get("previous"):
        stories.better_version(champion)
    stories.roll_back_to_previous(champion)


def test_given_a_champion_when_users_change_then_drift_is_named_and_a_retraining_promoted(
    champion: World,
) -> None:
    stories.users_change(champion)
    stories.broken_features_of_candidate(champion)
