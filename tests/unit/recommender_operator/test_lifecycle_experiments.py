"""Whole lifecycles with an experiment: the real route, statistics and writes; a fake collector."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.adapters.kinds import EVENTS, HTTP_ROUTES, MODELS, VERSIONS
from recommender_operator.resources import assignment_header, http_route
from tests.unit.recommender_operator.stories import Story

PLAN: dict[str, Any] = {
    "primary": [{"metric": "ClickThroughRate", "smallestEffect": 0.1}],
    "guardrails": [{"metric": "ClickThroughRate", "largestLoss": 0.1}],
    "minDays": 0,
    "maxDays": 0.02,
}
#: Share of the candidate's users who click; 0.2 of the others do.
CLICKS = {"better": 0.3, "worse": 0.1, "equal": 0.2}


def told(story: Story) -> assignment_header.Assignment | None:
    """What the stored route says to the transformers."""
    names = story.rig.kube.names(HTTP_ROUTES)
    route = story.rig.kube.find(HTTP_ROUTES, names[0]) if names else {}
    return assignment_header.parse(http_route.routing_of(route).experiment)


async def play(story: Story, clicks: float) -> dict[str, Any]:
    """Run the lifecycle of a first version and of one whose users click as often."""
    await story.first()
    second = await story.second()
    story.collector.users.clicks[second] = clicks
    percents = []

    def ended() -> bool:
        users = told(story)
        if users is not None and users.percent not in percents:
            percents.append(users.percent)
        return story.stages[second] in ("Promoted", "RolledBack")

    await story.until(ended, looks=400)
    await story.until(lambda: not story.status.get("candidate"))
    for _ in range(8):
        await story.look()
    status = story.rig.kube.find(VERSIONS, second)["status"]
    return {
        "stages": story.stages,
        "reason": status["decision"]["reason"],
        "verdict": status["experiment"]["verdict"],
        "phases": [(p["number"], p["weight"]) for p in status["experiment"]["phases"]],
        "percents": percents,
        "weights": await story.weights(),
        "header": told(story),
        "champion": story.status["champion"] == second,
    }


@pytest.mark.parametrize(
    ("kind", "reason", "verdict", "percents"),
    [
        ("better", "StepsPassed", "Promote", [10, 50]),
        ("worse", "ExperimentLost", "RollBack", [10]),
    ],
)
async def test_what_users_do_decides(
    kind: str, reason: str, verdict: str, percents: list[int]
) -> None:
    story = Story("Gateway", experiment=PLAN)
    end = await play(story, CLICKS[kind])
    assert (end["reason"], end["verdict"], end["percents"]) == (reason, verdict, percents)
    assert end["champion"] is (kind == "better")
    assert end["header"] is None
    kube = story.rig.kube
    events = [kube.find(EVENTS, name) for name in kube.names(EVENTS)]
    said = "ExperimentWon" if kind == "better" else "ExperimentLost"
    (message,) = [event["message"] for event in events if event["reason"] == said]
    assert "ClickThroughRate" in message


async def test_a_candidate_that_is_no_better_is_never_promoted() -> None:
    story = Story("Gateway", experiment=PLAN)
    await story.first()
    second = await story.second()
    for _ in range(200):
        await story.look()
    assert story.stages[second] != "Promoted"
    experiment = story.rig.kube.find(VERSIONS, second)["status"]["experiment"]
    assert experiment["verdict"] in ("Inconclusive", "Futile")


@pytest.mark.parametrize("kind", ["better", "worse"])
async def test_an_operator_that_crashes_after_every_write_reaches_the_same_end(kind: str) -> None:
    expected = await play(Story("Gateway", experiment=PLAN), CLICKS[kind])
    story = Story("Gateway", mortal=True, experiment=PLAN)
    assert await play(story, CLICKS[kind]) == expected
    assert story.operators_kube.deaths > 30


async def test_a_collector_that_is_down_keeps_the_users_where_they_are() -> None:
    story = Story("Gateway", experiment=PLAN)
    champion = await story.first()
    second = await story.second()
    story.collector.users.clicks[second] = CLICKS["better"]
    story.collector.users.error = "its users cannot be read: it did not answer in 5 s"
    await story.until(lambda: told(story) is not None)
    for _ in range(20):
        await story.look()
    assert await story.weights() == {champion: 90, second: 10}
    condition = next(
        c
        for c in story.rig.kube.find(MODELS, "movies")["status"]["conditions"]
        if c["type"] == "AnalysisPassed"
    )
    assert condition["reason"] == "ExperimentError"
    assert "did not answer in 5 s" in condition["message"]
    story.collector.users.error = ""
    await story.until(lambda: story.stages[second] == "Promoted", looks=100)
