"""Requests to a model: which make sense, what is written, and what counts as an answer."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_kubectl import requests
from recommender_kubectl.objects import Handled, Model, Version
from recommender_kubectl.requests import Answer, Maker, RefusedError
from tests.unit.recommender_kubectl import samples
from tests.unit.recommender_kubectl.samples import CANDIDATE, CHAMPION, OLD

World = tuple[Model, list[Version]]


def running(**spec: object) -> World:
    return samples.read_model(dict(spec)), samples.read_versions()


def settled() -> World:
    model = samples.read_model(candidate=None, candidateWeight=None)
    ended = samples.decision("Superseded", "Superseded", "", 1)
    return model, samples.read_versions(stage="Superseded", decision=ended)


@pytest.mark.parametrize(
    ("make", "world", "annotation", "value"),
    [
        (requests.promote, running(), "promote", "t"),
        (requests.abort, running(), "abort", "t"),
        (requests.abort, running(paused=True), "abort", "t"),
        (requests.retrain, settled(), "retrain", "t"),
        (requests.unlock, samples.rolled_back(), "retry", "t"),
        (requests.roll_back(None), settled(), "rollback-to", f"{OLD}#t"),
        (requests.roll_back(OLD), running(), "rollback-to", f"{OLD}#t"),
        (requests.roll_back(OLD), running(paused=True), "rollback-to", f"{OLD}#t"),
    ],
)
def test_a_request_is_an_annotation_on_the_state_that_was_checked(
    make: Maker, world: World, annotation: str, value: str
) -> None:
    made = make(*world, "t")
    assert made.patch == {
        "metadata": {
            "resourceVersion": "4711",
            "annotations": {f"recommender.dev/{annotation}": value},
        }
    }
    assert made.asked == (annotation, value)


@pytest.mark.parametrize(
    ("make", "paused", "wanted"),
    [(requests.pause, False, True), (requests.resume, True, False)],
)
def test_a_pause_is_a_field_of_the_spec(make: Maker, paused: bool, wanted: bool) -> None:
    made = make(*running(paused=paused), "t")
    assert made.patch == {"metadata": {"resourceVersion": "4711"}, "spec": {"paused": wanted}}


@pytest.mark.parametrize(
    ("make", "world", "reason"),
    [
        (requests.promote, settled(), f"no candidate, .*nothing to promote; {CHAMPION} serves"),
        (requests.promote, running(paused=True), "paused.*recommender resume movies"),
        (requests.promote, running(rollbackTo=OLD), f"spec.rollbackTo pins {OLD}"),
        (requests.abort, settled(), "nothing to abort"),
        (requests.retrain, running(), "is on its way: `kubectl recommender abort movies`"),
        (requests.retrain, running(paused=True), "paused.*recommender resume movies"),
        (requests.retrain, running(rollbackTo=OLD), f"spec.rollbackTo pins {OLD}"),
        (requests.unlock, settled(), "not locked, and no version has failed"),
        (requests.unlock, running(paused=True), "paused"),
        (requests.roll_back(None), running(), f"{CANDIDATE} is on its way.*abort movies"),
        (requests.roll_back("x"), settled(), f"no version 'x'; versions to go back to: .*{OLD}"),
        (requests.roll_back(CHAMPION), settled(), "is the champion already"),
        (requests.roll_back(CANDIDATE), running(), "is the candidate.*promote movies"),
        (requests.roll_back(OLD), running(rollbackTo=CHAMPION), "change or remove it instead"),
        (requests.pause, running(paused=True), "paused already"),
        (requests.resume, running(), "not paused"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(
    make: Maker, world: World, reason: str
) -> None:
    with pytest.raises(RefusedError, match=reason):
        make(*world, "t")


@pytest.mark.parametrize(
    "candidate",
    [
        {"stage": "Training"},
        {"smoke": None},
        {"smoke": {"passed": False}},
        {"gates": []},
        {"gates": [{**samples.GATES[0], "passed": False}]},
    ],
)
def test_no_version_is_promoted_before_gates_and_smoke_inference(
    candidate: dict[str, object],
) -> None:
    with pytest.raises(RefusedError, match="has not passed gates and smoke inference"):
        requests.promote(samples.read_model(), samples.read_versions(**candidate), "t")


@pytest.mark.parametrize("gap", [{"artifact": None}, {"gates": []}])
def test_no_version_is_brought_back_that_was_never_published(gap: dict[str, object]) -> None:
    ended = samples.decision("Rejected", "GateFailed", "", 1)
    versions = samples.read_versions(stage="Rejected", decision=ended, **gap)
    model = samples.read_model(candidate=None)
    with pytest.raises(RefusedError, match=f"Rejected.*go back to: {OLD}$"):
        requests.roll_back(CANDIDATE)(model, versions, "t")


def test_a_model_without_a_previous_version_cannot_go_back() -> None:
    model = samples.read_model(candidate=None, previous=None)
    with pytest.raises(RefusedError, match="no previous version"):
        requests.roll_back(None)(model, samples.read_versions(), "t")


def handled(action: str, token: str, result: str, **status: Any) -> Model:
    entry = {"action": action, "token": token, "at": samples.at(0), "result": result}
    return samples.read_model(handled=[entry], **status)


def test_only_the_own_token_is_an_answer() -> None:
    made = requests.abort(*running(), "mine")
    assert requests.answer(made, 3, handled("abort", "other", "done")) is None
    assert requests.answer(made, 3, handled("abort", "mine", "ok")) == Answer(True, "ok")


def test_a_refusal_of_the_operator_is_an_answer() -> None:
    made = requests.promote(*running(), "t")
    said = requests.answer(made, 3, handled("promote", "t", "Refused: the model is paused"))
    assert said == Answer(False, "Refused: the model is paused")
    assert Handled(action="promote", token="t", result="Refused: x").refused


def test_a_promotion_is_answered_when_the_candidate_is_the_champion() -> None:
    made = requests.promote(*running(), "t")
    accepted = {"action": "promote", "token": "t", "result": "receives all requests"}
    assert requests.answer(made, 3, handled(**accepted)) is None
    promoted = handled(**accepted, champion=CANDIDATE, candidate=None)
    assert requests.answer(made, 3, promoted) == Answer(True, f"{CANDIDATE} is the champion")
    ended = {
        "version": CANDIDATE, "outcome": "RolledBack", "reason": "NotReadyInTime",
        "summary": "RolledBack: NotReadyInTime",
    }  # fmt: skip
    lost = requests.answer(made, 3, handled(**accepted, candidate=None, lastOutcome=ended))
    assert lost is not None
    assert not lost.done


def test_a_change_of_the_spec_is_answered_when_the_operator_has_acted_on_it() -> None:
    made = requests.pause(*running(), "t")
    assert requests.answer(made, 4, samples.read_model()) is None
    seen = requests.answer(made, 4, samples.read_model(observedGeneration=4, stage="Paused"))
    assert seen == Answer(True, "the model is Paused")
