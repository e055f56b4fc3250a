"""What users did over weeks with what a version showed, and what becomes of the version."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import SMALL
from tests.scenario import collecting, install, outcomes, seasons, stories
from tests.scenario.seasons import HOME, SEARCH, Answer
from tests.scenario.setup import Platform
from tests.scenario.world import JOBS_SECONDS, World, merged

pytestmark = pytest.mark.e2e

NAME = "seasons"
DAYS = 14
#: Of each label's age: all of the weeks that are sent, and so little that their days are over.
OPEN, CLOSED = 30 * seasons.DAY, 60
SPEC: dict[str, Any] = {
    "data": {
        "source": {
            "persistentVolumeClaim": {"path": NAME},
            "format": "JSONLines",
            "mapping": seasons.MAPPING,
        },
        "window": {"days": DAYS},
    },
    "evaluation": {"gates": [{"metric": "auc", "min": 0.55}]},
    "serving": {"impressions": 1},
    "rollout": {"steps": [{"weight": 100}], "analysis": {"stepSeconds": 5}},
    "retrain": {
        "mode": "Auto",
        "onDrift": False,
        # Watched once all labels are there: the operator asks for them every five minutes.
        "drift": {
            "enabled": False,
            "windowSessions": 100,
            "consecutiveWindows": 2,
            "cooldownSeconds": 0,
        },
    },
}
#: Fewer clicks of all users, and hardly any on one page: floors of the effect tell them apart.
FEWER, HARDLY_ANY = 0.55, 0.07
ABOVE_ALL, BELOW_ALL = 0.7, 0.3
REACTS = {
    "retrain": {
        "mode": "Auto",
        "onDrift": True,
        "drift": {"enabled": True, "effectFloor": BELOW_ALL},
    },
}
#: Fewer in a rollout than a window of sessions.
REQUESTS_A_SECOND = 8.0


def fewer(probability: float, page: str, week: int) -> float:
    """Return how likely a click is: as the version says, and after a week less likely."""
    if week == 0:
        return probability
    return probability * {HOME: FEWER, SEARCH: HARDLY_ANY}[page]


def swapped(probability: float, _page: str, week: int) -> float:
    """Return how likely a click is: after a week, the other items are liked."""
    return probability if week == 0 else seasons.LIKED + seasons.OTHER - probability


@dataclasses.dataclass
class Seasons:
    """A champion of the usual season."""

    world: World
    started: int

    def passes(self, number: int, days: int, lists: int, *, odd: bool) -> None:
        """Add what users did in a season to the raw data; the first one is the only one."""
        start = self.started + number * DAYS * seasons.DAY
        text = seasons.season(start, days, lists, odd=odd, seed=number)
        folder = f"/data/{NAME}"
        emptied = "" if number else f"rm -rf {folder} && mkdir {folder} && "
        self.world.cluster.kubectl(
            "-n", self.world.kube.namespace, "exec", "-i", install.LOADER, "--", "sh", "-c",
            f"{emptied}cat > {folder}/{number}.jsonl", stdin=text,
        )  # fmt: skip

    def declare(self, age: int, *parts: str) -> collecting.Values:
        declared = {"mapping": seasons.MAPPING, "maxAgeSeconds": age}
        return outcomes.declare(self.world, {NAME: declared}, *parts)

    def served(self, version: str, answer: Answer) -> None:
        """Let a version have served for three weeks, whose labels the collector has counted."""
        world, now = self.world, time.time()
        self.declare(OPEN, collecting.COLLECTOR)
        outcomes.send(world, seasons.outcomes(NAME, version, answer, now))
        self.declare(CLOSED, collecting.COLLECTOR)

        def counted() -> bool:
            told = outcomes.told(world, version)
            users = {sum(day["users"] for day in each["days"]) for each in told}
            return users == {seasons.people()}

        world.until("the outcomes of all users", counted, 180)
        since = json.dumps({"status": {"promotedAt": seasons.weeks_ago(now)}})
        world.cluster.kubectl(
            "-n", world.kube.namespace, "patch", "modelversion", version,
            "--subresource=status", "--type=merge", "-p", since,
        )  # fmt: skip

    def rolled_out(self, version: str) -> str:
        """Return the outcome of a version, which has users once it has its weight."""
        world = self.world

        def may_have_users() -> bool:
            status = world.version(version).get("status", {})
            return bool(status.get("weight") or status.get("decision"))

        world.until("its users", may_have_users, JOBS_SECONDS)
        world.start_load(REQUESTS_A_SECOND)
        load = world.load
        assert load is not None
        try:
            return world.until_decided(version)
        finally:
            world.load = None
            assert load.stop()["failed"] == 0, load.total


@pytest.fixture
def usual(platform: Platform, tmp_path: pathlib.Path) -> Iterator[Seasons]:
    """A model of users whose taste depends on the season, in the release's namespace."""
    now = int(time.time())
    # Each run has its own versions: the collector knows the outcomes of those of the last one.
    spec = merged(merged(SMALL, SPEC), {"training": {"seed": now % 1_000_000}})
    world = platform.world(install.SYSTEM_NAMESPACE, spec, name=NAME)
    world.remove()
    made = Seasons(world, now - now % seasons.DAY - 60 * seasons.DAY)
    made.passes(0, DAYS, 2000, odd=False)
    world.traffic = tmp_path / "traffic.jsonl"
    lines = (json.dumps(each) + "\n" for each in seasons.requests())
    world.traffic.write_text("".join(lines), encoding="utf-8")
    known = made.declare(OPEN, collecting.COLLECTOR, collecting.WRITER)
    try:
        collecting.route(world)
        stories.first_version(world)
        collecting.until_routed(world)
        yield made
    finally:
        outcomes.declare(world, known, collecting.COLLECTOR, collecting.WRITER)
        world.kube.delete_model(world.name)
        world.kube.changes.stop()


def named(usual: Seasons) -> None:
    """A drift of the users of one page alone is reported by its name."""
    world, champion = usual.world, usual.world.champion
    world.apply({"retrain": {"drift": {"enabled": True, "effectFloor": ABOVE_ALL}}})
    world.until("Drifted", lambda: world.condition("Drifted").get("status") == "True", 180)
    drifted = world.condition("Drifted")
    assert drifted["reason"] == "SegmentDrifted", drifted
    assert f"page={SEARCH}" in drifted["message"], drifted
    assert f"page={HOME}" not in drifted["message"], drifted
    labels = world.status["drift"]["labels"]
    assert labels["cause"] == "", "the labels of all users confirm nothing"
    found = {each["value"]: each for each in labels["segments"]}
    assert found[SEARCH]["breachesInARow"] == seasons.WEEKS - 1, found
    assert found[HOME]["breachesInARow"] == 0, found
    assert world.champion == champion, "no retraining was wanted"


def recalibrated(usual: Seasons) -> str:
    """A drift of the calibration gives the champion another one, without a training."""
    world, champion = usual.world, usual.world.champion
    version = world.new_version_after(lambda: world.apply(REACTS))
    assert usual.rolled_out(version) == "Promoted", world.describe()
    record = world.version(version)
    made = record["spec"]["recalibration"]
    assert made["of"] == champion, made
    assert made["ratio"] < 0.6 < 0.9 < made["ratioAfter"] < 1.1, made
    assert made["gainLow"] > 0, made
    assert record["spec"]["trigger"] == "Recalibrate: drift of the calibration"
    jobs = [name for name in world.objects()["Job"] if name.startswith(f"{version}-")]
    assert not any("-train-" in name for name in jobs), jobs
    return version


def rolled_back(usual: Seasons, previous: str, odd: str) -> None:
    """A champion that learned from an odd season gives way to the version before it."""
    world = usual.world
    retraining = world.new_version_after(lambda: world.apply(REACTS))
    drifted = world.condition("Drifted")
    assert drifted["reason"] == "LossRose", drifted
    trigger = world.version(retraining)["spec"]["trigger"]
    assert trigger == "Retrain: drift of the loss", trigger
    world.until("the version before it", lambda: world.champion == previous, JOBS_SECONDS)
    decided = world.decision(odd)
    assert (decided["outcome"], decided["reason"]) == ("RolledBack", "PreviousIsBetter"), decided
    figures = (
        rf"{previous} has a log loss of (0\.\d+) against (0\.\d+) of {odd} .* "
        r"an AUC of (0\.\d+) against (0\.\d+)"
    )
    found = re.search(figures, decided["message"])
    assert found, decided
    loss, worse_loss, auc, worse_auc = map(float, found.groups())
    assert loss < worse_loss, decided
    assert auc > worse_auc, decided
    world.until("its answers", lambda: world.answer()["version"] == previous, 180)


def test_given_weeks_of_labels_when_they_drift_then_the_cause_is_named_and_mended(
    usual: Seasons,
) -> None:
    world = usual.world
    usual.served(world.champion or "", fewer)
    named(usual)
    better = recalibrated(usual)

    usual.passes(1, DAYS, 2000, odd=True)
    world.apply()
    odd = world.new_version_after(
        lambda: world.kube.annotate(world.name, {"recommender.dev/retrain": "the odd season"})
    )
    assert usual.rolled_out(odd) == "Promoted", world.describe()
    world.until_settled()
    assert world.status["previous"] == better, world.status
    usual.served(odd, swapped)
    usual.passes(2, 4, 1000, odd=False)
    rolled_back(usual, better, odd)
