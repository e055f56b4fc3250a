"""The simulator as the scenarios start it: what its exit codes are taken for."""

from __future__ import annotations

import subprocess

import pytest

from tests.scenario.collecting import Simulated


def ended(script: str) -> Simulated:
    """A run of the simulator that is a script of the shell."""
    users = object.__new__(Simulated)
    users._process = subprocess.Popen(
        ["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    return users


def test_figures_of_failed_requests_are_read_and_a_report_without_failures_is_not_taken() -> None:
    script = """echo '{"failed": 2}'; exit 1"""
    assert ended(script).figures(5) == {"failed": 2}
    with pytest.raises(AssertionError, match="failed"):
        ended(script).report(5)


@pytest.mark.parametrize("script", ["echo usage >&2; exit 2", "echo traceback >&2; exit 1"])
def test_a_run_without_a_report_is_an_error_with_its_words(script: str) -> None:
    with pytest.raises(AssertionError, match=r"usage|traceback"):
        ended(script).figures(5)


def test_users_who_do_not_end_are_a_wait_that_failed() -> None:
    users = ended("exec sleep 5")
    with pytest.raises(TimeoutError, match="simulated users"):
        users.figures(0.01)
    users.stop()
