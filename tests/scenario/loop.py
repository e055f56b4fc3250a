"""The loop on a cluster: what users do with answers trains the next model, which is better.

Simulated users, whose tastes are known, act on random lists, as in a shop before its first model.
The collector and its writer make files of their impressions and clicks. A model is trained on
these and serves; the users act on its answers; a snapshot reads what they did, and the operator
trains and rolls out the next model. The share of the best lists' clicks is computed from the
tastes, so it depends on the lists alone, not on luck.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from recommender_simulate.catalogue import RANDOM
from recommender_simulate.population import named
from recommender_simulate.user_tastes import Tastes
from tests.scenario import collecting, install, loop_declared, loop_figures, stories
from tests.scenario.kube import Manifest
from tests.scenario.setup import Platform
from tests.scenario.stories import StoryResult
from tests.scenario.world import JOBS_SECONDS, World, merged

#: What a team applies, and its patch for a rehearsal; docs/rehearse-loop.md has the steps.
SAMPLE = install.ROOT / "manifests" / "samples" / "closed-loop.yaml"
REHEARSAL = install.ROOT / "manifests" / "closed-loop" / "rehearsal.yaml"
PREFIX = "loop-"
#: The same users in all runs of the simulator. Few items, so that a minute of clicks tells much;
#: many users, so that none sees an item twice in the second in which a click on it counts, and so
#: that a fifth of them are enough for mixed lists: an interval needs a hundred with a click.
TASTES = Tastes(seed=1, click_rate=0.1)
USERS, ITEMS = named(900, "sim-"), named(100, "item-")  # the simulator's prefixes
SHOP: dict[str, float] = {
    "users": len(USERS),
    "items": len(ITEMS),
    "tastes": TASTES.seed,
    "click_rate": TASTES.click_rate,
}
#: How long users act, and how often a second. At the end of each part of the data, the rows of the
#: attribution window have no label, so the first events must not be too few seconds. The second
#: model has nearly four times as many lists to learn from, so that its gain is beyond the luck of
#: a fit, and enough explored places for an estimate: a fifth of the newest tenth of all answers.
RANDOM_LISTS = {"seconds": 40, "rate": 90}
FIRST_ANSWERS = {"seconds": 130, "rate": 75}
DURING_THE_ROLLOUT = {"seconds": 900, "rate": 40}
#: What this cluster has, and its two cores, which users and trainings share.
HERE: Manifest = {
    "data": {"source": {"persistentVolumeClaim": {"claimName": install.DATA_CLAIM}}},
    "serving": {
        "timeoutMilliseconds": 7000,
        "resources": {"requests": {"cpu": "50m"}, "limits": {"memory": "1Gi"}},
        "transformerResources": {"requests": {"cpu": "50m"}, "limits": {"memory": "384Mi"}},
    },
    "rollout": {"analysis": {"thresholds": {"maxLatencyP99Milliseconds": 9000}}},
}


def new_name() -> str:
    """Return the name of a model: each run has its own events, users, tables and versions."""
    return f"{PREFIX}{secrets.token_hex(2)}"


def spec(name: str) -> Manifest:
    """Return the sample of a rehearsal, reading the folder of a model."""
    sample, patch = (
        yaml.safe_load(path.read_text(encoding="utf-8"))["spec"] for path in (SAMPLE, REHEARSAL)
    )
    made = merged(merged(sample, patch), HERE)
    source = made["data"]["source"]
    source["persistentVolumeClaim"]["path"] = f"{collecting.FOLDER}/{name}"
    source["mapping"] = loop_declared.declared(source["mapping"])
    made["data"]["window"] = None  # also not that of the scenarios
    return made


def collected(name: str) -> collecting.Values:
    """Return the chart's values of a collector for a model: the mapping of its spec."""
    return collecting.values({name: {"mapping": spec(name)["data"]["source"]["mapping"]}})


@dataclasses.dataclass
class Loop:
    """A shop, its users, and what they did."""

    world: World
    says: Callable[[str], None]
    #: What users clicked on last, over all runs of the simulator.
    memory: pathlib.Path
    reports: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def users(self, course: Mapping[str, float], *words: str) -> collecting.Simulated:
        """Start the users; they are the same ones each time, and act anew."""
        flags: dict[str, object] = {**SHOP, **course}
        seed = len(self.reports) + 1
        return collecting.Simulated(
            self.world, *words, *loop_declared.words(), seed=seed, memory=self.memory, **flags
        )

    def users_of_answers(self, course: Mapping[str, float]) -> collecting.Simulated:
        """Start the users of the model, which reports its impressions itself."""
        return self.users(
            course, "--url", self.world.gateway, "--host", self.world.host, "--no-impressions"
        )

    @contextlib.contextmanager
    def meanwhile(self, course: Mapping[str, float]) -> Iterator[None]:
        """Let the users act during a part of a story; what they saw counts however it ends."""
        users = self.users_of_answers(course)
        try:
            yield
            self.note(_gone_home(users))
        except Exception:
            if users.act:
                # Why the story stopped counts more.
                with contextlib.suppress(AssertionError, TimeoutError):
                    self.note(_gone_home(users))
            raise
        finally:
            users.stop()

    def note(self, report: dict[str, Any]) -> None:
        """Keep the report of a run of the simulator, and show it."""
        self.reports.append(report)
        self.says(f"       {loop_figures.line(report)}")

    def until(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        """Wait as `World.until`; a failure also shows the collector's last words."""
        self.says(f"       waits for {what}")
        try:
            self.world.until(what, condition, seconds)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{collecting.last_words(self.world)}") from None


def opened(platform: Platform, name: str, folder: pathlib.Path) -> Loop:
    """Return the loop of a new shop in the release's namespace, whose collector is ready."""
    world = platform.world(install.SYSTEM_NAMESPACE, spec(name), name=name)
    with install.timed(platform.says, "remove the objects of an earlier run"):
        for old in remains(world):
            dataclasses.replace(world, name=old).remove()
        collecting.forget(world, PREFIX)
    folder.mkdir(parents=True, exist_ok=True)
    world.traffic = folder / "traffic.jsonl"
    world.traffic.write_text(json.dumps({"user_id": "visitor", "top_n": 10}) + "\n")
    memory = folder / "clicks.json"
    memory.unlink(missing_ok=True)
    with install.timed(platform.says, "the collector and its route"):
        collecting.until_ready(world)
        collecting.route(world)
        collecting.until_routed(world)
    loop_declared.write_table(world, TASTES, USERS)
    return Loop(world, platform.says, memory)


def remains(world: World) -> list[str]:
    """Return the models of earlier runs in the world's namespace."""
    return [name for name in world.kube.models() if name.startswith(PREFIX)]


def first_model(loop: Loop) -> StoryResult:
    """A shop without a model shows random lists; a model is trained on what its users did."""
    loop.note(_ended(loop.users(RANDOM_LISTS, "--random"), seconds=180))
    sent = loop.reports[-1]["events"]["accepted"]
    world = loop.world
    loop.until(
        f"{sent} events in the writer's files", lambda: collecting.written(world) >= sent, 90
    )
    reported = stories.first_version(world)
    loop_declared.check_read(world, ITEMS[:20])
    reported.name = "first model of a shop"
    return reported


def next_model(loop: Loop) -> StoryResult:
    """Users act on answers; the next model passes mixed lists, and its own lists are better."""
    world = loop.world
    first = world.champion or ""
    loop.note(_ended(loop.users_of_answers(FIRST_ANSWERS), seconds=280))
    _until_written(loop, first)
    with loop.meanwhile(DURING_THE_ROLLOUT):
        second = _retrained(loop)
        mixed = _compared(loop, second)
        outcome = world.until_decided(second)
        assert outcome == "Promoted", world.describe()
        loop.until(
            f"600 answers of {second} to users",
            lambda: _written(world, "impression", second) >= 600,
            120,
        )
    reported = stories.result(world, "the loop closes", second)
    reported.numbers |= loop_figures.of(loop.reports, world.version(second))
    reported.numbers["mixed lists"] |= mixed
    shares = reported.numbers["share of the best lists"]
    reported.message = loop_figures.words(shares, (RANDOM, first, second))
    lost = {name: reported.numbers[name] for name in ("failed requests", "lost events")}
    assert not any(lost.values()), lost
    assert shares[RANDOM] < shares[first] < shares[second], reported.message
    return reported


def _until_written(loop: Loop, version: str) -> None:
    """Wait for all clicks of the users, and for nearly all impressions of a version.

    Impressions of the serving path wait for seconds only, and a few may be dropped.
    """
    world, arms = loop.world, [report["versions"] for report in loop.reports]
    clicks = sum(arm["clicks"] for each in arms for arm in each.values())
    shown = 0.95 * sum(each[version]["answers"] for each in arms if version in each)
    loop.until(
        f"{clicks} clicks and {shown:.0f} impressions of {version} in the writer's files",
        lambda: (
            _written(world, "click") >= clicks and _written(world, "impression", version) >= shown
        ),
        90,
    )


def _retrained(loop: Loop) -> str:
    """Ask for a snapshot, and return the version that is trained after it."""
    world = loop.world
    token = f"loop-{time.time_ns()}"
    loop.says("       waits for a snapshot of what the users did, and for its retraining")
    version = world.new_version_after(
        lambda: world.kube.annotate(world.name, {"recommender.dev/snapshot": token}), 240
    )
    trigger = world.version(version)["spec"]["trigger"]
    assert trigger == "Retrain: a snapshot with new rows", trigger
    taken = world.status["snapshots"]
    loop.says(f"       {version} learns from {taken['rows']} rows, {taken['newRows']} of them new")
    return version


def _compared(loop: Loop, version: str) -> dict[str, int]:
    """Wait for the end of the mixed lists of a version; return how many lists were mixed or not.

    Its users prefer it, or enough of them do not like it less.
    """
    world = loop.world

    def found() -> dict[str, Any]:
        record: dict[str, Any] = world.version(version)["status"].get("interleaving") or {}
        return record

    loop.until(
        f"users who click in lists of {version} and the champion",
        lambda: bool(found().get("endedAt") or world.decision(version)),
        JOBS_SECONDS,
    )
    record = found()
    assert record.get("verdict") in ("Preferred", "NotWorse"), (record, world.describe())
    loop.says(f"       {loop_figures.mixed_words(record)}")
    assert record["plan"]["users"] <= record["clicked"] <= record["users"], record
    assert -1 <= record["low"] <= record["preference"] <= record["high"] <= 1, record
    by_whom = f'"candidate":"{version}","teams":"'
    return {
        "mixed": sum(_written(world, "impression", text=by_whom + each) for each in "AB"),
        "not mixed": _written(world, "impression", text=by_whom + "-"),
    }


def _written(world: World, kind: str, version: str = "", text: str = "") -> int:
    texts = [f'"kind":"{kind}"', f'"version":"{version}"' if version else "", text]
    return collecting.written(world, *filter(None, texts))


def _ended(users: collecting.Simulated, seconds: float) -> dict[str, Any]:
    """Wait for the end of a run of the simulator, and return its report."""
    try:
        return users.figures(seconds)
    finally:
        users.stop()


def _gone_home(users: collecting.Simulated) -> dict[str, Any]:
    """End a run of the simulator, and return its report."""
    users.go_home()
    return _ended(users, collecting.PATIENCE_SECONDS)


IN_ORDER: tuple[Callable[[Loop], StoryResult], ...] = (first_model, next_model)
