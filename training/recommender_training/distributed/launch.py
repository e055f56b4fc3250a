"""Run a command in a process group: join, report and end together."""

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
from recommender_training.distributed.peer_messages import PeerError, Peers, rendezvous
from recommender_training.distributed.rank import Rank

_LOST = "PeerLost"
#: Parts of the texts of communication errors, of PyTorch and of this package.
_EXCHANGES = ("PeerError", "gloo", "NCCL", "Connection closed by peer", "Connection reset")
#: Exit code and report of a command.
Result = tuple[int, dict[str, Any]]


def run_in_group(
    place: Rank,
    arguments: argparse.Namespace,
    attempt: Callable[[argparse.Namespace], Result],
    publish: Callable[[dict[str, Any]], None],
) -> int:
    """Run the command as one process of a group; `publish` writes the report of the first one.

    If a peer failed, the first process fails with the peer's error, which is the cause. The others
    end after it, so that torchrun does not stop it before the report is written, and log their own
    errors. Raises the errors of `joined`.
    """
    with joined_group(place) as (group, peers):
        arguments.group = group
        code, report = attempt(arguments)
        if code:
            report = lost_peer(report)
            if not group.first:
                log(place, arguments.verb, report)
            peers.fail(code, report)
        if not group.first:
            if not code:
                peers.leave()
            return code
        if code:
            code, report = failure_of_peers(peers.failures(), code, report)
        publish(report)
        if not code:
            peers.end()
        return code


def log(place: Rank, verb: str, report: dict[str, Any]) -> None:
    """Log the error of a process without a report."""
    say(f"{verb}: process {place.rank}: {report['reason']}: {report['message']}")


def failure_of_peers(
    failures: list[tuple[int, dict[str, Any]]], code: int, report: dict[str, Any]
) -> Result:
    """Return the error of a peer if one failed first, else that of the first process."""
    for rank, failure in failures:
        if failure["reason"] != _LOST:
            message = f"process {rank}: {failure['message']}"
            return failure["code"], {**report, "reason": failure["reason"], "message": message}
    return code, report


def lost_peer(report: dict[str, Any]) -> dict[str, Any]:
    """Return the report, with the reason PeerLost if the communication failed."""
    message = str(report["message"])
    if report["reason"] != "Failed" or not any(word in message for word in _EXCHANGES):
        return report
    remedy = "another process of the group is lost; repeat the command to resume"
    return {**report, "reason": _LOST, "message": f"{remedy} ({message})"}


@contextlib.contextmanager
def joined_group(place: Rank) -> Iterator[tuple[Group, Peers]]:
    """Join the group; `Rank.seconds` is also PyTorch's timeout for each collective."""
    limit = timedelta(seconds=place.seconds)
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", place.local_rank)
        torch.cuda.set_device(device)
    say(f"train: process {place.rank} of {place.size} on {device} waits for the others")
    store, _, _ = next(dist.rendezvous("env://", timeout=limit))  # type: ignore[attr-defined]
    name = rendezvous(store, place.rank, place.size, float(place.seconds))
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
    """Turn SIGTERM into an error in the first process, so that it writes a report.

    torchrun sends SIGTERM when another process has ended, and SIGKILL after 30 s.
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
