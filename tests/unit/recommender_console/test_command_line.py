"""The command `recommender-console`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from recommender_console import __main__
from recommender_console.settings import PREFIX, VARIABLES


def test_help_names_every_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        __main__.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(PREFIX + name in said for name in VARIABLES)


def test_an_invalid_setting_ends_it_with_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECOMMENDER_CONSOLE_API_SERVER", "http://api:6443")
    assert __main__.main([]) == __main__.USAGE
    assert "must be https://HOST[:PORT]" in capsys.readouterr().err


def test_it_loads_no_framework_and_no_other_client_of_the_cluster() -> None:
    script = "import sys, recommender_console.__main__ as m; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "aiohttp" in loaded
    assert loaded & {"kopf", "kubernetes", "pydantic", "urllib3", "mpmath", "torch"} == set()
