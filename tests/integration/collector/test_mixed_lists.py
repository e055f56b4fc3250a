"""Mixed lists from two real versions to what the operator reads of the users' clicks."""

from __future__ import annotations

import contextlib
import itertools
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from recommender_client import EventClient, events
from recommender_operator.extensions.interleaving.interleaving_preference import (
    COMPONENTS,
    preference,
)
from recommender_operator.rollout.collected_moments import read_arm
from recommender_serving.experiments.assignment import bucket
from tests import collector_rig
from tests.cluster.triton import run_triton
from tests.collector_rig import ADMITTED, MAPPING, Rig, until
from tests.integration.transformer_calls import PREDICT
from tests.integration.transformer_rig import Running, run_transformer, write_artifact
from tests.ports import free_ports

pytestmark = pytest.mark.integration

INTEGERS: dict[str, Any] = {"mapping": {**MAPPING, "ids": {"user": "Integer", "item": "Integer"}}}
OWN, CANDIDATE, ID = "shop-00000000", "shop-11111111", "0a1b2c3d"
HEADERS = {"x-recommender-interleaving": f"id={ID};candidate={CANDIDATE};users=5000"}
Lists = dict[int, list[int]]
THEIRS = [user for user in range(60) if bucket(ID, str(user)) < 5000]
INFER = "/v2/models/recommender/infer"


@contextlib.contextmanager
def versions(folder: Path, rig: Rig) -> Iterator[tuple[Running, Running]]:
    """The version that answers and the candidate, with real models."""
    write_artifact(folder / "artifact")
    ports = free_ports(2)
    environ = {
        "RECOMMENDER_MODEL": "shop",
        "RECOMMENDER_COLLECTOR_URL": rig.url,
        "RECOMMENDER_IMPRESSIONS": "1",
    }
    own = {
        "RECOMMENDER_VERSION": OWN,
        "RECOMMENDER_PEERS": ",".join(f"127.0.0.1:{p}" for p in ports),
    }
    theirs = {"RECOMMENDER_VERSION": CANDIDATE}
    with contextlib.ExitStack() as stack:
        triton = stack.enter_context(run_triton(folder / "artifact" / "repository"))
        started = [
            stack.enter_context(
                run_transformer(
                    folder / "artifact", triton.grpc_url, folder / name, environ=environ | more,
                    ports=at,
                )
            )
            for name, more, at in (("own", own, None), ("theirs", theirs, ports))
        ]  # fmt: skip
        yield started[0], started[1]


def ask(running: Running, user: int, number: int) -> list[int]:
    """The list of a user, over REST v1 or v2."""
    headers = {**HEADERS, "x-request-id": f"r{number}"}
    with httpx.Client(base_url=running.http, headers=headers, timeout=60) as client:
        if number % 2:
            inputs = [{"name": "user_id", "datatype": "INT64", "shape": [1], "data": [user]}]
            answer = client.post(INFER, json={"inputs": inputs})
            outputs = {each["name"]: each["data"] for each in answer.json()["outputs"]}
            return list(outputs["item_ids"])
        answer = client.post(PREDICT, json={"instances": [{"user_id": user}]})
        (found,) = answer.json()["predictions"]
        return list(found["items"])


def told(rig: Rig) -> Any:
    url = f"http://127.0.0.1:{rig.serve.admin}/v1/experiments/shop/{ID}"
    request = urllib.request.Request(url, headers=ADMITTED)
    with urllib.request.urlopen(request, timeout=60) as response:
        return read_arm(json.load(response), ID, "interleaved", COMPONENTS)


def counted(running: Running, outcome: str) -> float:
    return running.metric("transformer_interleaved_answers_total", outcome=outcome) or 0


def ask_until_mixed(running: Running, user: int, numbers: Iterator[int]) -> list[int]:
    """A mixed list of a user; on a busy machine the candidate may be late for some."""
    for number in itertools.islice(numbers, 50):
        before = counted(running, "mixed")
        found = ask(running, user, number)
        if counted(running, "mixed") > before:
            return found
    raise AssertionError("the candidate is late each time")


def shown_mixed(rig: Rig, gone: int) -> dict[int, dict[str, str]]:
    """What impressions say of mixed lists; that of the user `gone` was of the champion alone."""
    reported = [each for each in rig.archived() if "interleaved" in each]
    of_gone = [each["interleaved"]["teams"] for each in reported if each["user"] == gone]
    assert of_gone == ["-" * 10]
    return {
        each["user"]: each["interleaved"]
        for each in reported
        if each["interleaved"]["teams"].strip("-")
    }


def ask_all(own: Running, voters: list[int], others: set[int], numbers: Iterator[int]) -> Lists:
    """The mixed lists of the voters; the others get what they get."""
    for user in others:
        ask(own, user, next(numbers))
    return {user: ask_until_mixed(own, user, numbers) for user in voters}


def test_clicks_on_mixed_lists_become_the_preference_that_the_operator_reads(
    tmp_path: Path,
) -> None:
    gone, *voters = THEIRS
    numbers = itertools.count()
    with collector_rig.running(tmp_path, settings=INTEGERS) as rig:
        with versions(tmp_path, rig) as (own, candidate):
            lists = ask_all(own, voters, {*range(60)} - {*THEIRS}, numbers)
            assert counted(own, "mixed") == len(voters)
            asked = candidate.metric("recommender_shadow_requests_total", outcome="ok") or 0
            assert asked >= len(voters)
            assert candidate.metric("recommender_requests_total", outcome="ok") == 0
            candidate.process.kill()
            candidate.process.wait(120)
            late = counted(own, "alone")
            assert len(ask(own, gone, next(numbers))) == 10
            assert counted(own, "alone") == late + 1
            assert own.metric("recommender_requests_total", outcome="error") == 0
            assert own.stop() == 0  # what waits is sent at the end
        answers = next(numbers)
        until(lambda: len(rig.archived()) == answers)
        shown = shown_mixed(rig, gone)
        assert shown.keys() == {*voters}
        assert {(each["id"], each["candidate"]) for each in shown.values()} == {(ID, CANDIDATE)}
        # Three of four users click what the candidate gave, the others what it did not.
        liked = {user: "B" if n % 4 else "A" for n, user in enumerate(voters)}
        clicks = [
            events.click(user, lists[user][shown[user]["teams"].index(team)])
            for user, team in liked.items()
        ]
        with EventClient(rig.url, deadline=30) as client:
            client.send(*clicks, events.click(gone, 1))
        until(lambda: len(rig.archived()) == answers + len(THEIRS))
        until(lambda: told(rig).sums["clicked"] == len(voters))
        found = preference(told(rig), alpha=0.05, enough=1000)
    assert (found.users, found.clicked) == (len(THEIRS), len(voters))
    votes = [1 if team == "B" else -1 for team in liked.values()]
    assert found.value == pytest.approx(sum(votes) / len(votes))
