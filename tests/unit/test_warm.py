"""A forked command is like one of an interpreter of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests import warm

PROGRAM = """\
import os, sys, time
print(sys.argv[1:], os.environ["TOLD"], os.getcwd(), __name__, flush=True)
if sys.argv[1] == "raise":
    raise KeyError("why")
while sys.argv[1] == "wait":
    time.sleep(0.01)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The output of `program`, a package of the test's own."""
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setitem(warm.IMPORTED, "program", ("json",))
    monkeypatch.setattr(warm, "_parent", warm._parent.__wrapped__)
    return tmp_path / "output"


def start(output: Path, argument: str) -> warm.Warm:
    with output.open("wb") as out:
        return warm.start("program", [argument], out, {"TOLD": "yes"})


@pytest.mark.parametrize("code", [0, 3])
def test_it_has_its_own_arguments_environment_output_and_code(output: Path, code: int) -> None:
    assert start(output, str(code)).wait(60) == code
    assert output.read_text() == f"['{code}'] yes {os.getcwd()} __main__\n"


def test_an_error_is_in_its_output(output: Path) -> None:
    assert start(output, "raise").wait(60) == 1
    assert output.read_text().endswith("KeyError: 'why'\n")


def test_it_runs_until_a_signal_under_its_own_id(output: Path) -> None:
    running = start(output, "wait")
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(0.01)
    assert running.poll() is None
    os.kill(running.pid, signal.SIGTERM)
    assert running.wait(60) == running.poll() == -signal.SIGTERM
    running.kill()  # is nothing then
