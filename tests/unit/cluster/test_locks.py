"""What several processes share is changed by one of them at a time."""

from __future__ import annotations

import threading
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
