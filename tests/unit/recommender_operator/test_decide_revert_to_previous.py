"""An older version returns only if it is better on the same rows, with both figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator import actions as a
from recommender_operator.api.version_previous import PreviousComparison
from recommender_operator.monitoring.revert_to_previous import is_better
from recommender_operator.observed import JobKind
from tests.unit.recommender_operator.drift_worlds import DRIFT, look, serving, settle
from tests.unit.recommender_operator.test_decide_drift_causes import SWAPPED, USUAL, labelled
from tests.unit.recommender_operator.test_decide_properties import Oracle
from tests.unit.recommender_operator.world import World

BETTER = {
    "rows": 9000, "users": 800, "logLoss": 0.41, "championLogLoss": 0.52, "gainLow": 0.08,
    "gainHigh": 0.14, "auc": 0.71, "championAuc": 0.64, "since": "2026-01-24T00:00:00Z",
    "until": "2026-01-31T00:00:00Z",
}  # fmt: skip


def two(**drift: object) -> tuple[World, Oracle, str, str]:
    """A world whose champion has replaced another version, and both names."""
    world, oracle = serving(17, 2)
    world.edit(retrain={"drift": DRIFT | drift})
    settle(world, oracle)
    champion, previous = world.status.champion, world.status.previous
    assert champion is not None
    assert previous is not None
    return world, oracle, champion, previous


def digest_of(world: World, name: str) -> str:
    artifact = world.versions[name].status.artifact
    assert artifact is not None
    return artifact.digest


def compared(world: World, champion: str, previous: str, **fields: object) -> None:
    """What the next training reports about the two."""
    beside = {"digest": digest_of(world, previous), **BETTER, **fields}
    found = {"digest": digest_of(world, champion), "compared": True, "previous": beside}
    world.odd_reports[JobKind.TRAIN] = {"champion": found}


def drifted(world: World, oracle: Oracle, times: int = 8) -> None:
    labelled(world, SWAPPED)
    look(world, oracle, times)


def trainings(world: World) -> list[dict[str, str]]:
    return [
        dict(x.inputs) for x in world.log if isinstance(x, a.StartJob) and x.kind is JobKind.TRAIN
    ]


def test_the_training_after_a_rise_of_the_loss_gets_champion_and_previous_version() -> None:
    world, oracle, champion, previous = two()
    drifted(world, oracle)
    inputs = trainings(world)[-1]
    assert inputs["champion_digest"] == digest_of(world, champion)
    assert inputs["previous_digest"] == digest_of(world, previous)
    assert inputs["previous_path"] != inputs["champion_path"]
    assert all("previous_path" not in each for each in trainings(world)[:-1])


def test_a_training_without_a_rise_of_the_loss_compares_nothing() -> None:
    world, oracle, *_ = two()
    labelled(world, USUAL)
    world.annotations["retrain"] = "1"
    look(world, oracle, 8)
    assert len(trainings(world)) == 3
    assert all("previous_path" not in each for each in trainings(world))


def test_a_better_previous_version_is_proposed_with_both_figures_and_not_more() -> None:
    world, oracle, champion, previous = two()
    compared(world, champion, previous)
    drifted(world, oracle, 3)
    world.edit(retrain={"mode": "Propose"})
    assert f"none before a training has compared {previous}" in world.message("Drifted")
    look(world, oracle, 3)
    told = world.message("Drifted")
    assert f"{previous} has a log loss of 0.4100 against 0.5200 of {champion}" in told
    assert "9000 rows of 800 users from 2026-01-24 to 2026-01-31" in told
    assert "Rollback: proposed" in told
    assert "retrain.mode is Propose" in told
    assert f"recommender.dev/rollback-to={previous}, which also ends" in told
    assert told.endswith("then starts that again, compared with what serves")
    assert world.champion() == champion
    look(world, oracle, 3)
    assert "Rollback: proposed" in world.message("Drifted")
    proposals = [each for each in world.events if each.reason == "PreviousIsBetter"]
    assert len(proposals) == 1


def test_a_retraining_that_the_proposal_ends_starts_again_as_it_says() -> None:
    world, oracle, champion, previous = two()
    compared(world, champion, previous)
    drifted(world, oracle, 3)
    world.edit(retrain={"mode": "Propose"})
    look(world, oracle, 3)
    retrained = world.status.candidate
    assert retrained is not None
    assert f"ends {retrained}" in world.message("Drifted")
    world.annotations["rollback-to"] = previous
    look(world, oracle, 3)
    assert world.champion() == previous
    assert world.versions[retrained].status.stage == "RolledBack"
    world.odd_reports.clear()
    world.annotations["retry"] = "1"
    look(world, oracle, 2)
    assert world.status.candidate == retrained


def test_only_the_first_comparison_of_two_versions_acts() -> None:
    world, oracle, champion, previous = two()
    compared(world, champion, previous, gainLow=-0.001)
    drifted(world, oracle, 6)
    first = world.status.candidate
    assert first is not None
    world.annotations["abort"] = "1"
    look(world, oracle, 1)
    compared(world, champion, previous)
    world.annotations["retrain"] = "1"
    look(world, oracle, 8)
    assert world.status.candidate not in (None, first)
    assert world.versions[champion].status.stage == "Promoted"
    assert "only the first comparison of two versions acts" in world.message("Drifted")


def test_it_returns_where_the_spec_says_so_and_the_training_starts_again() -> None:
    world, oracle, champion, previous = two()
    compared(world, champion, previous)
    drifted(world, oracle, 3)
    retrained = world.status.candidate
    assert retrained is not None
    for _ in range(12):
        look(world, oracle, 1)
        if world.champion() == previous:
            break
    status = {name: world.versions[name].status for name in (champion, previous, retrained)}
    assert (status[champion].stage, status[previous].stage) == ("RolledBack", "Promoted")
    decision = status[previous].decision
    assert decision is not None
    assert (decision.reason, decision.automatic) == ("PreviousIsBetter", True)
    assert "0.4100 against 0.5200" in decision.message
    assert status[retrained].attempt == 1
    assert status[retrained].previous is None
    assert world.status.consecutive_rollbacks == 1
    assert world.status.champion_weight == 100
    # Its gates compare the training with the version that serves now.
    world.odd_reports.clear()
    look(world, oracle, 6)
    assert "previous_path" not in trainings(world)[-1]
    settle(world, oracle)
    assert world.champion() == retrained


@pytest.mark.parametrize("after", range(5))
def test_a_crash_between_the_writes_of_a_rollback_leaves_one_version_and_trains_again(
    after: int,
) -> None:
    world, oracle, champion, previous = two()
    compared(world, champion, previous)
    drifted(world, oracle, 3)
    retrained = world.status.candidate
    assert retrained is not None
    for _ in range(12):
        with oracle.speaks():
            if "PreviousIsBetter" in str(world.reconcile(crash_after=0).actions):
                world.reconcile(crash_after=after)
                break
        look(world, oracle, 1)
    else:
        raise AssertionError(world.summary())
    for _ in range(12):
        look(world, oracle, 1)
        if world.champion() == previous:
            break
    assert world.champion() == previous
    assert world.versions[champion].status.stage == "RolledBack"
    assert world.versions[retrained].status.attempt >= 1


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"gainLow": -0.001}, "Rollback: none; on 9000 rows"),
        ({"auc": 0.63}, "Rollback: none; on 9000 rows"),
        ({"users": 19}, "20 users are needed"),
        ({"message": "no row is later"}, "was not compared: no row is later"),
    ],
    ids=["chance", "worse order", "few users", "no rows"],
)
def test_it_stays_where_the_previous_version_is_not_shown_to_be_better(
    fields: dict[str, object], told: str
) -> None:
    world, oracle, champion, previous = two()
    compared(world, champion, previous, **fields)
    drifted(world, oracle, 6)
    assert told in world.message("Drifted")
    assert world.versions[champion].status.stage == "Promoted"


def test_figures_of_other_versions_decide_nothing() -> None:
    world, oracle, champion, previous = two()
    compared(world, champion, previous, digest="sha256:" + "f" * 64)
    drifted(world, oracle, 6)
    assert "none before a training has compared" in world.message("Drifted")
    assert world.versions[champion].status.stage == "Promoted"


@pytest.mark.parametrize("why", ["Manual", "not ready", "locked"])
def test_it_is_only_proposed_where_it_cannot_or_must_not_be_done(why: str) -> None:
    world, oracle, champion, previous = two()
    compared(world, champion, previous)
    drifted(world, oracle, 3)
    if why == "Manual":
        world.edit(retrain={"mode": "Manual"})
    elif why == "locked":
        world.status = world.status.model_copy(update={"locked": True})
    else:
        world.edit(serving={"keepPrevious": False})
    look(world, oracle, 4)
    assert world.versions[champion].status.stage == "Promoted"
    assert why in world.message("Drifted").replace("is not ready", "not ready")


@given(
    users=st.integers(0, 2000), low=st.floats(-1, 1), auc=st.floats(0, 1), other=st.floats(0, 1)
)
def test_it_is_better_only_beyond_chance_with_an_order_that_is_no_worse(
    users: int, low: float, auc: float, other: float
) -> None:
    found = PreviousComparison.model_validate(
        {"championDigest": "a", "digest": "b", **BETTER}
        | {"users": users, "gainLow": low, "auc": auc, "championAuc": other}
    )
    assert is_better(found, 500) == (users >= 500 and low > 0 and auc >= other)
