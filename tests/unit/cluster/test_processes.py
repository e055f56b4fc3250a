"""A part of the cluster is a daemon: it outlives the command that started it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, ClassVar

import pytest

from tests.cluster import processes
from tests.cluster.processes import Part
from tests.cluster.settings import Layout

SLEEPER = Part("sleeper", ("/bin/sleep", "600"))


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """A cluster without parts, in a folder of its own; what it starts ends with the test."""
    layout = Layout(tmp_path / "state", tmp_path / "cache", api_port=1, etcd_port=2)
    yield layout
    processes.stop(processes.running(layout.state))


class Late(processes._Daemon):
    """A process whose environment is laid out only once somebody waits for it."""

    go: ClassVar[IO[bytes]]

    def __init__(self, argv: list[str], *, env: dict[str, str], stdin: int, **rest: Any) -> None:
        wait = f"import os, sys; sys.stdin.read(); os.execve({argv[0]!r}, {argv!r}, {env!r})"
        command = [sys.executable, "-I", "-S", "-c", wait]
        super().__init__(command, env={}, stdin=subprocess.PIPE, **rest)
        assert self.stdin is not None
        Late.go = self.stdin


def test_a_part_has_its_mark_when_start_returns(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The environment of a process can be read only a moment after Popen has returned.
    sleep = time.sleep

    def wait(seconds: float) -> None:
        Late.go.close()
        sleep(seconds)

    monkeypatch.setattr(processes, "_Daemon", Late)
    monkeypatch.setattr(time, "sleep", wait)
    assert processes.start(layout, SLEEPER)
    (process,) = processes.running(layout.state)
    assert process.executable == "sleep"


def test_a_part_has_a_session_of_its_own_and_holds_no_folder(layout: Layout) -> None:
    processes.start(layout, SLEEPER)
    (process,) = processes.running(layout.state)
    assert os.getsid(process.pid) == process.pid
    assert Path(f"/proc/{process.pid}/cwd").readlink() == Path("/")


def test_a_part_that_runs_is_not_started_again(layout: Layout) -> None:
    assert processes.start(layout, SLEEPER)
    (first,) = processes.running(layout.state)
    assert not processes.start(layout, SLEEPER)
    assert processes.running(layout.state) == [first]


def test_a_part_with_another_command_line_takes_the_place_of_the_old_one(layout: Layout) -> None:
    processes.start(layout, SLEEPER)
    (first,) = processes.running(layout.state)
    assert processes.start(layout, Part("sleeper", ("/bin/sleep", "601")))
    (second,) = processes.running(layout.state)
    assert second.pid != first.pid
    assert not processes.alive(first.pid)


def test_a_stopped_part_leaves_no_zombie(layout: Layout) -> None:
    processes.start(layout, SLEEPER)
    (process,) = processes.running(layout.state)
    processes.stop([process])
    assert not Path(f"/proc/{process.pid}").exists()
