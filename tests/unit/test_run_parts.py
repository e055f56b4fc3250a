"""The runner of the tests: every part is run, none is forgotten, none passes by being absent."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tests import run
from tests.run import Counts, Outcome, Part, Result

PASSING = "def test_good():\n    pass\n"
MIXED = """\
import pytest
def test_good(): pass
def test_bad(): raise ValueError("bad")
@pytest.fixture
def broken(): raise ValueError("broken")
def test_error(broken): pass
@pytest.mark.skip(reason="none")
def test_skipped(): pass
"""


def shell(script: str, *, limit: float = 30, name: str = "part") -> Part:
    return Part(name=name, commands=(("bash", "-c", script),), limit_seconds=limit)


def pytest_of(root: Path, content: str | None) -> Part:
    """Return a pytest part over a folder with one test file, or none."""
    folder = root / "inner"
    folder.mkdir()
    if content is not None:
        (folder / "test_inner.py").write_text(content, encoding="utf-8")
    # A root of its own, so that this project's settings do not reach in.
    (root / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    # Plain pytest: its plugins take seconds to load.
    environment = "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1"
    command = ("env", environment, sys.executable, "-m", "pytest", "-q", "inner")
    return Part(name="inner", commands=(command,), limit_seconds=60, folder="inner")


def outcome(result: Result, counts: Counts | None = None, name: str = "part") -> Outcome:
    return Outcome(part=shell("true", name=name), result=result, seconds=1.5, counts=counts)


def test_a_failing_command_fails_the_part_and_stops_it(tmp_path: Path) -> None:
    part = Part(
        name="two",
        commands=(("bash", "-c", "exit 3"), ("touch", "second")),
        limit_seconds=30,
    )
    done = run.run_part(part, tmp_path, tmp_path / "out")
    assert (done.result, done.note) == (Result.FAILED, "exit status 3")
    assert not (tmp_path / "second").exists()


def test_a_command_that_is_not_there_fails_the_part(tmp_path: Path) -> None:
    part = Part(name="gone", commands=(("./no-such-tool",),), limit_seconds=30)
    assert run.run_part(part, tmp_path, tmp_path / "out").result is Result.FAILED


@pytest.mark.parametrize("script", ["wait", "trap '' INT TERM; wait"])
def test_a_part_out_of_time_is_ended_with_all_it_started(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "GRACE_SECONDS", 0.3)
    part = shell(f"sleep 600 & echo $! > child; {script}", limit=1)
    done = run.run_part(part, tmp_path, tmp_path / "out")
    assert done.result is Result.TIMED_OUT
    child = int((tmp_path / "child").read_text(encoding="utf-8"))
    deadline = time.monotonic() + 60
    while running(child):
        assert time.monotonic() < deadline, "the child outlived the part"
        time.sleep(0.01)


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


def test_counts_come_from_the_report_of_pytest(tmp_path: Path) -> None:
    done = run.run_part(pytest_of(tmp_path, MIXED), tmp_path, tmp_path / "out")
    assert done.result is Result.FAILED
    assert done.counts == Counts(passed=1, failed=2, skipped=1)


def test_a_report_of_an_earlier_run_counts_for_nothing(tmp_path: Path) -> None:
    part = pytest_of(tmp_path, PASSING)
    reports = tmp_path / "out"
    assert run.run_part(part, tmp_path, reports).counts == Counts(passed=1)
    crashing = Part(
        name="inner", commands=(("bash", "-c", "exit 0"),), limit_seconds=9, folder="inner"
    )
    done = run.run_part(crashing, tmp_path, reports)
    assert (done.result, done.counts) == (Result.FAILED, None)


def test_a_folder_without_test_files_is_absent_and_not_passed(tmp_path: Path) -> None:
    done = run.run_part(pytest_of(tmp_path, None), tmp_path, tmp_path / "out")
    assert done.result is Result.ABSENT


def test_test_files_without_a_test_fail(tmp_path: Path) -> None:
    done = run.run_part(pytest_of(tmp_path, "x = 1\n"), tmp_path, tmp_path / "out")
    assert (done.result, done.note) == (Result.FAILED, "test files without a test")


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([outcome(Result.PASSED), outcome(Result.ABSENT)], False),
        ([outcome(Result.PASSED), outcome(Result.FAILED)], True),
        ([outcome(Result.TIMED_OUT), outcome(Result.PASSED)], True),
        ([outcome(Result.PASSED, Counts(passed=1, failed=1))], True),
    ],
)
def test_one_failed_part_fails_the_run(outcomes: list[Outcome], expected: bool) -> None:
    assert run.failed(outcomes) is expected


def test_parts_behind_a_failing_one_still_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = (shell("exit 1", name="first"), shell("touch ran", name="second"))
    monkeypatch.setattr(run, "PARTS", parts)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    assert run.main([]) == 1
    assert (tmp_path / "ran").exists()
    assert capsys.readouterr().out.endswith("0 passed, 0 failed, 0 skipped\n")


def test_no_part_outlives_the_time_of_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = (shell("sleep 600", limit=900, name="first"), shell("touch ran", name="second"))
    monkeypatch.setattr(run, "PARTS", parts)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "TOTAL_SECONDS", 0.5)
    assert run.main([]) == 1
    assert capsys.readouterr().out.count("TIMED OUT") == 2
    assert not (tmp_path / "ran").exists()


def test_no_end_to_end_test_is_in_two_parts_or_in_none() -> None:
    (e2e,) = (part for part in run.PARTS if part.name == "e2e")
    ignored = {option for option in e2e.commands[-1] if option.startswith("--ignore")}
    assert ignored == {f"--ignore={run.RIGHTS}"}
    assert [part.name for part in run.PARTS if part.folder == run.RIGHTS] == ["rights"]


def test_every_folder_with_tests_is_a_part() -> None:
    folders = {path.relative_to(run.ROOT).parts[1] for path in run.ROOT.glob("tests/**/test_*.py")}
    # The local cluster's own tests are run with the unit tests where they need no cluster.
    assert folders - {"cluster"} <= {Path(p.folder).name for p in run.PARTS if p.folder}
