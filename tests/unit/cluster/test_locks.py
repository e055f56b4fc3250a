"""What several processes share is changed by one of them at a time."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import binaries, locks
from tests.cluster.groups import Group


def test_a_second_holder_waits_and_says_for_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = threading.Event()
    texts: list[str] = []
    order: list[str] = []

    def say(text: str) -> None:
        texts.append(text)
        waits.set()

    monkeypatch.setattr(locks, "say", say)

    def second() -> None:
        with locks.held(tmp_path / "lock", "the first"):
            order.append("second")

    thread = threading.Thread(target=second)
    with locks.held(tmp_path / "lock", "nobody"):
        thread.start()
        assert waits.wait(timeout=60)
        order.append("first")
    thread.join(timeout=60)
    assert order == ["first", "second"]
    assert texts == ["waiting for the first"]


def begun(work: Callable[[threading.Event], None]) -> threading.Event:
    """Start work beside the test, which does not hang if the work does."""
    done = threading.Event()
    threading.Thread(target=work, args=(done,), daemon=True).start()
    return done


def test_many_share_a_lock_and_nobody_has_it_alone_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def share(done: threading.Event) -> None:
        with locks.shared(path, "nobody"):
            done.set()

    with locks.shared(path, "nobody"):
        assert begun(share).wait(timeout=60)
        with path.open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_nobody_shares_what_another_process_holds_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    waits = threading.Event()
    monkeypatch.setattr(locks, "say", lambda text: waits.set())

    def share(done: threading.Event) -> None:
        with locks.shared(path, "another process"):
            done.set()

    with path.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        done = begun(share)
        assert waits.wait(timeout=60)
        assert not done.is_set()
    assert done.wait(timeout=60)


def test_who_holds_a_lock_alone_may_also_share_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def both(done: threading.Event) -> None:
        with locks.held(path, "nobody"), locks.shared(path, "itself"):
            done.set()

    assert begun(both).wait(timeout=60)


def test_a_lock_is_free_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), locks.held(tmp_path / "lock", "nobody"):
        raise ValueError("broken")
    with locks.held(tmp_path / "lock", "nobody"):
        pass


def test_what_another_process_has_built_meanwhile_is_not_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOMMENDER_CACHE", str(tmp_path))
    monkeypatch.setattr(binaries, "ensure_package_binaries", lambda _: {"kubectl": tmp_path})
    monkeypatch.setattr(binaries, "group_folder", lambda group: tmp_path / group.name)
    group = Group(name="part", commands=(("part", "example.com/part"),))
    built: list[str] = []

    def build(group: Group, name: str, package: str, folder: Path) -> None:
        built.append(name)
        folder.mkdir()
        (folder / name).touch()

    monkeypatch.setattr(binaries, "_build", build)
    both = [threading.Thread(target=binaries.ensure, args=([group],)) for _ in range(2)]
    with locks.cache_held("bin", "nobody"):
        for thread in both:
            thread.start()
    for thread in both:
        thread.join(timeout=60)
    assert built == ["part"]
