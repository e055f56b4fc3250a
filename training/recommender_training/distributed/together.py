"""A command that several processes do together: who joins, who reports, and who ends when."""

from __future__ import annotations

import argparse
import contextlib
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist

from recommender_training.common.progress import say
from recommender_training.distributed.group import Group
from recommender_training.distributed.peers import PeerError, Peers, meet
from recommender_training.distributed.place import Place

_LOST = "PeerLost"
#: What errors of torch's exchanges, and our own, have in their texts.
_EXCHANGES = ("PeerError", "gloo", "NCCL", "Connection closed by peer", "Connection reset")
#: Exit code and report of a command.
Ended = tuple[int, dict[str, Any]]


def run(
    place: Place,
    arguments: argparse.Namespace,
    attempt: Callable[[argparse.Namespace], Ended],
    tell: Callable[[dict[str, Any]], None],
) -> int:
    """Do the command as one of a group; `tell` writes the report, in the first process alone.

    The first process fails with the reason that a peer gave, if one did: that is the cause. The
    others end after it, so that torchrun finds no process gone before the report is written, and
    each logs what it failed for. Raises what joining raises.
    """
    with joined(place) as (group, peers):
        arguments.group = group
        code, report = attempt(arguments)
        if code:
            report = lost(report)
            if not group.first:
                log(place, arguments.verb, report)
            peers.fail(code, report)
        if not group.first:
            if not code:
                peers.leave()
            return code
        if code:
            code, report = blame(peers.failures(), code, report)
        tell(report)
        if not code:
            peers.end()
        return code


def log(place: Place, verb: str, report: dict[str, Any]) -> None:
    """Say what a process failed for that has no report of its own."""
    say(f"{verb}: process {place.rank}: {report['reason']}: {report['message']}")


def blame(failures: list[tuple[int, dict[str, Any]]], code: int, report: dict[str, Any]) -> Ended:
    """The failure of the first process, or that of a peer, which is then what it failed for."""
    for rank, told in failures:
        if told["reason"] != _LOST:
            message = f"process {rank}: {told['message']}"
            return told["code"], {**report, "reason": told["reason"], "message": message}
    return code, report


def lost(report: dict[str, Any]) -> dict[str, Any]:
    """The report, with a reason of its own where an exchange with another process failed."""
    message = str(report["message"])
    if report["reason"] != "Failed" or not any(word in message for word in _EXCHANGES):
        return report
    words = "another process of the group is gone; the same command goes on from the checkpoint"
    return {**report, "reason": _LOST, "message": f"{words} ({message})"}


@contextlib.contextmanager
def joined(place: Place) -> Iterator[tuple[Group, Peers]]:
    """Meet the others; torch's own time limit holds for each exchange of numbers."""
    limit = timedelta(seconds=place.seconds)
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", place.local_rank)
        torch.cuda.set_device(device)
    say(f"train: process {place.rank} of {place.size} on {device} waits for the others")
    store, _, _ = next(dist.rendezvous("env://", timeout=limit))  # type: ignore[attr-defined]
    name = meet(store, place.rank, place.size, float(place.seconds))
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        store=dist.PrefixStore(f"{name}/collectives", store),  # type: ignore[attr-defined]
        rank=place.rank,
        world_size=place.size,
        timeout=limit,
    )
    ours = dist.PrefixStore(f"{name}/peers", store)  # type: ignore[attr-defined]
    peers = Peers(ours, place.rank, place.size, float(place.seconds))
    group = Group(place.rank, place.size, device, peers)
    try:
        with peers.beating() if group.first else contextlib.nullcontext(), stopping(group.first):
            yield group, peers
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def stopping(first: bool) -> Iterator[None]:
    """Turn SIGTERM into an error in the first process, so that a report is written.

    torchrun sends it when another process has ended, and kills after 30 s.
    """
    if not first:
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise PeerError("stopped (SIGTERM), as torchrun does when another process has ended")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
