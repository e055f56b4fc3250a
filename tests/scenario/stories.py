"""The six stories of a recommender in production, each given a champion that serves.

The demo tells them in order; the end-to-end tests tell each by itself. A story returns what was
decided and why, with the numbers, and raises AssertionError or TimeoutError when the product did
not do what it promises.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from tests.scenario.kube import Manifest
from tests.scenario.world import World, numbers_of, parsed_time

#: The stories differ by their seeds, so that each makes a version of its own.
BETTER_SEED = 23
FAULTY_SEED = 31


def better(seed: int = BETTER_SEED) -> Manifest:
    """Return a better configuration than the base one."""
    return {"training": {"seed": seed, "hyperparameters": {"embeddingDim": 48, "epochs": 12}}}


@dataclasses.dataclass
class Told:
    """One story as it went."""

    name: str
    version: str
    decision: str
    reason: str
    message: str
    numbers: dict[str, Any]
    seconds: float = 0.0

    def report(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def _told(world: World, name: str, version: str) -> Told:
    record = world.version(version)
    decision = world.decision(version)
    return Told(
        name=name,
        version=version,
        decision=decision["outcome"],
        reason=decision["reason"],
        message=decision["message"],
        numbers=numbers_of(record),
    )


def first_version(world: World) -> Told:
    """The first version trains, passes the gates and takes all traffic."""
    version = world.new_version_after(world.apply)
    outcome = world.until_decided(version)
    assert outcome == "Promoted", world.describe()
    world.cluster.kubectl(
        "-n", world.kube.namespace, "wait", "--for=condition=Ready", "--timeout=120s",
        f"recommendermodel/{world.name}",
    )  # fmt: skip
    assert world.champion == version
    return _told(world, "first version", version)


def better_version(world: World, seed: int = BETTER_SEED) -> Told:
    """A better configuration is moved step by step and promoted."""
    stable = world.champion
    version = world.new_version_after(lambda: world.apply(better(seed)))
    outcome = world.until_decided(version)
    assert outcome == "Promoted", world.describe()
    steps = world.version(version)["status"]["steps"]
    assert [step["weight"] for step in steps] == [10, 50, 100], steps
    assert all(step["verdict"] == "Pass" for step in steps), steps
    world.until_settled()
    status = world.status
    assert (status["champion"], status["previous"]) == (version, stable), status
    told = _told(world, "better version", version)
    told.numbers |= _way_to_weight(world, version)
    return told


def left_by_a_rollout(world: World) -> dict[str, Any]:
    """Return what is there when all is quiet, without what differs by seed and time."""
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
    """Return the seconds from a version's last Job to its first share, and its pod's part.

    The API server keeps times in whole seconds.
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


def faulty_version(world: World, seed: int = FAULTY_SEED) -> Told:
    """A version that fails for some users is stopped at its first step and rolled back.

    Its smoke inference passes: the fault shows only for known users with an odd id.
    """
    stable = world.champion
    fault = {"fault": "Failure"}
    version = world.new_version_after(
        lambda: world.apply({"training": {"seed": seed, "faultInjection": fault}})
    )
    outcome = world.until_decided(version)
    assert outcome == "RolledBack", world.describe()
    steps = world.version(version)["status"]["steps"]
    assert [step["weight"] for step in steps] == [10], steps
    world.until_settled()
    assert world.champion == stable
    told = _told(world, "faulty version", version)
    if world.route:
        route = world.route
        world.until("the route without it", lambda: route.zero_since(version) is not None, 10)
        zero = route.zero_since(version)
        assert zero is not None
        decided = parsed_time(world.decision(version)["at"])
        told.numbers["seconds from verdict to route"] = (zero - decided).total_seconds()
        assert route.highest(version) == 10
    return told


def version_that_learned_nothing(world: World) -> Told:
    """A version that learned nothing fails the offline gate and never gets traffic."""
    stable = world.champion
    fault = {"fault": "LearnedNothing"}
    version = world.new_version_after(
        lambda: world.apply({"training": {"seed": 37, "faultInjection": fault}})
    )
    outcome = world.until_decided(version)
    assert outcome == "Rejected", world.describe()
    assert world.champion == stable
    assert world.requests_of(version) == 0
    if world.route:
        assert world.route.highest(version) == 0
    return _told(world, "version that learned nothing", version)


def roll_back_to_previous(world: World) -> Told:
    """`rollbackTo` returns to the version before at once."""
    world.until_settled()
    previous = world.status["previous"]
    started = time.monotonic()
    world.roll_back_to(previous)
    world.until("the previous version as champion", lambda: world.champion == previous, 60)
    decided = time.monotonic() - started
    world.until("its answers", lambda: world.answer()["version"] == previous, 60)
    seconds = time.monotonic() - started
    world.until_settled(60)
    assert world.champion == previous
    told = _told(world, "rollbackTo", previous)
    told.decision, told.reason = "RolledBackTo", "RollbackToRequested"
    told.message = f"{previous} serves again after {seconds:.1f} s"
    told.numbers = {
        "seconds to the champion of before": round(decided, 2),
        "seconds to its first answer": round(seconds, 2),
    }
    return told


def users_change(world: World) -> Told:
    """The users change: drift is named by feature, a retraining runs and is promoted."""
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
    told = _told(world, "users change", version)
    told.numbers["drifted features"] = features
    told.numbers["drift"] = drifted.get("message", "")
    return told


def broken_features_of_candidate(world: World) -> Told:
    """A candidate fed with broken features alone is rolled back; no retraining starts."""
    stable = world.champion
    retrained = world.status.get("retrain")
    fault = {"fault": "BrokenFeatures"}
    version = world.new_version_after(
        lambda: world.apply({"training": {"seed": 41, "faultInjection": fault}})
    )
    outcome = world.until_decided(version)
    assert outcome == "RolledBack", world.describe()
    assert "occupation" in world.decision(version)["message"], world.decision(version)
    world.until_settled()
    assert world.champion == stable
    assert world.status.get("retrain") == retrained
    return _told(world, "broken features of the candidate", version)


def _back_to_base(world: World) -> None:
    """Ask again for the first version's configuration, so that a retraining uses a sound one."""
    world.apply()
    world.until_settled(600)


Story = Callable[[World], Told]

IN_ORDER: tuple[Story, ...] = (
    first_version,
    better_version,
    faulty_version,
    version_that_learned_nothing,
    roll_back_to_previous,
    users_change,
    broken_features_of_candidate,
)


def tell(story: Story, world: World) -> Told:
    """Tell a story and say how long it took."""
    started = time.monotonic()
    told = story(world)
    told.seconds = round(time.monotonic() - started, 1)
    return told
