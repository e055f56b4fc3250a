"""The stories of a recommender in production, each with a champion that serves.

The demo runs them in order, the end-to-end tests separately. A story returns the decision, its
reason and its numbers, and raises AssertionError or TimeoutError if the product does not behave as
documented.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, TypeVar

from tests.scenario.kube import Manifest
from tests.scenario.world import World, numbers_of, parsed_time

#: The seeds of the stories differ, so that each creates a separate version.
BETTER_SEED = 23
FAULTY_SEED = 31


def better(seed: int = BETTER_SEED) -> Manifest:
    """Return a better configuration than the base one."""
    return {"training": {"seed": seed, "hyperparameters": {"embeddingDim": 48, "epochs": 3}}}


@dataclasses.dataclass
class StoryResult:
    """The result of a story."""

    name: str
    version: str
    decision: str
    reason: str
    message: str
    numbers: dict[str, Any]
    seconds: float = 0.0

    def report(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def result(world: World, name: str, version: str) -> StoryResult:
    """Return the decision about a version and its numbers."""
    record = world.version(version)
    decision = world.decision(version)
    return StoryResult(
        name=name,
        version=version,
        decision=decision["outcome"],
        reason=decision["reason"],
        message=decision["message"],
        numbers=numbers_of(record),
    )


def first_version(world: World) -> StoryResult:
    """The first version trains, passes the gates and receives all traffic."""
    version = world.new_version_after(world.apply)
    outcome = world.until_decided(version)
    assert outcome == "Promoted", world.describe()
    world.cluster.kubectl(
        "-n", world.kube.namespace, "wait", "--for=condition=Ready", "--timeout=120s",
        f"recommendermodel/{world.name}",
    )  # fmt: skip
    assert world.champion == version
    world.until_routed()
    return result(world, "first version", version)


def better_version(world: World, seed: int = BETTER_SEED) -> StoryResult:
    """A better version rolls out step by step and is promoted, after its shadow phase if any."""
    stable = world.champion
    version = world.new_version_after(lambda: world.apply(better(seed)))
    outcome = world.until_decided(version)
    assert outcome == "Promoted", world.describe()
    steps = world.version(version)["status"]["steps"]
    shadow = [0] if "shadow" in world.spec.get("rollout", {}) else []
    assert [step["weight"] for step in steps] == [*shadow, 10, 50, 100], steps
    assert all(step["verdict"] == "Pass" for step in steps), steps
    world.until_settled()
    status = world.status
    assert (status["champion"], status["previous"]) == (version, stable), status
    reported = result(world, "better version", version)
    reported.numbers |= _way_to_weight(world, version)
    return reported


def left_by_a_rollout(world: World) -> dict[str, Any]:
    """Return the objects after a rollout, without parts that depend on seed and time."""
    champion = world.version(world.champion or "")
    decision = champion["status"]["decision"]
    return {
        "stage": world.status["stage"],
        "ready": world.condition("Ready")["reason"],
        "steps": [(step["weight"], step["verdict"]) for step in champion["status"]["steps"]],
        "decision": (decision["outcome"], decision["reason"]),
        "own objects": {
            kind: len([name for name in names if name.startswith(world.champion or "")])
            for kind, names in world.objects().items()
        },
    }


def _way_to_weight(world: World, version: str) -> dict[str, float]:
    """Return the seconds from a version's last Job to its first weight, and the pod's start of it.

    The API server stores times in whole seconds.
    """
    started = world.route.first_weight(version) if world.route else None
    finished = world.kube.finished_at(f"{version}-publish-0")
    pod = world.kube.serving_pod(version)
    if started is None or finished is None or pod is None:
        return {}
    ready = next(c for c in pod.status.conditions if c.type == "Ready").last_transition_time
    return {
        "seconds from the last Job to a weight": (started - finished).total_seconds(),
        "of these, the pod's start": (ready - pod.metadata.creation_timestamp).total_seconds(),
    }


def faulty_version(world: World, seed: int = FAULTY_SEED) -> StoryResult:
    """A version that fails for some users is rolled back at its first step.

    Its smoke inference passes: the fault affects only known users with an odd id.
    """
    stable = world.champion
    strict = {"thresholds": {"maxFallbackShare": 0.05}}
    version = world.new_version_after(
        lambda: world.apply(
            {"training": {"seed": seed}, "rollout": {"analysis": strict}},
            fault={"fault": "Failure"},
        )
    )
    outcome = world.until_decided(version)
    assert outcome == "RolledBack", world.describe()
    steps = world.version(version)["status"]["steps"]
    assert [step["weight"] for step in steps] == [10], steps
    world.until_settled()
    assert world.champion == stable
    reported = result(world, "faulty version", version)
    if world.route:
        route = world.route
        world.until("the route without it", lambda: route.zero_since(version) is not None, 60)
        zero = route.zero_since(version)
        assert zero is not None
        decided = parsed_time(world.decision(version)["at"])
        reported.numbers["seconds from verdict to route"] = (zero - decided).total_seconds()
        assert route.highest(version) == 10
    return reported


def version_that_learned_nothing(world: World) -> StoryResult:
    """A version that learned nothing fails the offline gate and never gets traffic."""
    stable = world.champion
    fault = {"fault": "LearnedNothing"}
    version = world.new_version_after(lambda: world.apply({"training": {"seed": 37}}, fault=fault))
    outcome = world.until_decided(version)
    assert outcome == "Rejected", world.describe()
    assert world.champion == stable
    assert world.requests_of(version) == 0
    if world.route:
        assert world.route.highest(version) == 0
    return result(world, "version that learned nothing", version)


def roll_back_to_previous(world: World) -> StoryResult:
    """`rollbackTo` returns to the previous version at once."""
    world.until_settled()
    previous = world.status["previous"]
    started = time.monotonic()
    world.roll_back_to(previous)
    world.until("the previous version as champion", lambda: world.champion == previous, 180)
    decided = time.monotonic() - started
    world.until("its answers", lambda: world.answer()["version"] == previous, 180)
    seconds = time.monotonic() - started
    world.until_settled(180)
    assert world.champion == previous
    reported = result(world, "rollbackTo", previous)
    reported.decision, reported.reason = "RolledBackTo", "RollbackToRequested"
    reported.message = f"{previous} serves again after {seconds:.1f} s"
    reported.numbers = {
        "seconds to the previous champion": round(decided, 2),
        "seconds to its first answer": round(seconds, 2),
    }
    return reported


def users_change(world: World) -> StoryResult:
    """The users change: drift is reported by feature, and a retraining is promoted."""
    assert world.load is not None
    _back_to_base(world)
    world.add_shifted_data()

    def shift() -> None:
        assert world.load is not None
        world.load.replay(world.shifted_traffic)
        world.until("Drifted", lambda: world.condition("Drifted").get("status") == "True", 300)

    version = world.new_version_after(shift, seconds=120)
    drifted = world.condition("Drifted")
    features = world.status["drift"]["features"]
    outcome = world.until_decided(version)
    assert outcome == "Promoted", world.describe()
    assert set(features) & {"age", "last_genre"}, features
    reported = result(world, "users change", version)
    reported.numbers["drifted features"] = features
    reported.numbers["drift"] = drifted.get("message", "")
    return reported


def broken_features_of_candidate(world: World) -> StoryResult:
    """A candidate that alone receives broken features is rolled back, without a retraining."""
    stable = world.champion
    retrained = world.status.get("retrain")
    fault = {"fault": "BrokenFeatures"}
    # Its first window is full after half a minute, instead of minutes.
    half = {"steps": [{"weight": 50}, {"weight": 100}]}
    version = world.new_version_after(
        lambda: world.apply({"training": {"seed": 41}, "rollout": half}, fault=fault)
    )
    outcome = world.until_decided(version)
    assert outcome == "RolledBack", world.describe()
    assert "occupation" in world.decision(version)["message"], world.decision(version)
    world.until_settled()
    assert world.champion == stable
    assert world.status.get("retrain") == retrained
    return result(world, "broken features of the candidate", version)


def _back_to_base(world: World) -> None:
    """Restore the first version's configuration, so that a retraining uses a good one."""
    world.apply()
    world.until_settled(600)


Story = Callable[[World], StoryResult]
Subject = TypeVar("Subject")

IN_ORDER: tuple[Story, ...] = (
    first_version,
    better_version,
    faulty_version,
    version_that_learned_nothing,
    roll_back_to_previous,
    users_change,
    broken_features_of_candidate,
)


def run(story: Callable[[Subject], StoryResult], subject: Subject) -> StoryResult:
    """Run a story and measure its duration."""
    started = time.monotonic()
    reported = story(subject)
    reported.seconds = round(time.monotonic() - started, 1)
    return reported
