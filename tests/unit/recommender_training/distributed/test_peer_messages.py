"""Processes of a group wait while the first one is alive, and report why they end."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist

from recommender_training.cli import dispatch, main
from recommender_training.common.errors import InputError
from recommender_training.distributed import launch
from recommender_training.distributed import rank as place
from recommender_training.distributed.group import Group
from recommender_training.distributed.peer_messages import PeerError, Peers, Store, rendezvous


class Time:
    """A clock that pausing moves; `then` happens at the second pause."""

    def __init__(self, then: Any = None) -> None:
        self.now, self._then, self._pauses = 0.0, then, 0

    def clock(self) -> float:
        return self.now

    def pause(self, _seconds: float) -> None:
        self.now += 10
        self._pauses += 1
        if self._then is not None:
            self._then(self._pauses)


def peers(store: Store, rank: int, clock: Time, size: int = 2) -> Peers:
    return Peers(store, rank, size, 100, clock.clock, clock.pause)


@pytest.fixture
def store() -> Store:
    return dist.HashStore()  # type: ignore[attr-defined]


def met(store: Store, size: int) -> list[str]:
    with ThreadPoolExecutor(size) as threads:
        return list(
            threads.map(lambda rank: rendezvous(store, rank, size, 20), reversed(range(size)))
        )


def test_restarted_processes_join_each_other_and_no_dead_process(
    store: Store,
) -> None:
    names = [met(store, 3), met(store, 3), met(store, 2)]
    assert all(len(set(each)) == 1 for each in names)
    assert len({each[0] for each in names}) == 3


def test_a_process_whose_peers_never_join_reports_it(store: Store) -> None:
    met(store, 2)
    for rank in (0, 1):
        clock = Time()
        with pytest.raises(PeerError, match="not all 2 processes joined within 100 s"):
            rendezvous(store, rank, 2, 100, clock.clock, clock.pause)
        assert 100 <= clock.now <= 110


def test_a_text_of_the_first_process_is_received(store: Store) -> None:
    clock = Time(lambda pauses: store.set("config", "{}") if pauses == 3 else None)
    assert peers(store, 1, clock).hear("config") == "{}"
    assert clock.now == 30


def test_heartbeats_extend_the_wait_and_their_end_stops_it(store: Store) -> None:
    clock = Time(lambda pauses: store.set("beat", str(min(pauses, 50))))
    with pytest.raises(PeerError, match=r"no heartbeat for 100 s .* waited for 'config'"):
        peers(store, 1, clock).hear("config")
    assert 500 < clock.now <= 620


def test_a_failed_first_process_ends_the_wait(store: Store) -> None:
    first = peers(store, 0, Time())
    first.fail(1, {"reason": "DiskFull", "message": "no room"})
    with pytest.raises(PeerError, match="first process failed"):
        peers(store, 1, Time()).leave()


def test_the_first_process_waits_a_limited_time_for_the_others_to_leave(store: Store) -> None:
    clock = Time()
    peers(store, 0, clock).end()
    assert 30 <= clock.now < 50
    for rank in (1, 2):
        peers(store, rank, Time(), 3).leave()
    quick = Time()
    peers(store, 0, quick, 3).end()
    assert quick.now == 0


def test_heartbeats_are_sent_inside_the_block(store: Store) -> None:
    first = peers(store, 0, Time())
    with first.beating():
        until = time.monotonic() + 60
        while not store.check(["beat"]):
            assert time.monotonic() < until
            time.sleep(0.01)
    assert int(store.get("beat")) >= 1


def test_the_report_has_the_error_of_a_failed_peer(store: Store) -> None:
    report = {"reason": "Failed", "message": "RuntimeError: [gloo/pair.cc] Connection closed"}
    lost = launch.lost_peer(report)
    assert lost["reason"] == "PeerLost"
    assert "repeat the command to resume" in lost["message"]
    assert launch.lost_peer({"reason": "Failed", "message": "OSError"})["reason"] == "Failed"
    first = peers(store, 0, Time(), 3)
    assert launch.failure_of_peers(first.failures(), 1, lost) == (1, lost)
    peers(store, 1, Time(), 3).fail(1, launch.lost_peer(report))
    peers(store, 2, Time(), 3).fail(2, {"reason": "TrainingDiverged", "message": "nan"})
    code, entry = launch.failure_of_peers(first.failures(), 1, lost)
    assert (code, entry["reason"], entry["message"]) == (2, "TrainingDiverged", "process 2: nan")


def as_process(
    rank: int, store: Store, failure: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Do `train` as this one of three, which fails so before it does anything."""

    def train(_arguments: argparse.Namespace) -> tuple[str, dict[str, object]]:
        if failure is not None:
            raise failure
        return "done", {}

    @contextlib.contextmanager
    def joined(where: place.Rank) -> Iterator[tuple[Group, Peers]]:
        yield Group(where.rank, where.size), peers(store, where.rank, Time(), where.size)

    monkeypatch.setattr(launch, "joined_group", joined)
    monkeypatch.setattr(dispatch, "command", lambda _name: types.SimpleNamespace(run=train))
    for name, value in {"WORLD_SIZE": "3", "RANK": str(rank), "MASTER_ADDR": "a",
                        "MASTER_PORT": "1"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return dispatch.dispatch(argparse.Namespace(verb="train"))


@pytest.mark.parametrize(
    ("failure", "code", "words"),
    [
        (InputError("TrainingDiverged", "nan in epoch 2"), 2, "TrainingDiverged: nan in epoch 2"),
        (ValueError("no such column"), 1, "Failed: ValueError: no such column"),
        (
            RuntimeError("[gloo/pair.cc] Connection closed by peer"),
            1,
            "PeerLost: another process of the group is lost; repeat the command to resume "
            "(RuntimeError: [gloo/pair.cc] Connection closed by peer)",
        ),
    ],
)
def test_a_process_without_a_report_logs_its_error(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: Exception,
    code: int,
    words: str,
) -> None:
    assert as_process(2, store, failure, monkeypatch) == code
    assert f"] train: process 2: {words}\n" in capsys.readouterr().err
    entry = dict(peers(store, 0, Time(), 3).failures())
    assert words.startswith(f"{entry[2]['reason']}: {entry[2]['message']}")


def test_the_first_process_logs_its_report_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert as_process(0, store, InputError("TrainingDiverged", "nan"), monkeypatch) == 2
    assert capsys.readouterr().err.count("TrainingDiverged") == 1


def test_a_process_that_could_not_join_logs_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_arguments: Any) -> int:
        raise PeerError("not all 3 processes joined")

    monkeypatch.setattr(launch, "run_in_group", run)
    for name, value in {"WORLD_SIZE": "3", "RANK": "1", "MASTER_ADDR": "a",
                        "MASTER_PORT": "1"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert dispatch.dispatch(argparse.Namespace(verb="train")) == 1
    words = "train: process 1: Failed: PeerError: not all 3 processes joined\n"
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE='two' must be a whole number of at least 1"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "needs MASTER_ADDR, MASTER_PORT"),
        ({"RANK": "2"}, "RANK=2 must be below WORLD_SIZE=2"),
        ({"RANK": "-1"}, "RANK='-1' must be a whole number of at least 0"),
        ({place.TIMEOUT: "0"}, "SECONDS='0' must be a whole number of at least 1"),
    ],
)
def test_an_invalid_environment_is_refused_with_the_variable(
    environment: dict[str, str], words: str
) -> None:
    whole = {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"}
    given = environment if "WORLD_SIZE" in environment else whole | environment
    with pytest.raises(InputError, match="torchrun") as caught:
        place.rank_from_environment(given)
    assert caught.value.reason == "InvalidEnvironment"
    assert words in caught.value.message


def test_a_single_process_has_no_place() -> None:
    assert place.rank_from_environment({}) is None
    assert place.rank_from_environment({"WORLD_SIZE": "1", "RANK": "0"}) is None
    found = place.rank_from_environment(
        {"WORLD_SIZE": "3", "RANK": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1", "LOCAL_RANK": "1"}
    )
    assert found == place.Rank(rank=2, size=3, local_rank=1, seconds=1800)


def test_no_other_command_runs_in_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "WORLD_SIZE": "2",
        "RANK": "0",
        "MASTER_ADDR": "a",
        "MASTER_PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    report = tmp_path / "report.json"
    code = main.main(["remove", "--root", str(tmp_path), "x", "--report", str(report)])
    assert code == 2
    assert json.loads(report.read_text())["reason"] == "InvalidEnvironment"
