"""Locks for shared resources: caches and the machine's packages."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.progress import say
from tests.cluster.settings import cache_folder

_held: set[Path] = set()
"""The locks that this process holds alone."""


@contextlib.contextmanager
def held(path: Path, waiting_for: str) -> Iterator[None]:
    """Hold a file's lock, which ends with the process; report if another process holds it.

    Not reentrant: a caller that already holds it would wait forever.
    """
    with _locked(path, fcntl.LOCK_EX, waiting_for):
        _held.add(path)
        try:
            yield
        finally:
            _held.remove(path)


@contextlib.contextmanager
def shared(path: Path, waiting_for: str) -> Iterator[None]:
    """Hold a file's lock together with others that share it, while nobody else has it `held`.

    A process that has it `held` goes on, so that it can still describe its own failure.
    """
    if path in _held:
        yield
        return
    with _locked(path, fcntl.LOCK_SH, waiting_for):
        yield


@contextlib.contextmanager
def _locked(path: Path, kind: int, waiting_for: str) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {waiting_for}")
            fcntl.flock(file, kind)
        yield


def cache_held(name: str, waiting_for: str) -> contextlib.AbstractContextManager[None]:
    """Hold the lock of a part of the cache."""
    return held(cache_folder() / f"{name}.lock", waiting_for)


def kubelet_held() -> contextlib.AbstractContextManager[None]:
    """Keep others from using the kubelet: for a test that kills it."""
    return held(_kubelet(), "commands in pods, before the kubelet is killed")


def kubelet_used() -> contextlib.AbstractContextManager[None]:
    """Keep others from killing the kubelet: for a command that passes through it."""
    return shared(_kubelet(), "the kubelet, which a test has killed")


def _kubelet() -> Path:
    return cache_folder() / "kubelet.lock"
