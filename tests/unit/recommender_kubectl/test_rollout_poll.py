"""What `watch` makes of a look right after a request, while the status is still old."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from recommender_kubectl import rollout_poll
from recommender_kubectl.objects import Model
from recommender_kubectl.rollout_poll import TAKEN_UP, Poll
from tests.unit.recommender_kubectl import samples
from tests.unit.recommender_kubectl.samples import CANDIDATE, CHAMPION, NOW

SETTLED = samples.condition("UpToDate", "True", "Settled", "serves")
TOKEN = "cli-20261127-115959-0a1b2c"
ASKED = ("retrain", TOKEN)


def model(action: str = "retrain", token: str = TOKEN, **status: Any) -> Model:
    """A model at rest, with a request."""
    given = {"candidate": None, "conditions": [SETTLED], "handled": []}
    return samples.read_model(annotations={f"recommender.dev/{action}": token}, **given | status)


def handled(action: str, result: str = "starts", token: str = TOKEN) -> dict[str, str]:
    return {"action": action, "token": token, "at": samples.at(0), "result": result}


def retrain(version: str, minutes: float = 0) -> dict[str, str]:
    return {"token": "t", "reason": "r", "requestedAt": samples.at(minutes), "version": version}


def look(model: Model, *, waited: float = 0.0, asked: tuple[str, str] | None = None) -> Poll:
    versions = samples.read_versions()
    return rollout_poll.poll(model, versions, None, NOW, waited=waited, asked=asked)


@pytest.mark.parametrize("action", ["retrain", "retry", "promote", "abort"])
def test_a_request_that_the_operator_has_not_seen_is_waited_for(action: str) -> None:
    for at_rest in (model(action), model(action, handled=[handled(action, token="before")])):
        found = look(at_rest, waited=TAKEN_UP - 1)
        assert (found.end, found.asked) == (None, (action, TOKEN))
        assert f"has not taken up {action} yet" in found.line


def test_a_token_with_spaces_is_read_as_the_operator_reads_it() -> None:
    assert look(model(token=f" {TOKEN} ", handled=[handled("retrain")])).end == 0


def test_the_wait_for_the_operator_has_an_end() -> None:
    found = look(model(), waited=TAKEN_UP)
    assert found.end == 1
    assert "not taken up retrain within 60 s" in found.line


def test_a_handled_request_is_waited_for_until_its_version_is_there() -> None:
    taken_up: dict[str, Any] = {"handled": [handled("retrain")], "retrain": retrain("movies-new")}
    found = look(model(**taken_up), asked=ASKED)
    assert found.end is None
    assert "movies-new is about to start" in found.line
    made = taken_up | {"retrain": retrain(CANDIDATE)}
    assert look(model(**made), asked=ASKED).end == 0
    rolls_out = look(model(**made, candidate=CANDIDATE), asked=ASKED)
    assert (rolls_out.followed, rolls_out.end) == (CANDIDATE, None)


def test_a_retraining_whose_version_was_deleted_since_is_not_waited_for() -> None:
    old = model(handled=[handled("retrain")], retrain=retrain("movies-gone", minutes=1))
    assert look(old).end == 0
    unnamed = model(handled=[handled("retrain")], retrain=retrain(""))
    assert look(unnamed).end == 0, "an earlier release does not name the version"


def test_a_refusal_ends_the_watch_that_waited_for_it_and_no_later_one() -> None:
    refused = model(handled=[handled("retrain", "Refused: the model is paused")])
    found = look(refused, asked=ASKED)
    assert found.end == 1
    assert "Refused: the model is paused" in found.line
    assert look(refused).end == 0


def test_a_rollback_is_followed_by_the_state_of_the_model() -> None:
    assert look(model("rollback-to", f"{CHAMPION}#{TOKEN}")).end == 0


def test_a_candidate_is_followed_whatever_is_requested() -> None:
    found = look(model("promote", candidate=CANDIDATE), waited=2 * TAKEN_UP)
    assert (found.followed, found.end) == (CANDIDATE, None)


def test_the_times_of_two_clocks_may_differ() -> None:
    ahead = retrain("movies-new", minutes=-5)
    late = model(handled=[handled("retrain")], retrain=ahead)
    assert look(late).end is None
    assert datetime.timedelta(seconds=TAKEN_UP) == rollout_poll._MADE
